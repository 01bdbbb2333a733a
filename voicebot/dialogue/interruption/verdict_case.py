"""A verdict case: a situation with the decision that is right, which the page offers for a verdict that was wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

from voicebot.dialogue.interruption.verdict import Decision, Speech, VerdictContext
from voicebot.dialogue.preferences import Sensitivity


@dataclass(frozen=True, slots=True)
class VerdictCase:
    """Words over a reply and the decision that is right for them. `why` is a note for people."""

    context: VerdictContext
    text: str
    final: bool
    expected: Decision
    why: str = ""

    def to_line(self) -> str:
        """Returns the case as one line of JSON, which the tests of verdicts can read. Unknown values are left out."""
        context = self.context
        speech = {
            field.name: value
            for field in fields(Speech)
            if (value := getattr(context.speech, field.name)) != getattr(Speech(), field.name)
        }
        known = {
            "confidence": context.confidence,
            "backchannel": context.backchannel or None,
            "message": context.message or None,
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
