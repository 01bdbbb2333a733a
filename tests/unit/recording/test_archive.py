"""The archive of a recording that users download."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from tests.support.transcripts import TALK
from voicebot.audio.sound import FRAME_SAMPLES
from voicebot.dialogue.errors import ErrorCode, ErrorReport
from voicebot.dialogue.facts import ErrorRaised
from voicebot.dialogue.history import History, Message, Role
from voicebot.dialogue.state import State
from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.recording.archive import PIECE_BYTES, pack_archive
from voicebot.recording.formats import TranscriptFile
from voicebot.recording.recorder import Recordings, RecordingSnapshot
from voicebot.recording.session_log import SessionLog, TimedMessage
from voicebot.recording.transcript_import import ImportFileError, read_import, read_transcript
from voicebot.settings import config
from voicebot.storage.imports import unpack


def packed(snapshot: RecordingSnapshot) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(pack_archive(snapshot))))


def recorded(history: History, calls: tuple[CallRecord, ...] = (), **settings: Any) -> zipfile.ZipFile:
    """Returns the archive of a session that begins with this history and these calls, and plays one frame."""
    recordings = Recordings(config.load(**settings))
    recorder = recordings.new(history, calls)
    recorder.begin()
    recorder.played(np.full(FRAME_SAMPLES, 1_000, np.int16))
    snapshot = recorder.snapshot()
    archive = packed(snapshot)
    snapshot.close()
    recordings.close()
    assert recordings.find(recorder.name) is None
    return archive


def test_an_exported_conversation_is_imported_unchanged() -> None:
    archive = recorded(TALK)
    assert archive.testzip() is None
    assert set(archive.namelist()) == {"conversation.wav", "transcript.json", "transcript.md", "events.json"}
    text = archive.read("transcript.md").decode()
    assert r"tell me \<b\>a\</b\> story" in text
    assert r"1\. Once \*upon\* a time **– interrupted**" in text
    assert read_transcript(archive.read("transcript.json")) == TALK


def test_a_recording_without_sound_still_exports_the_transcript() -> None:
    archive = recorded(TALK, recording_minutes=0)
    assert "conversation.wav" not in archive.namelist()
    assert json.loads(archive.read("transcript.json"))["sound"] is None
    assert read_transcript(archive.read("transcript.json")) == TALK


def test_the_transcripts_have_the_calls_at_their_places_and_an_import_ignores_them() -> None:
    calls = (
        CallRecord("one", "order_pizza", '{"count": 1}', CallStatus.DONE, "<b>20</b> minutes", position=1),
        CallRecord("two", "order_beer", "{}", CallStatus.UNKNOWN, position=len(TALK)),
    )
    archive = recorded(TALK, calls)
    document = json.loads(archive.read("transcript.json"))
    assert document["calls"] == [
        {
            **{"id": "one", "tool": "order_pizza", "arguments": '{"count": 1}', "status": "done"},
            **{"result": "<b>20</b> minutes", "position": 1},
        },
        {
            "id": "two",
            "tool": "order_beer",
            "arguments": "{}",
            "status": "unknown",
            "result": "",
            "position": len(TALK),
        },
    ]
    lines = [line for line in archive.read("transcript.md").decode().splitlines() if line.startswith("**")]
    assert [line.partition(":")[0] for line in lines] == ["**You**", "**Tool**", "**Bot**", "**You**", "**Tool**"]
    assert lines[1] == r'**Tool**: order\_pizza \{"count": 1\} **– done**: \<b\>20\</b\> minutes'
    assert lines[-1] == r"**Tool**: order\_beer \{\} **– unknown**"
    assert read_transcript(archive.read("transcript.json")) == TALK


class EndedLog(SessionLog):
    """The log of a conversation that has ended, with these messages."""

    def __init__(self, messages: tuple[TimedMessage, ...]) -> None:
        super().__init__(State(history=tuple(timed.message for timed in messages)), 0.0)
        self._ended_with = messages

    def messages(self) -> tuple[TimedMessage, ...]:
        return self._ended_with


def long_talk(minutes: int, words_per_message: int) -> SessionLog:
    """Returns the log of a talk at 150 words a minute."""
    messages: list[TimedMessage] = []
    for number in range(minutes * 150 // words_per_message):
        at_s = number * words_per_message * 0.4
        role = (Role.USER, Role.ASSISTANT)[number % 2]
        message = Message(role, " ".join(["conversation"] * words_per_message))
        messages.append(TimedMessage(message, (at_s, at_s + words_per_message * 0.4)))
    return EndedLog(tuple(messages))


@pytest.mark.parametrize("words_per_message", [8, 25])
def test_an_exported_conversation_of_three_hours_is_imported_whole(words_per_message: int) -> None:
    log = long_talk(180, words_per_message)
    archive = packed(RecordingSnapshot(datetime.now(UTC), log, None, cut_off=False))
    content = archive.read("transcript.json")
    history, imported = read_import(content)
    assert history == log.state.history
    assert unpack(imported.packed) == history
    assert 300_000 < len(content) < 700_000
    document = TranscriptFile.model_validate_json(content)
    assert [message.text for message in document.messages] == [message.text for message in history]
    assert document.messages[1].began_s == words_per_message * 0.4


def test_a_long_recording_is_packed_and_serialised_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pydantic holds Python's global lock while it serialises. One large piece would stall all sessions."""
    lengths: list[int] = []
    dump = BaseModel.model_dump_json

    def watched(self: BaseModel, **options: Any) -> str:
        lengths.append(len(text := dump(self, **options)))
        return text

    monkeypatch.setattr(BaseModel, "model_dump_json", watched)
    log = long_talk(180, 25)
    call = CallRecord("call_1", "order", "{}", result="word " * 400)
    log.state = replace(log.state, calls=tuple(replace(call, id=str(number)) for number in range(500)))
    log.facts.extend(
        (number * 1.0, ErrorRaised(ErrorReport(ErrorCode.ENGINE, "word " * 400))) for number in range(1_000)
    )
    pieces = list(pack_archive(RecordingSnapshot(datetime.now(UTC), log, None, cut_off=False)))
    assert sum(lengths) > 3_000_000
    assert max(lengths) < 10_000
    assert len(pieces) > sum(lengths) // (2 * PIECE_BYTES)


def test_a_message_too_long_for_an_import_can_still_be_exported() -> None:
    archive = recorded((Message(Role.USER, "x" * 100_001),))
    with pytest.raises(ImportFileError, match="at most 100000 characters"):
        read_transcript(archive.read("transcript.json"))
