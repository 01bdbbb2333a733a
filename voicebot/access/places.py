"""Places of sessions, and what several processes share of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class SessionPlace:
    """The place of one session. `id` is a random name, and `address` the client's, as `client_address` writes it."""

    id: str
    address: str


class Occupancy(NamedTuple):
    """How many places are taken by others: in all, and of the address that asks."""

    sessions: int
    of_address: int


@dataclass(frozen=True, slots=True)
class PlaceLimits:
    """How many places there are in all, and for each address; 0 for an address means no limit."""

    sessions: int
    per_address: int

    def is_full(self, occupied: Occupancy) -> bool:
        return occupied.sessions >= self.sessions

    def address_is_full(self, occupied: Occupancy) -> bool:
        return bool(self.per_address) and occupied.of_address >= self.per_address

    def allow(self, occupied: Occupancy) -> bool:
        """Returns whether one more session may begin."""
        return not self.is_full(occupied) and not self.address_is_full(occupied)

    def share_of(self, processes: int) -> PlaceLimits:
        """Returns the part of these limits that each of `processes` gets, rounded up."""
        return PlaceLimits(-(-self.sessions // processes), -(-self.per_address // processes))


class SharedPlaces(Protocol):
    """The places of all processes together. Where a result can be None, the database can't be asked now."""

    @property
    def processes(self) -> int:
        """How many processes share the places, as far as this one knows; at least 1."""
        ...

    @property
    def taken(self) -> int:
        """How many places are taken in all processes, as far as this one knows. It may be some seconds old."""
        ...

    async def count(self, place: SessionPlace, conversation: str | None, day: int | None) -> Occupancy | None:
        """Counts the places that others have. Those of sessions in this conversation, which end, do not count.

        With a `day`, also looks up for how long the address has talked on it.
        """
        ...

    async def claim(self, place: SessionPlace, conversation: str | None, limits: PlaceLimits) -> Occupancy | None:
        """Takes the place if the limits allow it, in one step with counting. Returns how many others have places.

        The place belongs to a session that writes to `conversation`. It has to be released even if None is returned.
        """
        ...

    def release(self, place: SessionPlace) -> None:
        """Gives a place back. May be called again, and for a place that was never claimed."""
        ...

    def add_talk_time(self, day: int, address: str, seconds: float) -> None:
        """Adds to the time for which an address has talked on a day (counted from 1970)."""
        ...

    def talk_time_s(self, day: int, address: str) -> float:
        """Returns for how long an address has talked on a day, in all processes, as far as this one knows."""
        ...


class GuessCounter(Protocol):
    """Counts wrong passwords in all processes together."""

    async def count_guess(self, name: str, token_s: float) -> float | None:
        """Counts a wrong password under this name, whose bucket regains a token in `token_s` seconds.

        Returns how many tokens are missing now from the full bucket; None if the database can't be asked.
        """
        ...
