"""The echo path from loudspeaker to microphone: a bulk delay and an adaptive filter."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from voicebot.audio.echo.filter import TAPS, EchoFilter
from voicebot.audio.echo.spectra import HOP, Powers, Spectra, overlap_add, spectra
from voicebot.audio.sound import Samples

EARLY = 1
"""Frames by which the filter starts ahead of the bulk delay, so that it covers the direct sound."""


class PlayedSound(Protocol):
    """Gives access to the recent playback."""

    def played_until(self, end: int, frames: int, delay: int) -> Samples:
        """Returns the playback whose echo, `delay` samples later, is in these frames of the microphone.

        `frames` is their number, and `end` the sample of the microphone at which the last one ends.
        """
        ...


class EchoPath:
    """Predicts the echo in consecutive microphone frames and adapts to each. There may be gaps between calls."""

    def __init__(self, delay: int, gain: float, played: PlayedSound) -> None:
        """`gain` is the power of the echo relative to the playback."""
        self.delay = delay
        self._filter = EchoFilter(gain)
        self._played = played
        self._end = 0

    def take_snapshot(self) -> None:
        """Saves the present filter for `predict_echo`."""
        self._filter.take_snapshot()

    def predict_echo(self, played: Samples) -> Samples:
        """Returns the echo of this playback by the last snapshot. It has the same length, a whole number of hops."""
        return overlap_add(self._filter.predict_echo(spectra(played)))

    def residual(self, frames: Spectra, end: int) -> tuple[Spectra, Powers]:
        """Returns the frames after echo subtraction, and the expected power of the residual echo in them.

        `end` is the sample at which the last frame ends.
        """
        start = end - len(frames) * HOP
        if self._end != start:
            self._filter.reset_played(spectra(self._played.played_until(start + EARLY * HOP, TAPS, self.delay))[::-1])
        self._end = end
        sound = spectra(self._played.played_until(end + EARLY * HOP, len(frames), self.delay))
        residuals, late = np.zeros_like(frames), np.zeros(frames.shape, np.float32)
        for number, pair in enumerate(zip(frames, sound, strict=True)):
            residuals[number] = self._filter.filter_frame(*pair)
            late[number] = self._filter.late
        return residuals, late
