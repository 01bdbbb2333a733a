"""A clock that a test moves by hand, and a clock that stands still."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


class Clock:
    """Shows the time `now_s`, which the test sets."""

    def __init__(self, now_s: float = 1_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


@dataclass(frozen=True)
class StoppedClock:
    """Always shows the same date and time."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment
