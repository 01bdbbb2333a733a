"""What the user of a session may choose, and how hard it is to interrupt the bot with each sensitivity."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class InterruptedHistory(StrEnum):
    """What the history keeps of a reply that was interrupted."""

    HEARD = "heard"
    """The words that were heard."""
    MERGE = "merge"
    """Nothing: the user's new words join their last message."""


class Sensitivity(StrEnum):
    """How easily the bot is interrupted."""

    HARD = "hard"
    BALANCED = "balanced"
    EASY = "easy"

    @property
    def interruption_thresholds(self) -> InterruptionThresholds:
        return _DEMANDS[self]


class Endpointing(StrEnum):
    """How soon the bot takes a silence for the end of the user's turn."""

    QUICK = "quick"
    BALANCED = "balanced"
    PATIENT = "patient"
    """For people who speak slowly, or stammer."""


@dataclass(frozen=True, slots=True)
class InterruptionThresholds:
    """What it takes to interrupt a speaking bot. Stop words and answers to its questions always interrupt it.

    `threshold` and `start_s` apply only while the bot speaks: a silent bot detects speech as usual.
    """

    threshold: float = 0.0
    """How far the detector's threshold moves: as a share of the way to 1, or to 0 if it is negative."""
    start_s: float = 0.0
    """How much longer speech must last to begin an utterance."""
    new_words: int = 3
    """How many words that the bot has not said interrupt while the user speaks; one less if they begin a question."""
    least_words: int = 1
    """Fewer words than this, said to the end, do not interrupt unless they ask for something."""
    faint_db: float = -12.0
    """Words this much softer than the user usually speaks are taken to be somebody else's: in the open, 12 dB are four
    times the distance. The same person's utterances can differ by 11 dB (`make bench`, whose voices do)."""


_DEMANDS = {
    Sensitivity.HARD: InterruptionThresholds(threshold=0.4, start_s=0.064, new_words=5, least_words=3, faint_db=-8.0),
    Sensitivity.BALANCED: InterruptionThresholds(),
    Sensitivity.EASY: InterruptionThresholds(threshold=-0.3, start_s=-0.032, new_words=2, faint_db=-18.0),
}
"""Times are multiples of the detector's window of 32 ms. Three words are the example in Pipecat's documentation of its
MinWordsInterruptionStrategy."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """The preferences of a session. For an empty engine or voice the server chooses."""

    persona: str = "assistant"
    language: str = "en"
    voice: str = ""
    sensitivity: Sensitivity = Sensitivity.BALANCED
    endpointing: Endpointing = Endpointing.BALANCED
    interrupted_history: InterruptedHistory = InterruptedHistory.HEARD
    stt: str = ""
    llm: str = ""
    tts: str = ""
