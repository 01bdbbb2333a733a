"""The sound of one sentence on its way to the user, and where its words are in it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from voicebot.audio.sound import WIRE_RATE_HZ, Samples
from voicebot.dialogue.history import word_shares

NEAR, _STEP = round(0.08 * WIRE_RATE_HZ), round(0.01 * WIRE_RATE_HZ)
"""A word begins so near to where it is taken to begin; the quietest step is looked for."""

LETTERS_PER_S = 15.0
"""How fast speech is taken to be while the length of a sentence is not known yet."""


@dataclass(slots=True)
class SentenceAudio:
    """The sound of one sentence as it comes in, and how much of it has been played."""

    sentence: int
    text: str
    shares: list[float] = field(init=False)
    """Where the words of this voice start, as shares of its sound, while the engine's own times are not known."""
    pieces: list[Samples] = field(default_factory=list)
    """All of it, the played ones too: a resume may go back to the start of a word."""
    length: int = 0
    piece: int = 0
    """The piece in which the next sample is, and its place there."""
    offset: int = 0
    played: int = 0
    words: int = 0
    starts: tuple[int, ...] = ()
    """The sample at which each word of this voice starts, counted from its first one, if the engine knows."""
    before: tuple[float, ...] = ()
    """The samples at which the words start that another voice has said before this one."""
    voice_from: int = 0
    """The first sample of this voice."""
    closed: bool = False
    broken: bool = False
    """Closed in mid-sentence: its length says nothing of where its words are."""
    cut: bool = False

    def __post_init__(self) -> None:
        self.shares = word_shares(self.text)

    @property
    def waiting(self) -> int:
        return self.length - self.played

    @property
    def words_left(self) -> list[str]:
        """Those that this voice says."""
        return self.text.split()[len(self.before) :]

    @property
    def expected(self) -> float:
        """Its whole length in samples: a guess as long as it is not known."""
        if self.closed and not self.broken:
            return self.length
        letters = len(" ".join(self.words_left)) if self.before else len(self.text)
        return max(self.length, self.voice_from + letters / LETTERS_PER_S * WIRE_RATE_HZ)

    @property
    def bounds(self) -> list[float]:
        """Where each word starts, and the end of the last one, in samples."""
        expected = self.expected
        if self.starts:
            last = self.voice_from + self.starts[-1]
            return [*self.before, *(self.voice_from + start for start in self.starts), max(expected, last)]
        own = expected - self.voice_from
        return [*self.before, *(self.voice_from + share * own for share in self.shares)]

    def resume_at(self, word: int) -> None:
        """Another voice says the rest, from this word on: the words before it are in the sound that there is."""
        count = word - len(self.before)
        if count < 0:
            return
        if self.starts:
            begun = self.starts[:count]
            starts = [float(self.voice_from + start) for start in begun]
        else:
            own, shares = self.length - self.voice_from, word_shares(" ".join(self.words_left[:count]))
            starts = [self.voice_from + share * own for share in shares[:-1]]
        self.before = (*self.before, *starts)
        self.voice_from, self.starts = self.length, ()
        self.shares = word_shares(" ".join(self.words_left))

    def take(self, count: int) -> Samples:
        """The next samples, `count` or as many as there are."""
        taken: list[Samples] = []
        missing = min(count, self.waiting)
        self.played += missing
        while missing:
            samples = self.pieces[self.piece][self.offset : self.offset + missing]
            taken.append(samples)
            missing -= len(samples)
            self.offset += len(samples)
            if self.offset == len(self.pieces[self.piece]):
                self.piece, self.offset = self.piece + 1, 0
        return np.concatenate(taken) if taken else np.zeros(0, np.int16)

    def quietest(self, near: int) -> int:
        """The start of the quietest 10 ms at most 80 ms away from sample `near`, of what has been played."""
        first, last = max(0, near - NEAR), min(self.played, near + NEAR)
        steps = range(first, max(first, last - _STEP) + 1, _STEP)
        sound = np.concatenate(self.pieces)[first : last + _STEP].astype(np.float32)
        return min(steps, key=lambda start: float(np.sum(np.square(sound[start - first : start - first + _STEP]))))

    def rewind(self, count: int) -> None:
        """Take the last `count` samples back."""
        self.played -= count
        self.offset -= count
        while self.offset < 0:
            self.piece -= 1
            self.offset += len(self.pieces[self.piece])


@dataclass(frozen=True, slots=True)
class AudioSpan:
    """The sound of a sentence as far as it has come, and where in it something is."""

    sound: Samples
    offset: int
    words: list[str]
    starts: list[float]
    whole: bool
    """No more will come."""

    def begun(self, count: int = 0) -> int:
        """How many words begin before the sample that is `count` behind the offset; all of them at the very end."""
        place = self.offset + count
        if self.whole and place >= len(self.sound):
            return len(self.words)
        return sum(round(start) < place for start in self.starts)
