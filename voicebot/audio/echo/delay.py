"""Estimates the delay from playback to its echo in the microphone signal."""

from __future__ import annotations

import numpy as np
import numpy.ma  # np.median would import it at its first call, and hold up the sound of all sessions for 70 ms

from voicebot.audio.echo.spectra import BINS, FRAME, SPEECH_BINS, Spectra, power
from voicebot.audio.sound import Samples

LAGS = 64
"""The number of candidate delays, one hop apart: 1 s."""

SMOOTHING = 5 / 6
"""The exponential smoothing of the spectra: an effective average over 6 windows, 0.2 s."""

LIKELY, CERTAIN = 0.08, 0.3
"""Thresholds for how far the coherence at the best delay exceeds the median over all delays. An echo reaches 0.1 to 0.9
within 0.1 s, always at the same delay. Another voice has a median of 0.04 and at times 0.3, at changing delays."""

SEARCHED = slice(SPEECH_BINS.start, (SPEECH_BINS.start + SPEECH_BINS.stop) // 2)
SEARCHED_COUNT = SEARCHED.stop - SEARCHED.start
"""The lower half of the speech bins, up to 2,000 Hz, suffices for the search."""

WHITENING = 0.7
"""The exponent by which the cross-spectrum is whitened: 1 is GCC-PHAT, 0 is plain cross-correlation. A value in between
mistakes the pitch period for the delay least often."""


class DelaySearch:
    """Finds the delay, in hops, at which the playback and the microphone signal are most coherent."""

    def __init__(self) -> None:
        self._cross = np.zeros((LAGS, SEARCHED_COUNT), np.complex64)
        self._played = np.zeros((LAGS, SEARCHED_COUNT), np.float32)
        self._heard = np.zeros(SEARCHED_COUNT, np.float32)
        self._best = 0
        self._agreeing_windows = 0

    def push(self, microphone: Spectra, played: Spectra) -> tuple[int, float] | None:
        """Adds a frame of the microphone and the last `LAGS` played frames, newest first.

        Returns None until the delay is certain; then the delay, and the power of the microphone signal relative to the
        playback at that delay.
        """
        heard, sent = microphone[SEARCHED], played[:, SEARCHED]
        for sums, new in ((self._cross, heard * sent.conj()), (self._played, power(sent)), (self._heard, power(heard))):
            sums *= SMOOTHING
            sums += new
        floor = 1e-3 * self._played.mean() * self._heard.mean() + 1.0
        weights = self._heard**0.3
        coherence = power(self._cross) / (self._played * self._heard + floor) @ (weights / weights.sum())
        best = int(coherence.argmax())
        clear = float(coherence[best] - np.median(coherence))
        self._agreeing_windows = self._agreeing_windows + 1 if abs(best - self._best) <= 1 and clear > LIKELY else 0
        self._best = best
        if self._agreeing_windows >= 3 or (self._agreeing_windows >= 1 and clear > CERTAIN):
            return best, float(self._heard.sum() / (self._played[best].sum() + 1.0))
        return None


def exact_delay(microphone: Samples, played: Samples, *, known: bool) -> int:
    """Returns by how many samples the echo in `microphone` lags behind `played`: -384 to 384. Both have the same
    length.

    `known` means that `played` is already aligned by a known delay. The result is then 0 unless another lag has a
    correlation at least 1.5 times as high.
    """
    size, reach = 2 * len(played), 384
    cross = np.fft.rfft(microphone, size) * np.fft.rfft(played, size).conj()
    cross[: (BINS.start + SPEECH_BINS.start) * size // FRAME] = 0
    cross[(BINS.start + SPEECH_BINS.stop) * size // FRAME :] = 0
    correlation = np.abs(np.fft.irfft(cross / (np.abs(cross) ** WHITENING + 1e-3)))
    near = np.concatenate([correlation[-reach:], correlation[: reach + 1]])
    best = int(near.argmax())
    if known and near[best] < 1.5 * near[reach - 12 : reach + 13].max():
        return 0
    return best - reach
