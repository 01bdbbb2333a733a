"""Transcripts that can be imported, and the errors for other files."""

from __future__ import annotations

import contextlib
import random
import string
import time
from typing import Any

import pytest

from tests.support.transcripts import TALK, transcript
from voicebot.dialogue.history import Message, Role
from voicebot.recording.transcript_import import NO_TRANSCRIPT, ImportFileError, read_import, read_transcript
from voicebot.runtime.limits import MAX_TRANSCRIPT_BYTES

Json = dict[str, Any]

USER = {"role": "user", "text": "hello"}


def test_a_transcript_is_imported_with_or_without_a_byte_order_mark() -> None:
    expected = (Message(Role.USER, "hello"), Message(Role.ASSISTANT, "Hi.", interrupted=True))
    assert read_transcript(transcript()) == expected
    assert read_transcript(b"\xef\xbb\xbf" + transcript()) == expected
    assert read_transcript(transcript(sound=None, more=[1])) == expected


def test_an_import_ignores_invalid_times_and_unknown_fields() -> None:
    message = {"role": "user", "text": "hello", "began_s": "later", "more": [{"text": None}]}
    assert read_transcript(transcript(messages=[message], began_at="once")) == (Message(Role.USER, "hello"),)


def test_an_import_is_refused_above_the_limit_of_compressed_bytes() -> None:
    chance = random.Random(4)

    def random_message(chars: int) -> Json:
        return {"role": "user", "text": "".join(chance.choices(string.ascii_letters + string.digits, k=chars))}

    assert read_import(transcript(messages=[random_message(90_000)] * 2))
    with pytest.raises(ImportFileError, match="200000 compressed bytes"):
        read_import(transcript(messages=[random_message(90_000) for _ in range(4)]))


REFUSALS = [
    (b"", NO_TRANSCRIPT),
    (b"\x89PNG and so on", NO_TRANSCRIPT),
    (b"PK\x03\x04 and so on", "it is a zip; send the transcript.json in it"),
    (b"{", NO_TRANSCRIPT),
    (b"[" * 50_000, NO_TRANSCRIPT),
    (transcript(more="x" * MAX_TRANSCRIPT_BYTES), "it is too long; 1048576 bytes are allowed"),
    (transcript(messages=[USER] * 4_001), "transcript.json.messages: List should have at most 4000 items"),
    (transcript(messages=[{**USER, "text": "x" * 99_000}] * 5), "it has too much text"),
    (
        transcript(messages=[{**USER, "text": "e" * 70_000}] * 3).replace(b"e" * 70_000, b"\xc3\xa9" * 70_000),
        "it has too much text",
    ),
    (transcript(version=2), "transcript.json.version: Input should be 1"),
    (transcript(format="other"), NO_TRANSCRIPT),
    (b"[]", NO_TRANSCRIPT),
    (b"{}", NO_TRANSCRIPT),
    (transcript(messages=[{"role": "system", "text": "x"}]), "transcript.json.messages.0.role"),
    (transcript(messages=[{"role": "user"}]), "transcript.json.messages.0.text: Field required"),
    (transcript(messages=[{"role": "user", "text": " \n"}]), "it has no messages with text"),
    (transcript(messages=[{"role": "user", "text": "x" * 100_001}]), "messages.0.text"),
]


@pytest.mark.parametrize(("content", "complaint"), REFUSALS, ids=[complaint for _, complaint in REFUSALS])
def test_the_refusal_of_an_import_names_the_problem(content: bytes, complaint: str) -> None:
    with pytest.raises(ImportFileError) as raised:
        read_transcript(content)
    assert complaint in str(raised.value)
    assert len(str(raised.value)) < 300


def longest(**changes: Any) -> bytes:
    """Returns a transcript of about the greatest length that is allowed."""
    content = transcript(**changes)
    assert len(content) <= MAX_TRANSCRIPT_BYTES
    return content


WORST = {
    "long texts": longest(messages=[{"role": "user", "text": "x" * 99_000}] * 10),
    "words": longest(messages=[{"role": "user", "text": "a " * 49_000}] * 4),
    "messages": longest(messages=[{"role": "user", "text": "a " * 45}] * 4_000),
    "too many messages": longest(messages=[USER] * 26_000),
    "wrong messages": longest(messages=[{}] * 250_000),
    "numbers for messages": longest(messages=[1] * 340_000),
    "numbers": longest(more=[1] * 340_000),
    "texts": longest(more=["a"] * 200_000),
    "objects": longest(more=[{"a": 1.25}] * 70_000),
    "escapes": longest(more="\N{PILE OF POO}" * 80_000),
}


@pytest.mark.parametrize("name", WORST)
def test_the_worst_imports_take_less_than_40_ms_of_processor_time(name: str) -> None:
    """An import holds Python's global lock, so that all sessions wait for it."""
    computed_s = []
    for _ in range(3):
        began_s = time.thread_time()
        with contextlib.suppress(ImportFileError):
            read_import(WORST[name])
        computed_s.append(time.thread_time() - began_s)
    assert min(computed_s) < 0.04


def test_a_damaged_transcript_is_refused_or_still_gives_messages_with_text() -> None:
    """Bytes are changed, removed or doubled at random places."""
    chance = random.Random(3)
    messages = [{"role": message.role.value, "text": message.text} for message in TALK]
    originals = [transcript(messages=messages), transcript()]
    refused = 0
    for number in range(1_500):
        content = bytearray(originals[number % 2])
        for _ in range(chance.choice((1, 3, 20))):
            at = chance.randrange(len(content) or 1)
            match chance.randrange(3):
                case 0:
                    content[at : at + 1] = bytes([chance.randrange(256)])
                case 1:
                    del content[at : at + chance.randrange(1, 40)]
                case _:
                    content[at:at] = content[at : at + chance.randrange(1, 40)]
        try:
            history = read_transcript(bytes(content))
        except ImportFileError:
            refused += 1
        else:
            assert all(message.text for message in history)
    assert refused > 500
