"""TURNS_PER_DAY on a clock that the tests set, with a shared count that may be unreachable."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.manual_clock import Clock
from voicebot.access.admission import DAY_S, RefusedError
from voicebot.access.refusal import Reason
from voicebot.access.turns import LAST_TURNS, DailyTurns
from voicebot.runtime import clock as steady

HOUR_S = 3_600


MIDNIGHT_S = 20_000.0 * DAY_S


class SharedCount:
    """The shared count of a database. It is unreachable while `away`, and slow until `answers` is set."""

    def __init__(self) -> None:
        self.sums: dict[int, int] = {}
        self.away = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def count_turns(self, day: int, turns: int) -> int | None:
        await self.answers.wait()
        if self.away:
            return None
        self.sums[day] = self.sums.get(day, 0) + turns
        return self.sums[day]


class NoDatabase(SharedCount):
    """Stands for a server without a database."""

    async def count_turns(self, day: int, turns: int) -> int | None:
        return None


async def taken(turns: DailyTurns, tries: int) -> int:
    """Tries to take this many turns and returns how many were granted."""
    return sum([await turns.take() for _ in range(tries)])


@pytest.fixture
def clock() -> Clock:
    return Clock(MIDNIGHT_S)


@pytest.mark.parametrize("shared", [SharedCount, NoDatabase])
async def test_the_daily_limit_of_turns_renews_at_midnight_utc(shared: type[SharedCount], clock: Clock) -> None:
    turns = DailyTurns(3, shared(), clock)
    clock.now_s += DAY_S - 1
    assert await taken(turns, 5) == 3
    assert turns.used == 3
    clock.now_s += 1
    assert turns.used == 0
    assert await taken(turns, 5) == 3


async def test_turns_without_a_limit_are_all_granted_and_not_counted(clock: Clock) -> None:
    shared = SharedCount()
    turns = DailyTurns(0, shared, clock)
    assert await taken(turns, 100) == 100
    await turns.admit()
    await turns.refresh()
    assert (turns.used, turns.scarce, shared.sums) == (0, False, {})


async def test_sessions_are_refused_until_midnight_utc_once_all_turns_are_used(clock: Clock) -> None:
    turns = DailyTurns(2, NoDatabase(), clock)
    clock.now_s += 20 * HOUR_S + 600
    await turns.take()
    await turns.admit()
    await turns.take()
    with pytest.raises(RefusedError) as refused:
        await turns.admit()
    assert (refused.value.status, refused.value.reason) == (429, Reason.DAY)
    assert refused.value.headers == {"Retry-After": str(4 * HOUR_S - 600)}
    assert str(refused.value) == (
        "The bot has given all its answers for today. It will be back at midnight UTC, in about 4 hours."
    )
    clock.now_s += 3.5 * HOUR_S
    assert turns.reason.endswith("in less than an hour.")
    clock.now_s += HOUR_S
    await turns.admit()


async def test_turns_become_scarce_when_only_the_last_few_are_left(clock: Clock) -> None:
    turns = DailyTurns(LAST_TURNS + 2, NoDatabase(), clock)
    await turns.take()
    assert not turns.scarce
    await turns.take()
    assert turns.scarce


async def test_a_restarted_server_continues_the_daily_count(clock: Clock) -> None:
    shared = SharedCount()
    assert await taken(DailyTurns(5, shared, clock), 3) == 3
    again = DailyTurns(5, shared, clock)
    await again.refresh()
    assert again.used == 3
    assert await taken(again, 5) == 2


async def test_servers_on_one_database_share_the_budget(clock: Clock) -> None:
    shared = SharedCount()
    one, other = DailyTurns(5, shared, clock), DailyTurns(5, shared, clock)
    assert await taken(one, 3) == 3
    assert await taken(other, 3) == 2
    with pytest.raises(RefusedError):
        await one.admit()
    assert not await one.take()


async def test_turns_that_are_taken_at_the_same_moment_are_all_counted(clock: Clock) -> None:
    shared = SharedCount()
    shared.answers.clear()
    one, other = DailyTurns(5, shared, clock), DailyTurns(5, shared, clock)
    takes = [asyncio.create_task(each.take()) for each in (one, other) for _ in range(4)]
    await asyncio.sleep(0)
    shared.answers.set()
    assert sum(await asyncio.gather(*takes)) == 5
    assert shared.sums == {20_000: 8}, "refused turns must be counted, too"
    assert other.used == 5
    with pytest.raises(RefusedError):
        await one.admit()


async def test_each_server_counts_alone_while_the_database_is_away_and_adds_its_turns_later(clock: Clock) -> None:
    shared = SharedCount()
    one, other = DailyTurns(6, shared, clock), DailyTurns(6, shared, clock)
    assert await taken(one, 1) == 1
    shared.away = True
    assert await taken(one, 2) == 2
    assert await taken(other, 2) == 2
    assert one.used == 3
    shared.away = False
    await one.admit()
    assert (shared.sums, one.used) == ({20_000: 3}, 3)
    await other.admit()
    assert (shared.sums, other.used) == ({20_000: 5}, 5)
    assert await taken(other, 2) == 1
    assert not await one.take()


async def test_a_database_that_lost_its_count_does_not_renew_the_budget(clock: Clock) -> None:
    shared = SharedCount()
    turns = DailyTurns(3, shared, clock)
    assert await taken(turns, 2) == 2
    shared.sums.clear()
    assert await taken(turns, 3) == 1


async def test_a_turn_that_is_cancelled_while_being_counted_still_counts(clock: Clock) -> None:
    shared = SharedCount()
    shared.answers.clear()
    turns = DailyTurns(3, shared, clock)
    taking = asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    taking.cancel()
    await asyncio.wait([taking])
    shared.answers.set()
    assert turns.used == 1
    assert await taken(turns, 5) == 2
    assert shared.sums == {20_000: 3}


async def test_turns_not_yet_shared_at_midnight_do_not_count_for_the_new_day(clock: Clock) -> None:
    shared = SharedCount()
    shared.away = True
    turns = DailyTurns(3, shared, clock)
    await taken(turns, 3)
    clock.now_s += DAY_S
    shared.away = False
    assert await taken(turns, 4) == 3
    assert shared.sums == {20_001: 3}


@pytest.mark.parametrize("step_s", [3 * DAY_S, HOUR_S, -HOUR_S, -3 * DAY_S])
async def test_a_wall_clock_change_neither_grants_turns_nor_takes_turns_away(
    monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    wall_s, passed_s = 20_000.0 * DAY_S + HOUR_S, 500.0
    monkeypatch.setattr("time.time", lambda: wall_s)
    monkeypatch.setattr(steady, "elapsed_s", lambda: passed_s)
    shared = SharedCount()
    turns = DailyTurns(3, shared)
    assert await taken(turns, 2) == 2
    wall_s += step_s
    assert await taken(turns, 2) == 1
    with pytest.raises(RefusedError) as refused:
        await turns.admit()
    assert refused.value.headers == {"Retry-After": str(23 * HOUR_S)}
    passed_s += 23 * HOUR_S
    assert await taken(turns, 4) == 3
    assert shared.sums == {20_000: 3, 20_001: 3}
