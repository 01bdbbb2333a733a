"""A buffer of the most recent samples of a stream."""

from __future__ import annotations

import numpy as np

from voicebot.audio.sound import Samples

KEPT_SAMPLES = 36_000
"""2.25 s at 16 kHz: the longest delay, and the frames that the delay search and a new filter need before it."""


class SampleHistory:
    """Keeps the last `KEPT_SAMPLES` samples of a stream, which are numbered from its start."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: Samples = np.zeros(4 * KEPT_SAMPLES, np.int16)
        """The samples end at `_end`. They are moved to the beginning of this array only when it is full."""
        self._end = KEPT_SAMPLES

    def add(self, sound: Samples) -> None:
        """Appends at most `KEPT_SAMPLES` samples."""
        if self._end + len(sound) > len(self._kept):
            self._kept[:KEPT_SAMPLES] = self._kept[self._end - KEPT_SAMPLES : self._end]
            self._end = KEPT_SAMPLES
        self._kept[self._end : self._end + len(sound)] = sound
        self._end += len(sound)
        self.count += len(sound)

    def until(self, end: int, length: int) -> Samples:
        """Returns the `length` samples before number `end`. Those that are not kept are replaced by silence."""
        stop = KEPT_SAMPLES - (self.count - end)
        start = stop - length
        oldest = self._end - KEPT_SAMPLES
        inside = self._kept[oldest + max(start, 0) : oldest + min(max(stop, 0), KEPT_SAMPLES)]
        missing = max(-start, 0), max(stop - KEPT_SAMPLES, 0)
        return inside if len(inside) == length else np.pad(inside, missing)[:length]
