"""A few slots for downloads of recordings, shared fairly between addresses. Slow clients lose theirs."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from voicebot.runtime.limits import DOWNLOAD_GRACE_S, MIN_DOWNLOAD_BYTES_PER_S, SLOT_WAIT_S


class NoSlotError(Exception):
    """No slot became free in time."""


class RecordingDownload:
    """A download that holds a slot. After `DOWNLOAD_GRACE_S` it can lose its slot to another one."""

    def __init__(self, address: str, max_s: float) -> None:
        self.address = address
        self._begun_s = asyncio.get_running_loop().time()
        self._max_s = max_s
        self._sent = 0
        self._gave_way = False
        self.timeout = asyncio.timeout_at(self._ends_s)

    def add_bytes(self, count: int) -> None:
        """Counts bytes that were sent, and extends the time limit accordingly."""
        self._sent += count
        if not self._gave_way and not self.timeout.expired():
            self.timeout.reschedule(self._ends_s)

    def give_way(self) -> None:
        """Ends the download with a TimeoutError, to free its slot."""
        self._gave_way = True
        if not self.timeout.expired():
            self.timeout.reschedule(asyncio.get_running_loop().time())

    @property
    def grace_ends_s(self) -> float:
        """The time of the loop's clock from which on the download may lose its slot."""
        return self._begun_s + DOWNLOAD_GRACE_S

    def bytes_per_s(self, now_s: float) -> float:
        return self._sent / max(now_s - self._begun_s, 0.001)

    @property
    def _ends_s(self) -> float:
        return self._begun_s + min(self._max_s, DOWNLOAD_GRACE_S + self._sent / MIN_DOWNLOAD_BYTES_PER_S)


class DownloadSlots:
    """Gives out `most` slots in total, and `per_address` to each address. A download may last `max_s`.

    When no slot is free for a new download, the slowest one ends: that of the same address if it has used up its slots,
    else that of the addresses that have most.
    """

    def __init__(self, most: int, per_address: int, max_s: float) -> None:
        self._most, self._per_address, self._max_s = most, per_address, max_s
        self._downloads: set[RecordingDownload] = set()
        self._changed = asyncio.Event()
        """Set when a slot becomes free, and then replaced by a new event."""

    @asynccontextmanager
    async def hold_slot(self, address: str) -> AsyncIterator[RecordingDownload]:
        """Holds a slot for the block.

        Raises NoSlotError if none becomes free within `SLOT_WAIT_S`, and TimeoutError if the client is too slow or the
        slot is needed for another download.
        """
        await self._wait_for_slot(address)
        download = RecordingDownload(address, self._max_s)
        self._downloads.add(download)
        try:
            async with download.timeout:
                yield download
        finally:
            self._release(download)

    async def _wait_for_slot(self, address: str) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + SLOT_WAIT_S
        while rivals := self._rivals(address):
            now_s = loop.time()
            slow = [each for each in rivals if each.grace_ends_s <= now_s]
            if slow:
                slowest = min(slow, key=lambda each: each.bytes_per_s(now_s))
                slowest.give_way()
                self._release(slowest)
                return
            if now_s >= until_s:
                raise NoSlotError
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(until_s, *(each.grace_ends_s for each in rivals))):
                    await self._changed.wait()

    def _rivals(self, address: str) -> list[RecordingDownload]:
        """Returns the downloads of which one must end before this address can have a slot; empty if a slot is free."""
        own = [each for each in self._downloads if each.address == address]
        if len(own) >= self._per_address:
            return own
        if len(self._downloads) < self._most:
            return []
        counts = Counter(each.address for each in self._downloads)
        most = max(counts.values())
        return own if len(own) >= most else [each for each in self._downloads if counts[each.address] == most]

    def _release(self, download: RecordingDownload) -> None:
        self._downloads.discard(download)
        self._changed.set()
        self._changed = asyncio.Event()
