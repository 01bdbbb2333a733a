"""The count of a day's turns in both kinds of database: over restarts, between servers, and during outages."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.support.postgres import Postgres
from tests.support.replica import replica
from voicebot.access.turns import DailyTurns
from voicebot.settings import config
from voicebot.storage import conversations
from voicebot.storage.conversations import Conversations
from voicebot.storage.database import Database

DAY = 20_000


def noon() -> float:
    return (DAY + 0.5) * 86_400


async def granted(turns: DailyTurns, tries: int) -> int:
    return sum([await turns.take() for _ in range(tries)])


async def test_the_turn_count_survives_a_restart_and_each_day_has_its_own(url: str) -> None:
    async with replica(url) as before:
        assert await before.count_turns(DAY, 3) == 3
        assert await before.count_turns(DAY + 1, 1) == 1
    async with replica(url) as after:
        assert await after.count_turns(DAY, 0) == 3
        turns = DailyTurns(5, after, noon)
        await turns.refresh()
        assert turns.used == 3
        assert await granted(turns, 4) == 2


async def test_no_turn_is_counted_twice_or_lost_between_servers(url: str) -> None:
    databases = [Database(url), Database(url)]
    try:
        await databases[0].count_turns(DAY, 0)
        sums = await asyncio.gather(*(each.count_turns(DAY, 1) for each in databases * 20))
    finally:
        for each in databases:
            await each.close()
    assert sorted(sums) == list(range(1, 41))


async def test_servers_on_one_database_share_the_budget(url: str) -> None:
    async with replica(url) as one, replica(url) as other:
        budgets = [DailyTurns(5, each, noon) for each in (one, other)]
        assert sum(await asyncio.gather(*(granted(each, 4) for each in budgets))) == 5


async def test_a_server_counts_turns_alone_while_postgres_is_down_and_adds_them_afterwards(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "RETRY_S", 0.1)
    async with replica(postgres.new_database("turns")) as here:
        turns = DailyTurns(5, here, noon)
        assert await turns.take()
        await asyncio.to_thread(postgres.stop)
        try:
            assert await granted(turns, 2) == 2
            assert turns.used == 3
        finally:
            postgres.start()
        async with asyncio.timeout(10):
            while not here.health.ready:  # noqa: ASYNC110 (it has no event)
                await asyncio.sleep(0.05)
        assert await granted(turns, 4) == 2
        assert await here.count_turns(DAY, 0) == 5


async def test_disabled_storage_still_limits_turns_and_writes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    off = Conversations(config.load(keep_conversations=False))
    await off.start()
    turns = DailyTurns(2, off, noon)
    assert await granted(turns, 3) == 2
    await off.close()
    assert os.listdir(tmp_path) == []
