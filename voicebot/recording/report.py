"""Makes the documents of a recording from its session log: JSON for programs, and Markdown for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from voicebot.dialogue.facts import Fact, TurnAnswered, VerdictGiven
from voicebot.dialogue.timings import turn_view
from voicebot.dialogue.view import verdict_view
from voicebot.recording.formats import EventsFile, LoggedEvent, SoundFile, TranscriptFile, TranscriptMessage
from voicebot.recording.session_log import SessionLog, TimedMessage

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
_LINE_MARKS = re.compile(r"^(\d+)([.)])|^([-+=:])")


def transcript(log: SessionLog, began_at: datetime, sound: SoundFile | None) -> TranscriptFile:
    messages = [_message(timed) for timed in log.messages()]
    return TranscriptFile(began_at=began_at, language=log.state.rules.language, sound=sound, messages=messages)


def events(log: SessionLog) -> EventsFile:
    return EventsFile(dropped=log.dropped, events=[_event(at_s, fact) for at_s, fact in log.facts])


def markdown(transcript: TranscriptFile) -> str:
    """Returns the transcript as Markdown. The messages are escaped, so that they contain neither Markdown nor HTML."""
    return "\n".join(_lines(transcript)) + "\n"


def _lines(transcript: TranscriptFile) -> Iterator[str]:
    yield "# A conversation with Voice Bot"
    yield ""
    yield f"Recorded on {transcript.began_at.astimezone(UTC):%Y-%m-%d at %H:%M} UTC. Times count from there."
    for message in transcript.messages:
        at = "" if message.began_s is None else f" ({_clock(message.began_s)})"
        text = _escaped(message.text)
        if message.interrupted:
            text += " **– interrupted**"
        if message.unheard:
            text += f" ~~{_escaped(message.unheard)}~~"
        yield ""
        yield f"**{'You' if message.role == 'user' else 'Bot'}**{at}: {text}"
    if any(message.unheard for message in transcript.messages):
        yield ""
        yield "The bot did not get to say what is struck out, and does not remember it."


def _clock(seconds: float) -> str:
    tenths = max(0, round(seconds * 10))
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"


def _escaped(text: str) -> str:
    line = " ".join(text.split())
    return _LINE_MARKS.sub(r"\1\\\2\3", _MARKS.sub(r"\\\1", line))


def _message(timed: TimedMessage) -> TranscriptMessage:
    message, (began_s, ended_s) = timed.message, timed.period or (None, None)
    return TranscriptMessage(
        role=message.role.value,
        text=message.text,
        unheard=timed.unheard,
        interrupted=message.interrupted,
        began_s=None if began_s is None else round(began_s, 3),
        ended_s=None if ended_s is None else round(ended_s, 3),
    )


def _event(at_s: float, fact: Fact) -> LoggedEvent:
    name = re.sub(r"(?<!^)([A-Z])", r"_\1", type(fact).__name__).lower()
    return LoggedEvent(at_s=round(at_s, 3), name=name, details=_details(fact))


def _details(fact: Fact) -> dict[str, Any]:
    match fact:
        case VerdictGiven(record):
            return verdict_view(record)
        case TurnAnswered(reply, turn):
            gap_ms = None if turn.response_gap_s is None else round(turn.response_gap_s * 1000)
            return {"reply": reply, "typed": turn.typed, "response_gap_ms": gap_ms, "steps": turn_view(turn)}
        case _:
            return asdict(fact)
