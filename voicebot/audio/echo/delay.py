"""How long ago was what the microphone hears played?"""

from __future__ import annotations

import numpy as np
import numpy.ma  # as np.median would at its first call: 70 ms without sound for everybody

from voicebot.audio.echo.spectra import BINS, COMPARED, FRAME, Spectra, power
from voicebot.audio.sound import Samples

LAGS = 64
"""Delays looked for, one for each frame: 1 s."""

MEMORY = 5 / 6
"""A frame counts for some 6 windows, 0.2 s."""

SURE, CERTAIN = 0.08, 0.3
"""How far the best delay's coherence is above the median. Echo has 0.1 to 0.9 within 0.1 s, always at the same delay;
another voice has 0.04 in the median and at times 0.3, each time elsewhere."""

SEARCHED = slice(COMPARED.start, (COMPARED.start + COMPARED.stop) // 2)
SEARCHED_COUNT = SEARCHED.stop - SEARCHED.start
"""The lower half of the compared bins, up to 2,000 Hz, will do."""

WHITENING = 0.7
"""The power of the level taken off the cross-spectrum: 1 is GCC-PHAT, 0 plain correlation. Between them one frame's
pitch is least often taken for the delay."""


class DelaySearch:
    """Finds the delay at which two streams cohere, in frames."""

    def __init__(self) -> None:
        self._cross = np.zeros((LAGS, SEARCHED_COUNT), np.complex64)
        self._played = np.zeros((LAGS, SEARCHED_COUNT), np.float32)
        self._heard = np.zeros(SEARCHED_COUNT, np.float32)
        self._best = 0
        self._agreed = 0

    def push(self, microphone: Spectra, played: Spectra) -> tuple[int, float] | None:
        """Takes a frame and the `LAGS` played frames up to then, newest first.

        Gives the delay, and the power of the microphone relative to what was played then, once it is sure.
        """
        heard, sent = microphone[SEARCHED], played[:, SEARCHED]
        for sums, new in ((self._cross, heard * sent.conj()), (self._played, power(sent)), (self._heard, power(heard))):
            sums *= MEMORY
            sums += new
        floor = 1e-3 * self._played.mean() * self._heard.mean() + 1.0
        weights = self._heard**0.3
        coherence = power(self._cross) / (self._played * self._heard + floor) @ (weights / weights.sum())
        best = int(coherence.argmax())
        clear = float(coherence[best] - np.median(coherence))
        self._agreed = self._agreed + 1 if abs(best - self._best) <= 1 and clear > SURE else 0
        self._best = best
        if self._agreed >= 3 or (self._agreed >= 1 and clear > CERTAIN):
            return best, float(self._heard.sum() / (self._played[best].sum() + 1.0))
        return None


def exact_delay(microphone: Samples, played: Samples, *, known: bool) -> int:
    """By how many samples the echo in `microphone` is behind `played`, both of the same length: -384 to 384.

    `known`: 0 has been the answer before, and is left only for one that is half as strong again.
    """
    size, reach = 2 * len(played), 384
    cross = np.fft.rfft(microphone, size) * np.fft.rfft(played, size).conj()
    cross[: (BINS.start + COMPARED.start) * size // FRAME] = 0
    cross[(BINS.start + COMPARED.stop) * size // FRAME :] = 0
    correlation = np.abs(np.fft.irfft(cross / (np.abs(cross) ** WHITENING + 1e-3)))
    near = np.concatenate([correlation[-reach:], correlation[: reach + 1]])
    best = int(near.argmax())
    if known and near[best] < 1.5 * near[reach - 12 : reach + 13].max():
        return 0
    return best - reach
