"""A judged case as one line of JSON: what the tests read and the panel's "wrong call" button writes."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

from voicebot.dialogue.interruption.verdict import Decision, Speech, VerdictContext
from voicebot.dialogue.preferences import Sensitivity


@dataclass(frozen=True, slots=True)
class VerdictCase:
    """Words over a reply and the decision that they should have led to. `why` is a note for people."""

    context: VerdictContext
    text: str
    final: bool
    expected: Decision
    why: str = ""

    def to_line(self) -> str:
        """The case as JSON without line ends; what is not known is left out."""
        context = self.context
        speech = {
            field.name: value
            for field in fields(Speech)
            if (value := getattr(context.speech, field.name)) != getattr(Speech(), field.name)
        }
        known = {
            "confidence": context.confidence,
            "backchannel": context.backchannel or None,
            "sensitivity": None if context.sensitivity is Sensitivity.BALANCED else context.sensitivity.value,
            "speech": speech or None,
            "why": self.why or None,
        }
        case = {
            "language": context.language,
            "sentence": context.sentence,
            "words_heard": context.words_heard,
            "previous": context.previous,
            "text": self.text,
            "final": self.final,
            "expected": self.expected.value,
        }
        return json.dumps(
            case | {name: value for name, value in known.items() if value is not None}, ensure_ascii=False
        )

    @classmethod
    def from_line(cls, line: str) -> VerdictCase:
        """The case of such a line. Raises ValueError that names what is wrong."""
        try:
            read = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"not JSON: {error}") from None
        entries = _entries(read, "the line", _TYPES)
        missing = [name for name in _REQUIRED if name not in entries]
        if missing:
            raise ValueError(f"missing: {', '.join(missing)}")
        expected = entries.pop("expected")
        if expected not in list(Decision):
            raise ValueError(f"expected is {expected!r}, not one of {', '.join(Decision)}")
        speech = Speech(**_entries(entries.pop("speech", {}), "speech", _SPEECH_TYPES))
        sensitivity = entries.pop("sensitivity", Sensitivity.BALANCED)
        if sensitivity not in list(Sensitivity):
            raise ValueError(f"sensitivity is {sensitivity!r}, not one of {', '.join(Sensitivity)}")
        text, final, why = entries.pop("text"), entries.pop("final", True), entries.pop("why", "")
        context = VerdictContext(**entries, speech=speech, sensitivity=Sensitivity(sensitivity))
        return cls(context, text, final, Decision(expected), why)


_NUMBER = (int, float, type(None))
_TYPES: dict[str, tuple[type, ...]] = {
    "language": (str,),
    "sentence": (str,),
    "words_heard": (int,),
    "previous": (str,),
    "text": (str,),
    "final": (bool,),
    "expected": (str,),
    "confidence": _NUMBER,
    "backchannel": (str,),
    "sensitivity": (str,),
    "speech": (dict,),
    "why": (str,),
}
_REQUIRED = ("language", "sentence", "words_heard", "text", "expected")
_SPEECH_TYPES: dict[str, tuple[type, ...]] = {
    "duration_s": (int, float),
    "level_db": _NUMBER,
    "echo": _NUMBER,
    "outlasted_s": _NUMBER,
}


def _entries(read: Any, name: str, types: dict[str, tuple[type, ...]]) -> dict[str, Any]:
    """The object's entries, all of them known and of their types. Raises ValueError."""
    if not isinstance(read, dict):
        raise ValueError(f"{name} is not an object")
    for key, value in read.items():
        if key not in types:
            raise ValueError(f"unknown: {key}")
        if not isinstance(value, types[key]) or (isinstance(value, bool) and bool not in types[key]):
            raise ValueError(f"{key} is {value!r}")
    return dict(read)
