"""The recent past of a stream of sound."""

from __future__ import annotations

import numpy as np

from voicebot.audio.sound import Samples

KEPT = 36_000
"""2.25 s at 16 kHz: the longest delay, with what the search and a new filter look back on."""


class Track:
    """The last `KEPT` samples of a stream, by their numbers since its start."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: Samples = np.zeros(4 * KEPT, np.int16)
        """They end at `_end`. Room for more makes it seldom that they have to be moved to its beginning."""
        self._end = KEPT

    def add(self, sound: Samples) -> None:
        """At most `KEPT` samples more."""
        if self._end + len(sound) > len(self._kept):
            self._kept[:KEPT] = self._kept[self._end - KEPT : self._end]
            self._end = KEPT
        self._kept[self._end : self._end + len(sound)] = sound
        self._end += len(sound)
        self.count += len(sound)

    def until(self, end: int, length: int) -> Samples:
        """The `length` samples before number `end`; silence for those that are not there."""
        stop = KEPT - (self.count - end)
        start = stop - length
        oldest = self._end - KEPT
        inside = self._kept[oldest + max(start, 0) : oldest + min(max(stop, 0), KEPT)]
        return inside if len(inside) == length else np.pad(inside, (max(-start, 0), max(stop - KEPT, 0)))[:length]
