"""What a clock is, the machine's own date, and a time of day that nobody can set."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Protocol, runtime_checkable


class Clock(Protocol):
    """Tells the time in seconds, from an origin of its own; `time.monotonic` is one."""

    def __call__(self) -> float: ...


@runtime_checkable  # pydantic checks a model's field
class DateClock(Protocol):
    """Tells date and time."""

    def now(self) -> datetime:
        """Returns the present moment, in the time zone of "here"."""
        ...


class MachineClock:
    """The machine's clock, in the machine's own time zone."""

    def now(self) -> datetime:
        return datetime.now().astimezone()


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
