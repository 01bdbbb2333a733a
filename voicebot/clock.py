"""What a clock is, and a time of day that nobody can set: for what is deleted when it is old, and for daily budgets."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time in seconds, from an origin of its own; `time.monotonic` is one."""

    def __call__(self) -> float: ...


class SteadyClock:
    """Seconds since 1970 as the system's clock had them when this one was made, plus the time that has passed since.

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
