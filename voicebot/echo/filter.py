"""What the room makes of the bot's voice, learned in each frequency bin."""

from __future__ import annotations

import numpy as np

from voicebot.echo.spectra import BIN_COUNT, Powers, Spectra, power

TAPS = 16
"""Frames of played sound that a frame of the microphone is predicted from: 256 ms of reverberation. 12 left 3.5 %
of the echo's windows unexplained where 16 left 1.2 %; 20 were no better."""

DECAY = 0.85
"""The prior power of each tap relative to the one before it (T60 of 0.7 s)."""

DRIFT = 0.001
"""The share of a tap's power that may change in a frame."""

ERROR_MEMORY = 0.9
EPSILON = 1e3
"""Power of a spectrum that is nothing: -100 dBFS."""


class EchoFilter:
    """A Kalman filter with a diagonal covariance for each bin's taps (Enzner and Vary, Signal Processing 86, 2006).

    It slows down by itself while another voice makes its errors large, so it needs no double-talk detector.
    """

    def __init__(self, gain: float) -> None:
        """`gain` is the prior power of the echo relative to what was played."""
        self._played: Spectra = np.zeros((TAPS, BIN_COUNT), np.complex64)
        self._taps: Spectra = np.zeros((TAPS, BIN_COUNT), np.complex64)
        prior = gain * DECAY ** np.arange(TAPS, dtype=np.float32)
        self._variance: Powers = np.repeat(prior[:, None], BIN_COUNT, axis=1).astype(np.float32)
        self._error: Powers | None = None

    def recall(self, played: Spectra) -> None:
        """Sets the `TAPS` frames played last, newest first: at the start, and where frames have been left out."""
        self._played[:] = played

    def push(self, microphone: Spectra, played: Spectra) -> Spectra:
        """What is left of a frame of the microphone without the echo predicted from the frames before; then learns."""
        self._played[1:] = self._played[:-1]
        self._played[0] = played
        residual: Spectra = microphone - (self._taps * self._played).sum(axis=0)
        error = power(residual)
        self._error = error if self._error is None else ERROR_MEMORY * self._error + (1 - ERROR_MEMORY) * error
        played_power = power(self._played)
        step = self._variance / ((self._variance * played_power).sum(axis=0) + self._error + EPSILON)
        self._taps += step * self._played.conj() * residual
        self._variance *= 1 - step * played_power
        self._variance += DRIFT * power(self._taps)
        return residual
