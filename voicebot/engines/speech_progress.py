"""Estimates how many words of a text a voice has said when it breaks off, so that another voice can say the rest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import accumulate

LETTERS_PER_S = 15.0
"""The speaking rate of a voice that has not said a whole sentence yet."""

RATE_DECAY = 0.8
"""The weight of earlier sentences after each further one. The rate changes, for instance with the language."""

TOLERANCE_S = 0.03
"""A word counts as said if no more than this is missing of it."""


class SpeechProgress:
    """How much of some words one voice has said."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        self.engine = ""
        self.duration_s = 0.0
        """The length of the sound so far."""
        self.starts_s: tuple[float, ...] = ()
        """When the words begin in the sound; empty if the voice does not tell."""
        self._begun_s = 0.0

    def begin(self, engine: str) -> None:
        """Notes the engine whose voice speaks from now on."""
        self.engine, self.starts_s = engine, ()
        self._begun_s = time.monotonic()

    @property
    def letters(self) -> int:
        """The letters of all words, with the spaces between them."""
        return sum(len(word) + 1 for word in self.words)

    @property
    def ahead_s(self) -> float:
        """How much sound is left to play if playback began with the first piece. Negative if playback waits."""
        return self.duration_s - (time.monotonic() - self._begun_s)

    def count_said_words(self, rates: SpeakingRates) -> int:
        """Returns how many words were said to their end, by the voice's word times or else by its speaking rate."""
        letter_s = 1 / rates.letters_per_s(self.engine)
        if len(self.starts_s) == len(self.words):
            last_s = len(self.words[-1]) * letter_s if self.words else 0.0
            ends_s = [*self.starts_s[1:], *(start_s + last_s for start_s in self.starts_s[-1:])]
        else:
            ends_s = [letters * letter_s for letters in accumulate(len(word) + 1 for word in self.words)]
        return sum(end_s <= self.duration_s + TOLERANCE_S for end_s in ends_s)


class SpeakingRates:
    """How fast each engine's voice speaks, learnt from whole sentences."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[float, float]] = {}
        """Letters and seconds by engine."""

    def letters_per_s(self, engine: str) -> float:
        letters, duration_s = self._said.get(engine, (0.0, 0.0))
        return letters / duration_s if duration_s else LETTERS_PER_S

    def add_sentence(self, said: SpeechProgress) -> None:
        """Learns from words that were said to their end."""
        letters, duration_s = self._said.get(said.engine, (0.0, 0.0))
        if said.duration_s:
            self._said[said.engine] = (letters * RATE_DECAY + said.letters, duration_s * RATE_DECAY + said.duration_s)
