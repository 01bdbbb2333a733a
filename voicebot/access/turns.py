"""The daily budget of turns that the bot answers, shared by all sessions and by all servers on one database."""

from __future__ import annotations

import math
from typing import Protocol

from voicebot.access.admission import DAY_S, RefusedError
from voicebot.access.refusal import Reason
from voicebot.runtime.clock import Clock, SteadyClock

LAST_TURNS = 20
"""With this many turns left or fewer, no answer is begun before the user's turn is over: an answer that is thrown away
would cost another user theirs."""


class TurnCounter(Protocol):
    """A count of turns that outlives this process and that several servers share."""

    async def count_turns(self, day: int, turns: int) -> int | None:
        """Adds `turns` to those of a day (counted from 1970) and returns the sum; None if that is not possible now."""
        ...


class DailyTurns:
    """Allows `limit` turns on each day of UTC; 0 allows any number.

    `clock` is in seconds since 1970. The default clock can't be set: setting the system's clock forward does not give
    the day's turns again, and setting it back keeps nobody waiting.

    A turn is counted when its answer is begun. The sum in `shared` decides, so that the budget survives a restart and
    is one for all servers on one database. While that sum can't be reached, each process goes by its own count and adds
    it to the sum later. A count that was interrupted may be added twice, but is never lost.
    """

    def __init__(self, limit: int, shared: TurnCounter, clock: Clock | None = None) -> None:
        self.limit = limit
        self._shared = shared
        self._clock = clock or SteadyClock()
        self._day = 0
        self._counted = 0
        """The turns of that day that this process knows of, including refused ones."""
        self._unshared = 0
        """The turns of this process that are not in the shared sum yet."""

    @property
    def used(self) -> int:
        """The turns of today that this process knows of."""
        self._begin_new_day()
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
        """Counts a turn. Returns whether the bot may answer it."""
        if not self.limit:
            return True
        if self.used == self.limit:
            return False
        self._counted += 1  # before the sum is known, so that no other session takes the same turn
        self._unshared += 1
        total = await self._share()
        return total is None or total <= self.limit

    async def refresh(self) -> None:
        """Learns what other servers, and earlier processes, have counted."""
        if self.limit:
            self._begin_new_day()
            await self._share()

    async def admit(self) -> None:
        """Raises RefusedError if a new session could get no answer today."""
        if not self.limit:
            return
        if self.used < self.limit:
            await self.refresh()
        if self.used == self.limit:
            raise RefusedError(429, Reason.DAY, self.reason, self.back_in_s)

    async def _share(self) -> int | None:
        """Adds this process's turns to the shared sum and takes over the result."""
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

    def _begin_new_day(self) -> None:
        """Resets the counts once the date has changed."""
        if (day := int(self._clock() // DAY_S)) != self._day:
            self._day, self._counted, self._unshared = day, 0, 0
