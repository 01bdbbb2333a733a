"""What the user of a session may choose for it, and how hard it then is to interrupt the bot."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class InterruptedHistory(StrEnum):
    """What the history keeps of a reply that was cut short."""

    HEARD = "heard"
    """The words that were heard."""
    MERGE = "merge"
    """Nothing: the new words join the user's last message."""


class Sensitivity(StrEnum):
    """How easily the bot is interrupted."""

    HARD = "hard"
    BALANCED = "balanced"
    EASY = "easy"

    @property
    def interruption_thresholds(self) -> InterruptionThresholds:
        return _DEMANDS[self]


@dataclass(frozen=True, slots=True)
class InterruptionThresholds:
    """What it takes to interrupt a speaking bot. Stop words and answers to its questions always do.

    The detector's figures hold over the bot's voice only: a silent bot hears as well as ever.
    """

    threshold: float = 0.0
    """So far the speech detector's threshold moves: towards 1, or towards 0 if it is negative."""
    start_s: float = 0.0
    """So much more speech begins an utterance."""
    new_words: int = 3
    """So many words of the user's own interrupt while they are being spoken; one less if they begin a question."""
    least_words: int = 1
    """Fewer words, said to the end, are no interruption unless they ask for something."""
    faint_db: float = -10.0
    """Words that are softer than the user's usual ones by so much are somebody else's."""


_DEMANDS = {
    Sensitivity.HARD: InterruptionThresholds(threshold=0.4, start_s=0.064, new_words=5, least_words=3, faint_db=-8.0),
    Sensitivity.BALANCED: InterruptionThresholds(),
    Sensitivity.EASY: InterruptionThresholds(threshold=-0.3, start_s=-0.032, new_words=2, faint_db=-18.0),
}
"""Windows of the detector last 32 ms. Three words are what Pipecat's MinWordsInterruptionStrategy is shown with."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """All that a session may choose. An engine, or a voice of it, that is empty is the server's to choose."""

    persona: str = "assistant"
    language: str = "en"
    voice: str = ""
    sensitivity: Sensitivity = Sensitivity.BALANCED
    interrupted_history: InterruptedHistory = InterruptedHistory.HEARD
    stt: str = ""
    llm: str = ""
    tts: str = ""
