"""How much of a sentence a voice has said when it breaks off, so that another voice can say the rest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import accumulate

LETTERS_PER_S = 15.0
"""How fast a voice is taken to speak before it has said a whole sentence."""

REMEMBERED = 0.8
"""How much of what is known of a voice's pace still counts after one more sentence: pace changes with the language."""

JUST_S = 0.03
"""A word of which no more than this is missing has been said."""


class SaidSoFar:
    """The sound that one voice has given for some words."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        self.engine = ""
        self.duration_s = 0.0
        self.starts_s: tuple[float, ...] = ()
        """When the words begin in the sound, if the voice has told."""
        self._begun_s = 0.0

    def begin(self, engine: str) -> None:
        """This engine's voice speaks from now on."""
        self.engine, self.starts_s = engine, ()
        self._begun_s = time.monotonic()

    @property
    def letters(self) -> int:
        """All of the words', with the spaces between."""
        return sum(len(word) + 1 for word in self.words)

    @property
    def ahead_s(self) -> float:
        """How much of the sound is left to play, if playing began with its first piece; negative: how much it lags."""
        return self.duration_s - (time.monotonic() - self._begun_s)

    def whole_words(self, pace: Pace) -> int:
        """How many words were said to their end: by the voice's own times, else by how fast it speaks."""
        letter_s = 1 / pace.letters_per_s(self.engine)
        if len(self.starts_s) == len(self.words):
            last_s = len(self.words[-1]) * letter_s if self.words else 0.0
            ends_s = [*self.starts_s[1:], *(start_s + last_s for start_s in self.starts_s[-1:])]
        else:
            ends_s = [letters * letter_s for letters in accumulate(len(word) + 1 for word in self.words)]
        return sum(end_s <= self.duration_s + JUST_S for end_s in ends_s)


class Pace:
    """How fast each engine's voice speaks, learnt from the sentences that it has said to their end."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[float, float]] = {}
        """Letters and seconds by engine."""

    def letters_per_s(self, engine: str) -> float:
        letters, duration_s = self._said.get(engine, (0.0, 0.0))
        return letters / duration_s if duration_s else LETTERS_PER_S

    def learn(self, said: SaidSoFar) -> None:
        """This was a whole sentence."""
        letters, duration_s = self._said.get(said.engine, (0.0, 0.0))
        if said.duration_s:
            self._said[said.engine] = (letters * REMEMBERED + said.letters, duration_s * REMEMBERED + said.duration_s)
