"""What the room makes of the bot's voice, learned in each frequency bin."""

from __future__ import annotations

import numpy as np

from voicebot.audio.echo.spectra import BIN_COUNT, Powers, Spectra, power

TAPS = 16
"""Frames of played sound that a frame of the microphone is predicted from: 256 ms of reverberation. 12 left 3.5 %
of the echo's windows unexplained where 16 left 1.2 %; 20 were no better."""

DECAY = 0.75
"""The prior power of each tap relative to the one before it (T60 of 0.77 s)."""

DRIFT = 0.001
"""The share of a tap's power that may change in a frame."""

ERROR_MEMORY = 0.9
ERROR_BINS = 5
"""The error of a bin is measured together with its neighbours': of one bin alone it is too uncertain."""
EPSILON = 1e3
"""Power of a spectrum that is nothing: -100 dBFS."""

LATE_TAPS = 4
"""The last taps show how loud the reverberation is that comes after them."""
SLOWEST, FASTEST = 0.88, 0.5
"""How much of the reverberation's power is left a frame later: T60 of 1.7 s and 0.3 s."""
INEXACT = 0.02
"""The share of the echo's power that the taps get wrong however well they have learned: loudspeakers distort, and
codecs add noise. It matters in the soft sounds after a loud one."""


class EchoFilter:
    """A Kalman filter with a diagonal covariance for each bin's taps (Enzner and Vary, Signal Processing 86, 2006).

    It slows down while another voice makes its errors large, from that voice's first frame on, so it needs no
    double-talk detector.
    """

    def __init__(self, gain: float) -> None:
        """`gain` is the prior power of the echo relative to what was played."""
        self._played: Spectra = np.zeros((TAPS, BIN_COUNT), np.complex64)
        self._taps: Spectra = np.zeros((TAPS, BIN_COUNT), np.complex64)
        self._remembered = self._taps
        prior = gain * DECAY ** np.arange(TAPS, dtype=np.float32)
        self._variance: Powers = np.repeat(prior[:, None], BIN_COUNT, axis=1).astype(np.float32)
        self._error: Powers | None = None
        self.late: Powers = np.zeros(BIN_COUNT, np.float32)
        """The power of the echo that is to be expected in the newest residual: of reverberation that is too late for
        the taps, and of what they never get right."""

    def recall(self, played: Spectra) -> None:
        """Sets the `TAPS` frames played last, newest first: at the start, and where frames have been left out."""
        self._played[:] = played
        self.late[:] = 0

    def push(self, microphone: Spectra, played: Spectra) -> Spectra:
        """What is left of a frame of the microphone without the echo predicted from the frames before; then learns."""
        reverberation = self._reverberation(self._played[-1])
        self._played[1:] = self._played[:-1]
        self._played[0] = played
        echo: Spectra = (self._taps * self._played).sum(axis=0)
        self.late = reverberation + INEXACT * _smoothed(power(echo))
        residual = microphone - echo
        error = _smoothed(power(residual))
        self._error = error if self._error is None else ERROR_MEMORY * self._error + (1 - ERROR_MEMORY) * error
        played_power = power(self._played)
        expected = (self._variance * played_power).sum(axis=0) + np.maximum(self._error, error) + EPSILON
        step = self._variance / expected
        self._taps += step * self._played.conj() * residual
        self._variance *= 1 - step * played_power
        self._variance += DRIFT * power(self._taps)
        return residual

    def remember(self) -> None:
        """What is known of the echo now is what `echo` tells from now on, whatever is learned meanwhile."""
        self._remembered = self._taps.copy()

    def echo(self, played: Spectra) -> Spectra:
        """What was known of the echo of these frames, the oldest first; those before them were silent."""
        echo = np.zeros_like(played)
        for tap, weights in enumerate(self._remembered[: len(played)]):
            echo[tap:] += weights * played[: len(played) - tap]
        return echo

    def _reverberation(self, oldest: Spectra) -> Powers:
        """The power to expect once the taps have forgotten this played frame, which still sounds in the room."""
        taps = np.maximum(power(self._taps) - self._variance, 0)
        earlier, last = taps[-3 * LATE_TAPS : -2 * LATE_TAPS].sum(), taps[-LATE_TAPS:].sum()
        decay = float(np.clip((last / (earlier + 1e-9)) ** (0.5 / LATE_TAPS), FASTEST, SLOWEST))
        last_tap = _smoothed(taps[-LATE_TAPS:].mean(axis=0)) * decay ** ((LATE_TAPS - 1) / 2)
        return np.asarray(decay * (self.late + last_tap * power(oldest)), np.float32)


def _smoothed(powers: Powers) -> Powers:
    """The mean over neighbouring bins."""
    sums = np.cumsum(np.pad(powers, (ERROR_BINS // 2 + 1, ERROR_BINS // 2), "edge"), dtype=np.float64)
    return np.asarray((sums[ERROR_BINS:] - sums[:-ERROR_BINS]) / ERROR_BINS, np.float32)
