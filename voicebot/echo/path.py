"""One way from the loudspeaker to the microphone: its delay, and what it makes of the bot's voice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from voicebot.core.audio import Samples
from voicebot.echo.filter import TAPS, EchoFilter
from voicebot.echo.spectra import HOP, Spectra, spectra

EARLY = 1
"""Frames that the filter reaches ahead of the delay."""

Played = Callable[[int, int, int], Samples]
"""What was played for so many of the microphone's frames, of which the last ends at `end`, by a delay in samples:
called with `end`, how many, and the delay."""


class EchoPath:
    """Predicts frames of the microphone, in order, with gaps; and learns from each."""

    def __init__(self, delay: int, gain: float, played: Played) -> None:
        """`gain` is the power of the echo relative to what was played."""
        self.delay = delay
        self._filter = EchoFilter(gain)
        self._played = played
        self._end = 0

    def residual(self, frames: Spectra, end: int) -> Spectra:
        """What is left of frames without their echo; `end` is where the last of them ends."""
        start = end - len(frames) * HOP
        if self._end != start:
            self._filter.recall(spectra(self._played(start + EARLY * HOP, TAPS, self.delay))[::-1])
        self._end = end
        sound = spectra(self._played(end + EARLY * HOP, len(frames), self.delay))
        return np.array([self._filter.push(*pair) for pair in zip(frames, sound, strict=True)])
