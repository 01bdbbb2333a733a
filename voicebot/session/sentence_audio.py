"""The audio of one sentence on its way to the user, and where its words are in it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from voicebot.audio.sound import WIRE_RATE_HZ, Samples
from voicebot.dialogue.history import word_shares

MAX_OFFSET, _STEP = round(0.08 * WIRE_RATE_HZ), round(0.01 * WIRE_RATE_HZ)
"""A word begins at most this far from its estimated start, at the quietest of the steps around it. In samples."""

LETTERS_PER_S = 15.0
"""The assumed rate of speech while the length of a sentence is not known yet."""


@dataclass(slots=True)
class SentenceAudio:
    """The audio of one sentence as it comes in, and how much of it has been played. Positions are in samples."""

    number: int
    text: str
    shares: list[float] = field(init=False)
    """Where the words of this voice start, as shares of its audio: an estimate for engines that report no times."""
    pieces: list[Samples] = field(default_factory=list)
    """All of the audio, played or not, as a resume may go back to the start of a word."""
    length: int = 0
    piece: int = 0
    """The index of the piece with the next sample."""
    offset: int = 0
    """The position of the next sample in that piece."""
    played: int = 0
    words: int = 0
    starts: tuple[int, ...] = ()
    """Where each word of this voice starts, relative to the start of the voice, if the engine reports it."""
    earlier_starts: tuple[float, ...] = ()
    """Where the words start that other voices have said before this one."""
    voice_start: int = 0
    """The first sample of this voice."""
    closed: bool = False
    broken: bool = False
    """The audio broke off in mid-sentence, so that its length does not tell where its words are."""
    cut: bool = False
    """The reply failed before the sentence was closed: it ends where its audio ends."""

    def __post_init__(self) -> None:
        self.shares = word_shares(self.text)

    @property
    def waiting(self) -> int:
        return self.length - self.played

    @property
    def words_left(self) -> list[str]:
        """The words that this voice says."""
        return self.text.split()[len(self.earlier_starts) :]

    @property
    def expected(self) -> float:
        """The length of the whole sentence in samples, estimated until it is known."""
        if self.closed and not self.broken:
            return self.length
        letters = len(" ".join(self.words_left)) if self.earlier_starts else len(self.text)
        return max(self.length, self.voice_start + letters / LETTERS_PER_S * WIRE_RATE_HZ)

    @property
    def bounds(self) -> list[float]:
        """Where each word starts, and the end of the last one, in samples."""
        expected = self.expected
        if self.starts:
            last = self.voice_start + self.starts[-1]
            return [*self.earlier_starts, *(self.voice_start + start for start in self.starts), max(expected, last)]
        own = expected - self.voice_start
        return [*self.earlier_starts, *(self.voice_start + share * own for share in self.shares)]

    def resume_at(self, word: int) -> None:
        """Another voice says the rest from this word on. The audio so far holds the words before it."""
        count = word - len(self.earlier_starts)
        if count < 0:
            return
        if self.starts:
            begun = self.starts[:count]
            starts = [float(self.voice_start + start) for start in begun]
        else:
            own, shares = self.length - self.voice_start, word_shares(" ".join(self.words_left[:count]))
            starts = [self.voice_start + share * own for share in shares[:-1]]
        self.earlier_starts = (*self.earlier_starts, *starts)
        self.voice_start, self.starts = self.length, ()
        self.shares = word_shares(" ".join(self.words_left))

    def take(self, count: int) -> Samples:
        """Takes the next `count` samples, or as many as there are."""
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
        """Returns the start of the quietest 10 ms at most 80 ms away from sample `near`, in what has been played."""
        first, last = max(0, near - MAX_OFFSET), min(self.played, near + MAX_OFFSET)
        steps = range(first, max(first, last - _STEP) + 1, _STEP)
        sound = np.concatenate(self.pieces)[first : last + _STEP].astype(np.float32)
        return min(steps, key=lambda start: float(np.sum(np.square(sound[start - first : start - first + _STEP]))))

    def rewind(self, count: int) -> None:
        """Goes back by `count` samples."""
        self.played -= count
        self.offset -= count
        while self.offset < 0:
            self.piece -= 1
            self.offset += len(self.pieces[self.piece])


@dataclass(frozen=True, slots=True)
class AudioSpan:
    """The audio of a sentence so far, and a position in it."""

    sound: Samples
    offset: int
    words: list[str]
    starts: list[float]
    complete: bool
    """Whether no more audio will come."""

    def begun(self, count: int = 0) -> int:
        """Returns how many words begin before the sample `count` after the offset; all of them at the very end."""
        place = self.offset + count
        if self.complete and place >= len(self.sound):
            return len(self.words)
        return sum(round(start) < place for start in self.starts)
