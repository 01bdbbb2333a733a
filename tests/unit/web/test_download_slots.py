"""Download slots: which download gets one, and which download gives way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from voicebot.web import download_slots as module
from voicebot.web.download_slots import DownloadSlots, NoSlotError

GRACE_S = 0.125
LONG_S = 60.0


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DOWNLOAD_GRACE_S", GRACE_S)
    monkeypatch.setattr(module, "MIN_DOWNLOAD_BYTES_PER_S", 1)


class Client:
    """Holds a slot until it leaves or has to give way. It reads a megabyte at first, and then nothing."""

    def __init__(self, slots: DownloadSlots, address: str, read: int = 1_000_000) -> None:
        self._slots, self._address, self._read = slots, address, read
        self.begun, self.leave = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> str:
        try:
            async with self._slots.hold_slot(self._address) as download:
                download.add_bytes(self._read)
                self.begun.set()
                await self.leave.wait()
        except NoSlotError:
            return "no slot"
        except TimeoutError:
            return "ended"
        return "done"


@asynccontextmanager
async def clients(slots: DownloadSlots, *addresses: str, read: int = 1_000_000) -> AsyncIterator[list[Client]]:
    """Yields clients that all hold slots and are past their grace period."""
    found = []
    for address in addresses:
        found.append(Client(slots, address, read))
        await found[-1].begun.wait()
    await asyncio.sleep(GRACE_S * 1.2)
    try:
        yield found
    finally:
        for each in found:
            each.task.cancel()
        await asyncio.wait({each.task for each in found})


async def result(client: Client) -> str:
    return await asyncio.wait_for(client.task, 2)


async def test_the_slowest_download_of_the_address_with_most_downloads_gives_way() -> None:
    slots = DownloadSlots(4, 2, LONG_S)
    one, slowest, others = (
        clients(slots, "single", read=10),
        clients(slots, "a", read=20),
        clients(slots, "b", "a"),
    )
    async with one, slowest as (slow,), others as (first, second):
        new = Client(slots, "new", read=10)
        await asyncio.wait_for(new.begun.wait(), 2)
        assert await result(slow) == "ended"
        assert not first.task.done()
        assert not second.task.done()
        new.leave.set()
        assert await result(new) == "done"


async def test_an_address_at_its_limit_loses_its_own_slowest_download() -> None:
    slots = DownloadSlots(10, 2, LONG_S)
    async with clients(slots, "a", read=10) as (slow,), clients(slots, "a", "b") as (fast, other):
        new = Client(slots, "a")
        await asyncio.wait_for(new.begun.wait(), 2)
        assert await result(slow) == "ended"
        assert not fast.task.done()
        assert not other.task.done()
        new.leave.set()
        assert await result(new) == "done"


async def test_a_new_download_waits_until_another_is_past_its_grace_period() -> None:
    slots = DownloadSlots(1, 1, LONG_S)
    first = Client(slots, "a")
    await first.begun.wait()
    second = Client(slots, "b")
    await asyncio.sleep(0)
    assert not second.begun.is_set()
    await asyncio.wait_for(second.begun.wait(), 2)
    assert await result(first) == "ended"
    second.leave.set()
    assert await result(second) == "done"


async def test_a_new_download_takes_the_place_of_one_that_ends() -> None:
    slots = DownloadSlots(1, 1, LONG_S)
    first = Client(slots, "a")
    await first.begun.wait()
    second = Client(slots, "b")
    await asyncio.sleep(0)
    first.leave.set()
    await asyncio.wait_for(second.begun.wait(), 2)
    assert await result(first) == "done"
    second.leave.set()
    assert await result(second) == "done"


async def test_a_new_download_is_refused_if_all_slots_stay_with_downloads_in_their_grace_period(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SLOT_WAIT_S", GRACE_S / 3)
    slots = DownloadSlots(1, 1, LONG_S)
    first = Client(slots, "a")
    await first.begun.wait()
    assert await result(Client(slots, "b")) == "no slot"
    first.leave.set()
    assert await result(first) == "done"


async def test_a_download_below_the_minimum_rate_ends_even_if_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_DOWNLOAD_BYTES_PER_S", 1_000)
    slots = DownloadSlots(8, 2, LONG_S)
    assert await result(Client(slots, "a", read=0)) == "ended"
    assert await result(Client(slots, "a", read=100)) == "ended"

    async def read_steadily() -> None:
        async with slots.hold_slot("a") as download:
            for _ in range(10):
                await asyncio.sleep(GRACE_S / 2)
                download.add_bytes(200)

    await asyncio.wait_for(read_steadily(), 10)


async def test_a_download_ends_at_its_time_limit() -> None:
    assert await result(Client(DownloadSlots(8, 2, 0.05), "a")) == "ended"
