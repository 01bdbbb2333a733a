"""A journal as documents: for programs as JSON, for people as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from voicebot.dialogue.state import Phase, VerdictRecord
from voicebot.dialogue.state import Turn as CoreTurn
from voicebot.dialogue.timings import medians, turn_view
from voicebot.dialogue.view import verdict_view
from voicebot.recording.documents import Event, Events, Said, Sound, Step, Timings, Transcript, Turn, Word
from voicebot.recording.journal import Entry, Happening, Journal

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
_LINE_MARKS = re.compile(r"^(\d+)([.)])|^([-+=:])")


def transcript(journal: Journal, began_at: datetime, sound: Sound | None) -> Transcript:
    return Transcript(
        format="voicebot.transcript",
        version=1,
        began_at=began_at,
        language=journal.state.rules.language,
        sound=sound,
        messages=[_said(entry) for entry in journal.entries()],
    )


def events(journal: Journal) -> Events:
    happened = [_event(at_s, happening) for at_s, happening in journal.events]
    return Events(format="voicebot.events", version=1, forgotten=journal.forgotten, events=happened)


def timings(journal: Journal) -> Timings:
    turns = [_turn(turn, journal.began_s) for turn in journal.turns]
    return Timings(format="voicebot.timings", version=1, turns=turns, medians_ms=medians(journal.turns))


def markdown(transcript: Transcript) -> str:
    """For people. What was said stands in it as text: none of it is Markdown or HTML."""
    return "\n".join(_lines(transcript)) + "\n"


def _lines(transcript: Transcript) -> Iterator[str]:
    yield "# A conversation with Voice Bot"
    if transcript.began_at is not None:
        yield ""
        yield f"{transcript.began_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC. Times count from there, as in the sound."
    for said in transcript.messages:
        at = "" if said.began_s is None else f" ({_clock(said.began_s)})"
        text = _plain(said.text)
        if said.interrupted:
            text += " **– interrupted**"
        if said.unheard:
            text += f" ~~{_plain(said.unheard)}~~"
        yield ""
        yield f"**{'You' if said.role == 'user' else 'Bot'}**{at}: {text}"
    if any(said.unheard for said in transcript.messages):
        yield ""
        yield "What is struck out was not heard, and is not remembered."


def _clock(seconds: float) -> str:
    tenths = max(0, round(seconds * 10))
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"


def _plain(text: str) -> str:
    line = " ".join(text.split())
    return _LINE_MARKS.sub(r"\1\\\2\3", _MARKS.sub(r"\\\1", line))


def _said(entry: Entry) -> Said:
    message = entry.message
    words = zip(message.text.split(), entry.heard_s, strict=False)
    return Said(
        role=message.role.value,
        text=message.text,
        unheard=entry.unheard,
        interrupted=message.interrupted,
        began_s=_rounded(entry.began_s),
        ended_s=_rounded(entry.ended_s),
        words=[Word(text=text, heard_s=round(heard_s, 3)) for text, heard_s in words],
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _event(at_s: float, happening: Happening) -> Event:
    at_s = round(at_s, 3)
    match happening:
        case Phase():
            return Event(at_s=at_s, kind="phase", name=happening.value)
        case VerdictRecord():
            details = verdict_view(happening)
            return Event(at_s=at_s, kind="verdict", name=happening.verdict.decision.value, details=details)
        case _:
            return Event(at_s=at_s, kind="input", name=_snake(type(happening).__name__), details=asdict(happening))


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def _turn(turn: CoreTurn, began_s: float) -> Turn:
    gap_s = turn.response_gap_s
    return Turn(
        speech_ended_s=round(turn.speech_ended_s - began_s, 3),
        typed=turn.typed,
        response_gap_ms=None if gap_s is None else round(gap_s * 1000),
        steps=[Step(**step) for step in turn_view(turn)],
    )
