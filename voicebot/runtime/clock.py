"""Protocols for clocks, the machine's date, and a time of day that is immune to changes of the system clock."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Protocol, runtime_checkable


class Clock(Protocol):
    """Returns the time in seconds since some fixed moment, as `time.monotonic` does."""

    def __call__(self) -> float: ...


@runtime_checkable  # pydantic checks a model's field
class DateClock(Protocol):
    """Returns the date and time."""

    def now(self) -> datetime:
        """Returns the present moment in the local time zone."""
        ...


class MachineClock:
    """The machine's clock in the machine's time zone."""

    def now(self) -> datetime:
        return datetime.now().astimezone()


class SteadyClock:
    """Returns the seconds since 1970 by the system clock at creation, plus the time elapsed since.

    Setting the system clock, by hand or over the network, has no effect until the next start.
    """

    def __init__(self) -> None:
        self._offset_s = time.time() - elapsed_s()

    def __call__(self) -> float:
        return self._offset_s + elapsed_s()


def elapsed_s() -> float:
    """Returns elapsed seconds that include suspension of the machine, unlike `time.monotonic` on Linux."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
