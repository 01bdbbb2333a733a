"""Reads verdict cases: lines of JSON as `VerdictCase.to_line` writes them."""

from __future__ import annotations

from dataclasses import fields

from pydantic import BaseModel, ConfigDict

from voicebot.dialogue.interruption.verdict import Decision, Speech, VerdictContext
from voicebot.dialogue.interruption.verdict_case import VerdictCase
from voicebot.dialogue.preferences import Sensitivity


class _SpeechEntries(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    duration_s: float = 0.0
    level_db: float | None = None
    echo: float | None = None
    outlasted_s: float | None = None


class _CaseEntries(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    language: str
    sentence: str
    words_heard: int
    previous: str = ""
    confidence: float | None = None
    backchannel: str = ""
    message: str = ""
    sensitivity: Sensitivity = Sensitivity.BALANCED
    speech: _SpeechEntries = _SpeechEntries()
    text: str
    final: bool = True
    expected: Decision
    why: str = ""


def case_of_line(line: str) -> VerdictCase:
    """Returns the case of a line. Raises pydantic's ValidationError, which names the entry that is wrong."""
    entries = _CaseEntries.model_validate_json(line)
    known = {field.name: getattr(entries, field.name) for field in fields(VerdictContext) if field.name != "speech"}
    context = VerdictContext(**known, speech=Speech(**entries.speech.model_dump()))
    return VerdictCase(context, entries.text, entries.final, entries.expected, entries.why)
