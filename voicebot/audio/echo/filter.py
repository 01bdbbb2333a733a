"""An adaptive filter that models the echo path from loudspeaker to microphone in each frequency bin."""

from __future__ import annotations

import numpy as np

from voicebot.audio.echo.spectra import BIN_COUNT, Powers, Spectra, power

TAPS = 16
"""The filter length in frames: 256 ms of reverberation. 12 taps left 3.5 % of the echo's windows unexplained, 16 left
1.2 %, and 20 were no better."""

DECAY = 0.75
"""The prior power of each tap relative to the tap before it: a T60 of 0.77 s."""

DRIFT = 0.001
"""The process noise per frame, relative to the power of each tap."""

ERROR_MEMORY = 0.9
ERROR_BINS = 5
"""The error power is smoothed over time, and averaged over this many neighbouring bins to reduce its variance."""
EPSILON = 1e3
"""The power of a bin that counts as silence: -100 dBFS."""

LATE_TAPS = 4
"""The level of the late reverberation, beyond the filter, is extrapolated from this many last taps."""
SLOWEST, FASTEST = 0.88, 0.5
"""The limits of the decay of reverberation power per frame: T60 of 1.7 s and 0.3 s."""
INEXACT = 0.02
"""The residual echo power that remains after convergence, relative to the echo, because loudspeakers distort and codecs
add noise. It matters in the soft sounds after a loud one."""


class EchoFilter:
    """A Kalman filter with a diagonal covariance for each bin's taps (Enzner and Vary, Signal Processing 86, 2006).

    Its step size falls with the first frame of another voice, which increases the error, so it needs no double-talk
    detector.
    """

    def __init__(self, gain: float) -> None:
        """`gain` is the prior power of the echo relative to the playback."""
        self._played: Spectra = np.zeros((TAPS, BIN_COUNT), np.complex64)
        self._taps: Spectra = np.zeros((TAPS, BIN_COUNT), np.complex64)
        self._snapshot_taps = self._taps
        prior = gain * DECAY ** np.arange(TAPS, dtype=np.float32)
        self._variance: Powers = np.repeat(prior[:, None], BIN_COUNT, axis=1).astype(np.float32)
        self._error: Powers | None = None
        self.late: Powers = np.zeros(BIN_COUNT, np.float32)
        """The expected power of the residual echo in the newest frame: late reverberation beyond the taps, and the
        modelling error of the taps."""

    def reset_played(self, played: Spectra) -> None:
        """Sets the last `TAPS` played frames, newest first. Needed at the start and after a gap."""
        self._played[:] = played
        self.late[:] = 0

    def filter_frame(self, microphone: Spectra, played: Spectra) -> Spectra:
        """Returns the residual of a microphone frame after subtraction of the predicted echo, then adapts to it."""
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

    def take_snapshot(self) -> None:
        """Saves the present taps for `predict_echo`, which later adaptation does not change."""
        self._snapshot_taps = self._taps.copy()

    def predict_echo(self, played: Spectra) -> Spectra:
        """Returns the echo of these played frames, oldest first, after silence, by the taps of the last snapshot."""
        echo = np.zeros_like(played)
        for tap, weights in enumerate(self._snapshot_taps[: len(played)]):
            echo[tap:] += weights * played[: len(played) - tap]
        return echo

    def _reverberation(self, oldest: Spectra) -> Powers:
        """Returns the power of the late reverberation, to which the frame that leaves the filter now contributes."""
        taps = np.maximum(power(self._taps) - self._variance, 0)
        earlier, last = taps[-3 * LATE_TAPS : -2 * LATE_TAPS].sum(), taps[-LATE_TAPS:].sum()
        decay = float(np.clip((last / (earlier + 1e-9)) ** (0.5 / LATE_TAPS), FASTEST, SLOWEST))
        last_tap = _smoothed(taps[-LATE_TAPS:].mean(axis=0)) * decay ** ((LATE_TAPS - 1) / 2)
        return np.asarray(decay * (self.late + last_tap * power(oldest)), np.float32)


def _smoothed(powers: Powers) -> Powers:
    """Returns the moving average over `ERROR_BINS` neighbouring bins."""
    sums = np.cumsum(np.pad(powers, (ERROR_BINS // 2 + 1, ERROR_BINS // 2), "edge"), dtype=np.float64)
    return np.asarray((sums[ERROR_BINS:] - sums[:-ERROR_BINS]) / ERROR_BINS, np.float32)
