"""The case of the benchmark: a user falls silent at a known time, and it is known whether the turn is over there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from voicebot.audio.sound import Audio


class Part(StrEnum):
    """No speaker and no sentence of one part occurs in the other."""

    DEVELOPMENT = "development"
    """Rules are written and weights are chosen with these cases."""
    HELD_OUT = "held out"
    """These cases only measure the rules: nobody looks at the errors one by one."""


class Kind(StrEnum):
    """What a case is about. Each kind gets a row of its own in the report."""

    TURN_PAIR = "turn pair"
    """A short question, and a longer one that begins with the same words and pauses after them."""
    CUT_RECORDING = "cut recording"
    """Read sentences of real speakers, opened at a word boundary, at their own pauses, and at their end."""
    CUT_SPEECH = "cut speech"
    """The same with sentences of synthetic voices."""
    HESITATION = "hesitation"
    """ "Um" or "uh" in the middle of a sentence, opened there."""
    ANSWER = "answer"
    """Answers to a question of the bot: yes or no, a name, a choice, a number."""
    DIGITS = "digits"
    """Numbers read in groups."""
    QUESTION = "question"
    """Whole questions and commands."""
    PROMPT = "prompt"
    """Recordings of a real speaker from a folder: see prompts.py."""
    TEXT = "text"
    """Without audio, in five languages."""


@dataclass(frozen=True, slots=True, eq=False)
class TurnCase:
    """One pause of a user, and what is right: to end the turn there, or to wait. Times are seconds of the audio."""

    name: str
    """Unique among all cases."""
    kind: Kind
    language: str
    part: Part
    speaker: str
    sentence: str
    """Everything that the user says."""
    audio: Audio | None
    """At 16 kHz; None if the case has only text."""
    words: tuple[tuple[str, float], ...]
    """Each word with the time at which its sound ends."""
    asked: str
    """What the bot said before; empty if it said nothing."""
    pause_at_s: float
    """Where the voice ends and the pause begins. The words before the pause end there or sooner."""
    over: bool
    """True if the turn is over at the pause."""
    pause_s: float
    """How long the user is silent. If the turn is over, the audio ends after it."""

    @property
    def said(self) -> str:
        """The words up to the pause."""
        return " ".join(word for word, ends_s in self.words if ends_s <= self.pause_at_s)
