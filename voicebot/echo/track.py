"""The recent past of a stream of sound."""

from __future__ import annotations

import numpy as np

from voicebot.core.audio import Samples

KEPT = 36_000
"""2.25 s at 16 kHz: the longest delay, with what the search and a new filter look back on."""


class Track:
    """The last `KEPT` samples of a stream, by their numbers since its start."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: Samples = np.zeros(KEPT, np.int16)

    def add(self, sound: Samples) -> None:
        if len(sound):
            self._kept[: -len(sound)] = self._kept[len(sound) :]
            self._kept[-len(sound) :] = sound
            self.count += len(sound)

    def until(self, end: int, length: int) -> Samples:
        """The `length` samples before number `end`; silence for those that are not there."""
        stop = KEPT - (self.count - end)
        start = stop - length
        inside = self._kept[max(start, 0) : max(stop, 0)]
        return inside if len(inside) == length else np.pad(inside, (max(-start, 0), max(stop - KEPT, 0)))[:length]
