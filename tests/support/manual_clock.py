"""A clock that a test moves by hand, and a clock that stands still."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(frozen=True)
class StoppedClock:
    """Always shows the same date and time."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment
