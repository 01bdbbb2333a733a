"""What a clock is, and one that shows the time of day and that nobody can set."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time in seconds, from an origin of its own: `time.monotonic`, or a clock that a test turns by hand."""

    def __call__(self) -> float: ...


class SteadyClock:
    """Seconds since 1970 as the system's clock had them when this one was made, plus the time that has passed since.

    It is for what is deleted when it is old, and for budgets of a day.

    Whoever sets the system's clock, by hand or over the network, changes nothing here until the next start.
    """

    def __init__(self) -> None:
        self._offset_s = time.time() - elapsed_s()

    def __call__(self) -> float:
        return self._offset_s + elapsed_s()


def elapsed_s() -> float:
    """Seconds that have passed, also while the machine was asleep, which Linux leaves out of its monotonic clock."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
