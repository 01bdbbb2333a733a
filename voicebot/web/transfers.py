"""Places for transfers of large files: few, shared fairly between addresses, and never held by somebody who is slow."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from voicebot.runtime.limits import MIN_TRANSFER_BYTES_PER_S, PLACE_WAIT_S, TRANSFER_GRACE_S
from voicebot.runtime.threads import Threads


class NoPlaceError(Exception):
    """All places are taken, by transfers that are as new or as fast."""


class GaveWayError(Exception):
    """The transfer was the slowest, and somebody else needed its place."""


class Transfer:
    """Holds a place. It can lose it while it is under way, from `TRANSFER_GRACE_S` after it has begun."""

    def __init__(self, places: Places, address: str, most_s: float) -> None:
        self.address = address
        self._places, self._most_s = places, most_s
        self._moved = 0
        self._began_s: float | None = None
        self._limit: asyncio.Timeout | None = None
        self._gave_way = False

    @asynccontextmanager
    async def under_way(self) -> AsyncIterator[None]:
        """The time during which the client sends or reads. Raises TimeoutError if it is too slow, and GaveWayError."""
        self._began_s = asyncio.get_running_loop().time()
        self._places.notify()
        try:
            async with asyncio.timeout_at(self._ends_s(self._began_s)) as self._limit:
                yield
        except TimeoutError:
            if self._gave_way:
                raise GaveWayError from None
            raise
        finally:
            self._began_s = self._limit = None

    def moved(self, count: int) -> None:
        """So many more bytes have been sent or read, which gives the transfer more time."""
        self._moved += count
        if self._began_s is not None and self._limit is not None and not self._limit.expired():
            self._limit.reschedule(self._ends_s(self._began_s))

    def give_way(self) -> None:
        self._gave_way = True
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())

    @property
    def grace_over_s(self) -> float | None:
        """When it can be told to give way, by the loop's clock; None while the client is not what it waits for."""
        return None if self._began_s is None else self._began_s + TRANSFER_GRACE_S

    def bytes_per_s(self, now_s: float) -> float:
        return self._moved / max(now_s - (self._began_s or 0.0), 0.001)

    def _ends_s(self, began_s: float) -> float:
        allowed_s = TRANSFER_GRACE_S + self._moved / MIN_TRANSFER_BYTES_PER_S
        return began_s + min(self._most_s, allowed_s)


class Places:
    """`most` places altogether, and `per_address` for each address; a transfer may take `most_s`.

    If no place is free for a new transfer, the slowest one gives way: of its own address if that has all it may have,
    else of the addresses that have most.
    """

    def __init__(self, most: int, per_address: int, most_s: float) -> None:
        self._most, self._per_address, self._most_s = most, per_address, most_s
        self._held: set[Transfer] = set()
        self._changed = asyncio.Event()
        """Set when a place has been left, or a transfer got under way; made anew each time."""

    @asynccontextmanager
    async def place(self, address: str) -> AsyncIterator[Transfer]:
        """Raises NoPlaceError if there is none within `PLACE_WAIT_S`."""
        await self._wait_for_place(address)
        transfer = Transfer(self, address, self._most_s)
        self._held.add(transfer)
        try:
            yield transfer
        finally:
            self._leave(transfer)

    async def _wait_for_place(self, address: str) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + PLACE_WAIT_S
        while rivals := self._rivals(address):
            now_s = loop.time()
            ends_s = {each: each.grace_over_s for each in rivals}
            slow = [each for each, end_s in ends_s.items() if end_s is not None and end_s <= now_s]
            if slow:
                slowest = min(slow, key=lambda each: each.bytes_per_s(now_s))
                slowest.give_way()
                self._leave(slowest)
                return
            if now_s >= until_s:
                raise NoPlaceError
            next_s = min([until_s, *(end_s for end_s in ends_s.values() if end_s is not None)])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_s):
                    await self._changed.wait()

    def _rivals(self, address: str) -> list[Transfer]:
        """The transfers of which one must end before this address can have a place; none if a place is free."""
        own = [each for each in self._held if each.address == address]
        if len(own) >= self._per_address:
            return own
        if len(self._held) < self._most:
            return []
        counts = Counter(each.address for each in self._held)
        most = max(counts.values())
        return own if len(own) >= most else [each for each in self._held if counts[each.address] == most]

    def _leave(self, transfer: Transfer) -> None:
        self._held.discard(transfer)
        self.notify()

    def notify(self) -> None:
        """Those who wait for a place look again."""
        self._changed.set()
        self._changed = asyncio.Event()


@dataclass(frozen=True, slots=True)
class TransferThreads:
    """Threads for recordings and imports. Each kind of work has its own, so that a long one delays no other kind."""

    packing: Threads = field(default_factory=lambda: Threads("packing", 1, rest=1))
    reading: Threads = field(default_factory=lambda: Threads("reading imports", 1, rest=4))
    files: Threads = field(default_factory=lambda: Threads("transfers", 2))

    def close(self) -> None:
        for threads in (self.packing, self.reading, self.files):
            threads.close()
