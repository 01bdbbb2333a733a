"""How many turns the bot may answer in a day: one budget for all sessions, and for all servers on one database."""

from __future__ import annotations

import math
from typing import Protocol

from voicebot.access.admission import DAY_S, RefusedError
from voicebot.access.refusal import Reason
from voicebot.runtime.clock import Clock, SteadyClock

LAST_TURNS = 20
"""With no more than this left, no answer is begun before the user's turn is over: one that is thrown away would leave
a user without the answer that it has cost."""


class TurnCounter(Protocol):
    """The count that outlives this process, and that several servers share."""

    async def count_turns(self, day: int, turns: int) -> int | None:
        """Add `turns` to those of a day (counted from 1970) and return the sum; None if that can't be done now."""
        ...


class DailyTurns:
    """Allows `limit` turns in each day of UTC; 0 allows any number.

    `clock` is in seconds since the epoch. By default it is one that nobody can set: a day lasts 24 hours, so that a
    clock set forward does not give the day's turns once more, and one set back does not keep everybody waiting.

    A turn is counted when its answer is begun. The sum in `shared` decides, so that a restart does not begin anew and
    servers with one database have one budget. While it can't be had, each process goes by its own count, and adds to
    the sum later what it has counted meanwhile. A count that was interrupted may be added twice, never left out.
    """

    def __init__(self, limit: int, shared: TurnCounter, clock: Clock | None = None) -> None:
        self.limit = limit
        self._shared = shared
        self._clock = clock or SteadyClock()
        self._day = 0
        self._counted = 0
        """The turns of that day as far as this process knows, also those that were refused."""
        self._unshared = 0
        """Turns of this process that the shared sum lacks."""

    @property
    def used(self) -> int:
        """The turns of today, as far as this process knows."""
        self._turn_page()
        return min(self._counted, self.limit)

    @property
    def scarce(self) -> bool:
        return bool(self.limit) and self.limit - self.used <= LAST_TURNS

    @property
    def back_in_s(self) -> float:
        return DAY_S - self._clock() % DAY_S

    @property
    def reason(self) -> str:
        hours = math.ceil(self.back_in_s / 3_600)
        time = "less than an hour" if hours == 1 else f"about {hours} hours"
        return f"The bot has given all its answers for today. It will be back at midnight UTC, in {time}."

    async def take(self) -> bool:
        if not self.limit:
            return True
        if self.used == self.limit:
            return False
        self._counted += 1  # before the sum is known, so that other sessions don't take the same turn meanwhile
        self._unshared += 1
        total = await self._share()
        return total is None or total <= self.limit

    async def refresh(self) -> None:
        """Learn what was counted before this process began, or by other servers."""
        if self.limit:
            self._turn_page()
            await self._share()

    async def admit(self) -> None:
        """Raises RefusedError for a session that could get no answer today."""
        if not self.limit:
            return
        if self.used < self.limit:
            await self.refresh()
        if self.used == self.limit:
            raise RefusedError(429, Reason.DAY, self.reason, self.back_in_s)

    async def _share(self) -> int | None:
        """Add our turns to the shared sum, and learn from it."""
        day, turns = self._day, self._unshared
        self._unshared = 0
        total: int | None = None
        try:
            total = await self._shared.count_turns(day, turns)
        finally:
            if day == self._day:
                self._counted = max(self._counted, total or 0)
                self._unshared += turns if total is None else 0
        return total

    def _turn_page(self) -> None:
        """A new day begins with nothing counted."""
        if (day := int(self._clock() // DAY_S)) != self._day:
            self._day, self._counted, self._unshared = day, 0, 0
