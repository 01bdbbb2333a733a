"""What is taken along, and brought back: nothing is lost, and nothing else is let in."""

from __future__ import annotations

import contextlib
import io
import json
import random
import string
import struct
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from tests.support.transcripts import TALK, transcript
from voicebot.audio.sound import FRAME_SAMPLES
from voicebot.dialogue.events import TextTyped
from voicebot.dialogue.history import History, Message, Role
from voicebot.dialogue.state import State
from voicebot.recording.archive import ImportFileError, pack, read, read_packed
from voicebot.recording.documents import Transcript
from voicebot.recording.journal import Entry, Journal
from voicebot.recording.recorder import Recordings, Take
from voicebot.settings import config
from voicebot.storage.imports import unpack

Json = dict[str, Any]


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file


USER = {"role": "user", "text": "hello"}


def taken(history: History, **settings: Any) -> io.BytesIO:
    recordings = Recordings(config.load(**settings))
    recorder = recordings.new(history)
    recorder.begin()
    recorder.played(np.full(FRAME_SAMPLES, 1_000, np.int16))
    file = io.BytesIO()
    pack(recorder.take(), file)
    recordings.close()
    assert recordings.find(recorder.name) is None
    return file


# Out and in again ---------------------------------------------------------------------------------------------------


def test_an_exported_conversation_is_imported_unchanged() -> None:
    file = taken(TALK)
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {
            *("conversation.wav", "transcript.json", "transcript.md", "events.json", "timings.json")
        }
        text = archive.read("transcript.md").decode()
    assert r"tell me \<b\>a\</b\> story" in text
    assert r"1\. Once \*upon\* a time **– interrupted**" in text
    assert read(file) == TALK


def test_a_recording_without_sound_still_exports_the_transcript() -> None:
    file = taken(TALK, recording_minutes=0)
    with zipfile.ZipFile(file) as archive:
        assert "conversation.wav" not in archive.namelist()
        assert json.loads(archive.read("transcript.json"))["sound"] is None
    assert read(file) == TALK


def test_an_unpacked_transcript_and_a_repacked_folder_can_be_imported() -> None:
    expected = (Message(Role.USER, "hello"), Message(Role.ASSISTANT, "Hi.", interrupted=True))
    assert read(io.BytesIO(transcript())) == expected
    assert read(io.BytesIO(b"\xef\xbb\xbf" + transcript())) == expected
    junk = ("__MACOSX/talk/._transcript.json", b"\0")
    assert read(zipped(("talk/transcript.json", transcript()), junk)) == expected
    assert read(zipped(("transcript.json", transcript(sound=None, more=[1])), method=zipfile.ZIP_STORED)) == expected


def test_an_import_ignores_invalid_times_and_words_of_messages() -> None:
    """The words and their times of a long talk are some hundred thousand objects, which nobody needs."""
    said = {"role": "user", "text": "hello", "began_s": "later", "words": [{"text": None, "heard_s": {}}]}
    assert read(io.BytesIO(transcript(messages=[said], began_at="once"))) == (Message(Role.USER, "hello"),)


class ToldJournal(Journal):
    """The journal of a conversation that has ended, with all its entries."""

    def __init__(self, told: tuple[Entry, ...]) -> None:
        super().__init__(State(history=tuple(entry.message for entry in told)), 0.0)
        self._told = told

    def entries(self) -> tuple[Entry, ...]:
        return self._told


def long_talk(minutes: int, words_per_message: int) -> Journal:
    """A talk as it is recorded, at 150 words a minute, with the time of each word of the bot's."""
    told: list[Entry] = []
    for number in range(minutes * 150 // words_per_message):
        at_s = number * words_per_message * 0.4
        role = (Role.USER, Role.ASSISTANT)[number % 2]
        message = Message(role, " ".join(["conversation"] * words_per_message))
        heard_s = tuple(at_s + 0.4 * word for word in range(words_per_message))
        told.append(Entry(message, at_s, heard_s[-1], heard_s if role is Role.ASSISTANT else ()))
    return ToldJournal(tuple(told))


@pytest.mark.parametrize("words_per_message", [8, 25])
def test_an_exported_conversation_of_three_hours_is_imported_whole(words_per_message: int) -> None:
    journal = long_talk(180, words_per_message)
    file = io.BytesIO()
    pack(Take(datetime.now(UTC), journal, None, cut_off=False), file)
    history, imported = read_packed(file)
    assert history == journal.state.history
    assert unpack(imported.packed) == history
    with zipfile.ZipFile(file) as archive:
        assert 1_000_000 < archive.getinfo("transcript.json").file_size < 2_000_000
        document = Transcript.model_validate_json(archive.read("transcript.json"))
    assert [said.text for said in document.messages] == [message.text for message in history]
    assert len(document.messages[1].words) == words_per_message


def test_an_import_is_refused_above_the_limit_of_compressed_bytes() -> None:
    chance = random.Random(4)

    def said(chars: int) -> Json:
        return {"role": "user", "text": "".join(chance.choices(string.ascii_letters + string.digits, k=chars))}

    assert read_packed(io.BytesIO(transcript(messages=[said(90_000)] * 2)))
    with pytest.raises(ImportFileError, match="200000 compressed bytes"):
        read_packed(io.BytesIO(transcript(messages=[said(90_000) for _ in range(4)])))


def test_a_long_recording_is_serialised_to_json_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pydantic does that without giving up Python's global lock: no session would hear or play meanwhile."""
    lengths: list[int] = []
    dump = BaseModel.model_dump_json

    def watched(self: BaseModel, **options: Any) -> str:
        lengths.append(len(text := dump(self, **options)))
        return text

    monkeypatch.setattr(BaseModel, "model_dump_json", watched)
    journal = long_talk(180, 25)
    journal.events.extend((number * 1.0, TextTyped("word " * 400)) for number in range(1_000))
    pack(Take(datetime.now(UTC), journal, None, cut_off=False), io.BytesIO())
    assert sum(lengths) > 3_000_000
    assert max(lengths) < 10_000


def test_a_message_too_long_for_an_import_can_still_be_exported() -> None:
    file = taken((Message(Role.USER, "x" * 100_001),))
    with pytest.raises(ImportFileError, match="at most 100000 characters"):
        read(file)


# What is not let in ---------------------------------------------------------------------------------------------------


def broken(change: Callable[[bytearray], None]) -> io.BytesIO:
    content = bytearray(zipped(("transcript.json", transcript())).getvalue())
    change(content)
    return io.BytesIO(bytes(content))


def encrypted(content: bytearray) -> None:
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1


def many(count: int) -> io.BytesIO:
    return zipped(*((f"{number}.txt", b"") for number in range(count)), ("transcript.json", transcript()))


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        (io.BytesIO(), "the file is empty"),
        (io.BytesIO(b"\x89PNG and so on, for long enough to be one"), "it is no zip"),
        (io.BytesIO(zipped(("transcript.json", transcript())).getvalue()[:-30]), "not all of it is there"),
        (zipped(("readme.txt", b"")), "it holds no transcript.json"),
        (zipped(("transcript.json", transcript()), ("a/transcript.json", b"")), "more than one transcript.json"),
        (broken(encrypted), "locked with a password"),
        (zipped(("transcript.json", transcript()), method=zipfile.ZIP_BZIP2), "in a way that is not known"),
        (many(65), "too many files"),
        (zipped(("transcript.json", b"[" + b" " * 50_000_000)), "transcript.json is too long"),
        (zipped(("transcript.json", b"{")), "transcript.json: Invalid JSON"),
        (zipped(("transcript.json", b"[" * 50_000)), "transcript.json: Invalid JSON"),
        (zipped(("transcript.json", transcript(more=[[]] * 50_000))), "transcript.json has too many parts"),
        (zipped(("transcript.json", transcript(more=[1] * 200_000))), "transcript.json has too many parts"),
        (io.BytesIO(transcript(messages=[USER] * 4_001)), "transcript.json has too many messages"),
        (io.BytesIO(transcript(messages=[{**USER, "text": "x" * 99_000}] * 5)), "too much was said in it"),
        (io.BytesIO(transcript(messages=[{**USER, "text": "\N{DEVANAGARI LETTER KA}" * 70_000}] * 2)), "too much was"),
        (io.BytesIO(transcript(version=2)), "transcript.json.version: Input should be 1"),
        (io.BytesIO(transcript(format="other")), "transcript.json.format: Input should be 'voicebot.transcript'"),
        (io.BytesIO(transcript(messages=[{"role": "system", "text": "x"}])), "transcript.json.messages.0.role"),
        (io.BytesIO(transcript(messages=[{"role": "user"}])), "transcript.json.messages.0.text: Field required"),
        (io.BytesIO(transcript(messages=[{"role": "user", "text": " \n"}])), "nothing was said in it"),
        (io.BytesIO(transcript(messages=[{"role": "user", "text": "x" * 100_001}])), "messages.0.text"),
    ],
)
def test_the_refusal_of_an_import_file_names_the_problem(file: io.BytesIO, complaint: str) -> None:
    with pytest.raises(ImportFileError) as raised:
        read(file)
    assert complaint in str(raised.value)
    assert len(str(raised.value)) < 300


