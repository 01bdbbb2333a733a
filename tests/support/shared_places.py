"""The places and guesses that several processes share, in memory instead of a database."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from voicebot.access.places import Occupancy, PlaceLimits, SessionPlace


@dataclass
class SharedInMemory:
    """One object for all processes. Each question takes some turns of the event loop, so that others come between."""

    processes: int = 2
    away: bool = False
    """Whether the database can't be asked."""
    places: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """The address and the conversation of each place."""
    talked_s: dict[tuple[int, str], float] = field(default_factory=lambda: defaultdict(float))
    guesses: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def taken(self) -> int:
        return len(self.places)

    async def count(self, place: SessionPlace, conversation: str | None, day: int | None) -> Occupancy | None:
        await self._turns()
        return None if self.away else self._occupied(place, conversation)

    async def claim(self, place: SessionPlace, conversation: str | None, limits: PlaceLimits) -> Occupancy | None:
        await self._turns()
        if self.away:
            return None
        occupied = self._occupied(place, conversation)
        if limits.allow(occupied):
            self.places[place.id] = (place.address, conversation)
        return occupied

    def release(self, place: SessionPlace) -> None:
        self.places.pop(place.id, None)

    def add_talk_time(self, day: int, address: str, seconds: float) -> None:
        self.talked_s[day, address] += seconds

    def talk_time_s(self, day: int, address: str) -> float:
        return self.talked_s[day, address]

    async def count_guess(self, name: str, token_s: float) -> float | None:
        await self._turns()
        self.guesses[name] += 1
        return None if self.away else self.guesses[name]

    def _occupied(self, place: SessionPlace, conversation: str | None) -> Occupancy:
        others = [
            address
            for id, (address, theirs) in self.places.items()
            if id != place.id and (conversation is None or theirs != conversation)
        ]
        return Occupancy(len(others), others.count(place.address))

    async def _turns(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
