"""One way from the loudspeaker to the microphone: its delay, and what it makes of the bot's voice."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from voicebot.audio.echo.filter import TAPS, EchoFilter
from voicebot.audio.echo.spectra import HOP, Powers, Spectra, sound_of, spectra
from voicebot.audio.sound import Samples

EARLY = 1
"""Frames that the filter reaches ahead of the delay."""


class PlayedSound(Protocol):
    """Knows what the bot has played."""

    def played_until(self, end: int, frames: int, delay: int) -> Samples:
        """Returns what was played for `frames` of the microphone's frames, if the echo comes `delay` samples later.

        `end` is where the last of these frames ends, in samples of the microphone.
        """
        ...


class EchoPath:
    """Predicts frames of the microphone, in order, with gaps; and learns from each."""

    def __init__(self, delay: int, gain: float, played: PlayedSound) -> None:
        """`gain` is the power of the echo relative to what was played."""
        self.delay = delay
        self._filter = EchoFilter(gain)
        self._played = played
        self._end = 0

    def remember(self) -> None:
        """From now on `echo` tells what is known now."""
        self._filter.remember()

    def echo(self, played: Samples) -> Samples:
        """What this sound, a whole number of hops, was known to sound like when it comes back; as long as it is."""
        return sound_of(self._filter.echo(spectra(played)))

    def residual(self, frames: Spectra, end: int) -> tuple[Spectra, Powers]:
        """What is left of frames without their echo, and how much power of that is its late reverberation.

        `end` is where the last frame ends.
        """
        start = end - len(frames) * HOP
        if self._end != start:
            self._filter.recall(spectra(self._played.played_until(start + EARLY * HOP, TAPS, self.delay))[::-1])
        self._end = end
        sound = spectra(self._played.played_until(end + EARLY * HOP, len(frames), self.delay))
        residuals, late = np.zeros_like(frames), np.zeros(frames.shape, np.float32)
        for number, pair in enumerate(zip(frames, sound, strict=True)):
            residuals[number] = self._filter.push(*pair)
            late[number] = self._filter.late
        return residuals, late