WORST = {
    "long texts": transcript(messages=[{"role": "user", "text": "x" * 99_000}] * 29),
    "words": transcript(messages=[{"role": "user", "text": "a " * 49_000}] * 4),
    "messages": transcript(messages=[{"role": "user", "text": "a " * 45}] * 4_000),
    "too many messages": transcript(messages=[USER] * 60_000),
    "wrong messages": transcript(messages=[{}] * 90_000),
    "numbers for messages": transcript(messages=[1] * 990_000),
    "numbers": transcript(more=[1] * 990_000),
    "texts": transcript(more=["a"] * 590_000),
    "objects": transcript(more=[{"a": 1.25}] * 49_000),
    "escapes": transcript(more="\N{PILE OF POO}" * 240_000),
}


@pytest.mark.parametrize("name", WORST)
def test_the_worst_import_files_take_less_than_40_ms_of_processor_time(name: str) -> None:
    """Others wait for Python's global lock no longer than a job computes."""
    file = zipped(("transcript.json", WORST[name]))
    assert len(WORST[name]) < 3_000_000
    computed_s = []
    for _ in range(3):
        began_s = time.thread_time()
        with contextlib.suppress(ImportFileError):
            read_packed(file)
        computed_s.append(time.thread_time() - began_s)
    assert min(computed_s) < 0.04


def with_directory_of_500_mb() -> bytes:
    content = bytearray(many(10).getvalue())
    content[-10:-6] = struct.pack("<L", 500_000_000)
    return bytes(content)


def with_zip64_locator() -> bytes:
    whole = many(0).getvalue()
    return whole[:-22] + b"PK\x06\x07" + bytes(16) + whole[-22:]


@pytest.mark.parametrize("content", [with_directory_of_500_mb(), with_zip64_locator()], ids=["size", "zip64"])
def test_a_zip_with_a_false_directory_size_or_a_zip64_locator_is_refused_before_its_directory_is_read(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_, **__: pytest.fail("the directory was read"))
    with pytest.raises(ImportFileError, match="too many files"):
        read(io.BytesIO(content))


def test_a_damaged_import_file_is_refused_or_still_gives_messages_with_text() -> None:
    """Bytes changed, cut out or doubled anywhere, in zips and in transcripts."""
    chance = random.Random(3)
    originals = [taken(TALK).getvalue(), zipped(("transcript.json", transcript())).getvalue(), transcript()]
    refused = 0
    for number in range(1_500):
        content = bytearray(originals[number % 3])
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
            history = read(io.BytesIO(bytes(content)))
        except ImportFileError:
            refused += 1
        else:
            assert all(message.text for message in history)
    assert refused > 500
