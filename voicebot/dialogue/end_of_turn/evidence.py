"""What speaks for and against the end of a turn: one piece of evidence from each source."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Where a piece of evidence comes from, in the words that the page shows."""

    WORDS = "words"
    QUESTION = "question"
    """What the bot has just asked."""
    SOUND = "sound"
    """Pitch, loudness and roughness of the last syllable, and whether a sound is held."""
    PAUSES = "pauses"
    """How this user has paused before."""
    RECOGNISER = "recogniser"
    MODEL = "model"
    """The optional end-of-turn model."""


@dataclass(frozen=True, slots=True)
class TurnEvidence:
    """How much a source changes the log-odds (natural logarithm) that the turn is over, and why.

    Evidence of several sources adds up. 0 changes nothing, 2 makes 50 % to 88 %, -2 makes 50 % to 12 %.
    """

    source: Source
    log_odds: float
    reason: str


@dataclass(frozen=True, slots=True)
class RuleTally:
    """How much a rule changes the log-odds, and the whole and the unfinished turns from which this follows."""

    log_odds: float
    over: int
    unfinished: int
