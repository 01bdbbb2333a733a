"""The time of day for things that are deleted when they are old."""

from __future__ import annotations

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)
"""Linux's monotonic clock stands still while the machine sleeps, and this one does not."""


class SteadyClock:
    """Seconds since 1970 as they were when it was made, plus the time that has passed since.

    When the system's clock is set, conversations become neither older nor younger by that.
    """

    def __init__(self) -> None:
        self._offset_s = time.time() - _passed_s()

    def __call__(self) -> float:
        return self._offset_s + _passed_s()


def _passed_s() -> float:
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)
