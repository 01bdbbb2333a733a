"""Who gets a place, and who gives way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from voicebot.web import transfers as module
from voicebot.web.transfers import GaveWayError, NoPlaceError, Places, Transfer

GRACE_S = 0.125
LONG_S = 60.0


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRANSFER_GRACE_S", GRACE_S)
    monkeypatch.setattr(module, "MIN_TRANSFER_BYTES_PER_S", 1)


class Client:
    """Has a place and is under way, until it is told to leave or has to. It moves a megabyte at first, and no more."""

    def __init__(self, places: Places, address: str, moved: int = 1_000_000) -> None:
        self._places, self._address, self._moved = places, address, moved
        self.begun, self.leave = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> str:
        try:
            async with self._places.place(self._address) as transfer, transfer.under_way():
                transfer.moved(self._moved)
                self.begun.set()
                await self.leave.wait()
        except GaveWayError:
            return "gave way"
        except NoPlaceError:
            return "no place"
        except TimeoutError:
            return "too slow"
        return "done"


@asynccontextmanager
async def clients(places: Places, *addresses: str, moved: int = 1_000_000) -> AsyncIterator[list[Client]]:
    """All under way, and past their grace."""
    found = []
    for address in addresses:
        found.append(Client(places, address, moved))
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


async def test_the_slowest_transfer_of_the_address_with_most_transfers_gives_way() -> None:
    places = Places(4, 2, LONG_S)
    one, slowest, others = (
        clients(places, "single", moved=10),
        clients(places, "a", moved=20),
        clients(places, "b", "a"),
    )
    async with one, slowest as (slow,), others as (first, second):
        new = Client(places, "new", moved=10)
        await asyncio.wait_for(new.begun.wait(), 2)
        assert await result(slow) == "gave way"
        assert not first.task.done()
        assert not second.task.done()
        new.leave.set()
        assert await result(new) == "done"


async def test_an_address_at_its_limit_loses_its_own_slowest_transfer() -> None:
    places = Places(10, 2, LONG_S)
    async with clients(places, "a", moved=10) as (slow,), clients(places, "a", "b") as (fast, other):
        new = Client(places, "a")
        await asyncio.wait_for(new.begun.wait(), 2)
        assert await result(slow) == "gave way"
        assert not fast.task.done()
        assert not other.task.done()
        new.leave.set()
        assert await result(new) == "done"


async def test_a_new_transfer_waits_until_another_is_past_its_grace_period() -> None:
    places = Places(1, 1, LONG_S)
    first = Client(places, "a")
    await first.begun.wait()
    second = Client(places, "b")
    await asyncio.sleep(0)
    assert not second.begun.is_set()
    await asyncio.wait_for(second.begun.wait(), 2)
    assert await result(first) == "gave way"
    second.leave.set()
    assert await result(second) == "done"


async def test_a_new_transfer_takes_the_place_of_one_that_ends() -> None:
    places = Places(1, 1, LONG_S)
    first = Client(places, "a")
    await first.begun.wait()
    second = Client(places, "b")
    await asyncio.sleep(0)
    first.leave.set()
    await asyncio.wait_for(second.begun.wait(), 2)
    assert await result(first) == "done"
    second.leave.set()
    assert await result(second) == "done"


async def test_a_client_whose_transfer_has_not_begun_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PLACE_WAIT_S", 3 * GRACE_S)
    places = Places(1, 1, LONG_S)
    async with places.place("a"):
        await asyncio.sleep(GRACE_S * 1.2)
        assert await result(Client(places, "b")) == "no place"
    after = Client(places, "b")
    await asyncio.wait_for(after.begun.wait(), 2)
    after.leave.set()
    assert await result(after) == "done"


async def test_a_waiting_client_gets_the_place_of_a_transfer_that_begins_and_stalls() -> None:
    places = Places(1, 1, LONG_S)

    async def stands_still(transfer: Transfer) -> None:
        async with transfer.under_way():
            transfer.moved(1_000)
            await asyncio.Event().wait()

    async with places.place("a") as transfer:
        waiting = Client(places, "b")
        await asyncio.sleep(GRACE_S)
        with pytest.raises(GaveWayError):
            await asyncio.wait_for(stands_still(transfer), 2)
    await asyncio.wait_for(waiting.begun.wait(), 2)
    waiting.leave.set()
    assert await result(waiting) == "done"


async def test_a_transfer_below_the_minimum_rate_ends_even_if_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_TRANSFER_BYTES_PER_S", 1_000)
    places = Places(8, 2, LONG_S)
    assert await result(Client(places, "a", moved=0)) == "too slow"
    assert await result(Client(places, "a", moved=100)) == "too slow"

    async def steady(transfer: Transfer) -> None:
        async with transfer.under_way():
            for _ in range(10):
                await asyncio.sleep(GRACE_S / 2)
                transfer.moved(200)

    async with places.place("a") as transfer:
        await asyncio.wait_for(steady(transfer), 10)


async def test_a_transfer_ends_at_its_time_limit() -> None:
    assert await result(Client(Places(8, 2, 0.05), "a")) == "too slow"
