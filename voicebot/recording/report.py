"""Makes the documents of a recording from its session log: JSON for programs, and Markdown for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from voicebot.dialogue.facts import Fact, ToolCallChanged, TurnAnswered, VerdictGiven
from voicebot.dialogue.timings import turn_view
from voicebot.dialogue.view import verdict_view
from voicebot.recording.formats import (
    EventsFile,
    LoggedEvent,
    SoundFile,
    TranscriptCall,
    TranscriptFile,
    TranscriptMessage,
)
from voicebot.recording.session_log import SessionLog, TimedCall, TimedMessage

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
_LINE_MARKS = re.compile(r"^(\d+)([.)])|^([-+=:])")


def transcript(log: SessionLog, began_at: datetime, sound: SoundFile | None) -> TranscriptFile:
    messages, calls = [_message(timed) for timed in log.messages()], [_call(timed) for timed in log.calls()]
    language = log.state.rules.language
    return TranscriptFile(began_at=began_at, language=language, sound=sound, calls=calls, messages=messages)


def events(log: SessionLog) -> EventsFile:
    return EventsFile(dropped=log.dropped, events=[_event(at_s, fact) for at_s, fact in log.facts])


def markdown(transcript: TranscriptFile) -> str:
    """Returns the transcript as Markdown. All texts are escaped, so that they contain neither Markdown nor HTML."""
    return "\n".join(_lines(transcript)) + "\n"


def _lines(transcript: TranscriptFile) -> Iterator[str]:
    yield "# A conversation with Voice Bot"
    yield ""
    yield f"Recorded on {transcript.began_at.astimezone(UTC):%Y-%m-%d at %H:%M} UTC. Times count from there."
    for place, message in enumerate(transcript.messages):
        yield from _calls_at(transcript, place)
        at = "" if message.began_s is None else f" ({_clock(message.began_s)})"
        text = _escaped(message.text)
        if message.interrupted:
            text += " **– interrupted**"
        if message.unheard:
            text += f" ~~{_escaped(message.unheard)}~~"
        yield ""
        yield f"**{'You' if message.role == 'user' else 'Bot'}**{at}: {text}"
    yield from _calls_at(transcript, len(transcript.messages))
    if any(message.unheard for message in transcript.messages):
        yield ""
        yield "The bot did not get to say what is struck out, and does not remember it."


def _calls_at(transcript: TranscriptFile, place: int) -> Iterator[str]:
    """Yields a paragraph for each call that stands before the message at this place."""
    for call in transcript.calls:
        if min(call.position, len(transcript.messages)) == place:
            came_s = call.ended_s if call.began_s is None else call.began_s
            at = "" if came_s is None else f" ({_clock(came_s)})"
            result = f": {_escaped(call.result)}" if call.result else ""
            yield ""
            yield f"**Tool**{at}: {_escaped(call.tool)} {_escaped(call.arguments)} **– {call.status}**{result}"


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
        began_s=_rounded(began_s),
        ended_s=_rounded(ended_s),
    )


def _call(timed: TimedCall) -> TranscriptCall:
    call = timed.record
    return TranscriptCall(
        id=call.id,
        tool=call.tool,
        arguments=call.arguments,
        status=call.status,
        result=call.result,
        position=call.position,
        began_s=_rounded(timed.began_s),
        ended_s=_rounded(timed.ended_s),
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _event(at_s: float, fact: Fact) -> LoggedEvent:
    name = re.sub(r"(?<!^)([A-Z])", r"_\1", type(fact).__name__).lower()
    return LoggedEvent(at_s=round(at_s, 3), name=name, details=_details(fact))


def _details(fact: Fact) -> dict[str, Any]:
    match fact:
        case VerdictGiven(record):
            return verdict_view(record)
        case ToolCallChanged(call):  # the transcript has its arguments and its result
            return {"id": call.id, "tool": call.tool, "status": call.status.value, "reported": call.reported}
        case TurnAnswered(reply, turn):
            gap_ms = None if turn.response_gap_s is None else round(turn.response_gap_s * 1000)
            return {"reply": reply, "typed": turn.typed, "response_gap_ms": gap_ms, "steps": turn_view(turn)}
        case _:
            return asdict(fact)
