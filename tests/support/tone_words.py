"""Speech that can be understood without a recogniser: each word is a tone of its own.

Lost, cut and repeated words show as they do with real speech. A tone of which a quarter is missing is no word.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import SPEECH_RATE_HZ as RATE_HZ
from voicebot.audio.sound import Samples

Wave = npt.NDArray[np.float64]

_TEXT = (
    "the of and to in is you that it he was for on are as with his they at be this have from or one had by word but not"
)
WORDS = tuple(_TEXT.split())

TONE = round(0.12 * RATE_HZ)
GAP = round(0.05 * RATE_HZ)
LEVEL = 8_000.0

_LOWEST_HZ, _STEP_HZ = 500.0, 90.0
_HOP = RATE_HZ // 200
_LOUD = LEVEL / 8
_ENOUGH = 0.75


@dataclass(frozen=True, slots=True)
class ToneWord:
    """A word as it was heard, from sample `start` to `end`."""

    text: str
    start: int
    end: int


def spoken(text: str) -> Samples:
    """Returns the words, each followed by a gap: int16 of shape (n,), 16 kHz."""
    parts = [part for word in text.split() for part in (_tone(WORDS.index(word)), np.zeros(GAP))]
    return np.round(np.concatenate([np.zeros(0), *parts])).astype(np.int16)


def silence(duration_s: float) -> Samples:
    return np.zeros(round(duration_s * RATE_HZ), np.int16)


class ToneEar:
    """Recognises the words in a stream of tones."""

    def __init__(self) -> None:
        self.heard = 0
        self._words: list[ToneWord] = []
        self._run: list[Samples] = []
        """The hops of the tone that is sounding now."""
        self._run_start = 0
        self._left_over = np.zeros(0, np.int16)

    def receive_audio(self, samples: Samples) -> None:
        stretch = np.concatenate([self._left_over, samples])
        whole = len(stretch) // _HOP * _HOP
        for start in range(0, whole, _HOP):
            self._hear_hop(stretch[start : start + _HOP])
        self._left_over = stretch[whole:]

    def words(self, *, all_heard: bool = False) -> list[ToneWord]:
        """Returns the complete words, and with `all_heard` also the one that is still sounding."""
        sounding = self._sounding() if all_heard else None
        return [*self._words, sounding] if sounding is not None else list(self._words)

    def _hear_hop(self, hop: Samples) -> None:
        if float(np.sqrt(np.mean(np.square(hop.astype(np.float64))))) > _LOUD:
            self._run_start = self._run_start if self._run else self.heard
            self._run.append(hop)
        elif self._run:
            if (word := self._sounding()) is not None:
                self._words.append(word)
            self._run.clear()
        self.heard += len(hop)

    def _sounding(self) -> ToneWord | None:
        if len(self._run) * _HOP < _ENOUGH * TONE:
            return None
        run = np.concatenate(self._run)
        spectrum = np.abs(np.fft.rfft(run * np.hanning(len(run)), RATE_HZ))
        index = round((float(np.argmax(spectrum)) - _LOWEST_HZ) / _STEP_HZ)
        return ToneWord(WORDS[index], self._run_start, self._run_start + len(run))


def _tone(index: int) -> Wave:
    time_s = np.arange(TONE) / RATE_HZ
    ramp = np.minimum(1.0, np.minimum(time_s, time_s[::-1]) / 0.004)
    return np.asarray(LEVEL * ramp * np.sin(2 * np.pi * (_LOWEST_HZ + _STEP_HZ * index) * time_s))
