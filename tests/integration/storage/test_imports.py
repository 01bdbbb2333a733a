"""Unused imports are compressed and found by every server, and each address has a share of the space."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from tests.support.incompressible import incompressible
from tests.support.replica import goes_on, replica, state, stored_history, talk
from voicebot.dialogue.history import Message, Role
from voicebot.runtime.limits import UNUSED_BYTES, UNUSED_BYTES_PER_ADDRESS
from voicebot.storage.conversations import Conversations
from voicebot.storage.imports import UnusedImport, address_label, imports_to_delete, pack, unpack

TALK = (Message(Role.USER, "ciò é \ud83d \0 ok"), Message(Role.ASSISTANT, "Hi.", interrupted=True))
CLEAN = (Message(Role.USER, "ciò é ? \0 ok"), Message(Role.ASSISTANT, "Hi.", interrupted=True))


async def put(here: Conversations, size: int, address: str) -> str | None:
    return await here.put(pack(incompressible(size)), address)


async def present(here: Conversations, ids: list[str | None]) -> list[bool]:
    return [id is not None and await here.read(id) is not None for id in ids]


# Shares ---------------------------------------------------------------------------------------------------------------


def test_a_packed_history_unpacks_with_only_invalid_characters_replaced() -> None:
    assert unpack(pack(TALK).packed) == CLEAN


def test_an_address_over_its_share_loses_its_own_oldest_imports() -> None:
    entries = [
        UnusedImport("old", "a", 100_000),
        UnusedImport("other", "b", 240_000),
        *(UnusedImport(str(n), "a", 100_000) for n in (1, 2)),
    ]
    assert imports_to_delete(entries) == ["old"]


def test_the_address_using_most_space_loses_its_oldest_import_when_space_runs_out() -> None:
    small = [UnusedImport(f"small {number}", f"s{number}", 1_000) for number in range(20)]
    large = [UnusedImport(f"{name} {number}", name, 115_000) for number in range(2) for name in ("a", "b", "c")]
    assert imports_to_delete([*small, *large, UnusedImport("new", "d", 40_000)]) == ["a 0"]


def test_a_large_import_never_pushes_out_imports_of_addresses_with_less() -> None:
    others = [UnusedImport(str(number), str(number), 69_000) for number in range(10)]
    assert imports_to_delete([*others, UnusedImport("large", "large", 190_000)]) == ["large"]


def test_each_tiny_import_counts_with_its_storage_overhead() -> None:
    assert len(imports_to_delete(UnusedImport(str(number), "a", 10) for number in range(10_000))) > 9_000


def test_an_address_is_stored_as_a_short_hash() -> None:
    assert address_label("203.0.113.7") != address_label("203.0.113.8")
    assert len(address_label("203.0.113.7")) == 6


# In a database --------------------------------------------------------------------------------------------------------


async def test_an_import_continued_on_another_server_becomes_a_conversation(url: str) -> None:
    async with replica(url) as here, replica(url) as there:
        id = await here.put(pack(TALK), "10.0.0.1")
        assert id is not None
        assert await stored_history(there, id) == CLEAN
        session = await there.open(id)
        assert (session.id, session.history, session.notice) == (id, CLEAN, None)
        await goes_on(session, state("one", "two"))
        assert await stored_history(here, id) == talk("one", "two")
        again = await here.open(id)
        assert again.history == talk("one", "two")


async def test_two_sessions_that_open_one_import_at_once_both_get_it_and_one_stores_it(url: str) -> None:
    async with replica(url) as here, replica(url) as there:
        id = await here.put(pack(TALK), "10.0.0.1")
        sessions = await asyncio.gather(here.open(id), there.open(id))
        assert [len(each.history) for each in sessions] == [2, 2]
        assert [each.id for each in sessions] == [id, id]
        for number, each in enumerate(sessions):
            await goes_on(each, state(str(number), "answer", "more"))
        assert id is not None
        assert await stored_history(here, id) in (talk("0", "answer", "more"), talk("1", "answer", "more"))


async def test_a_deleted_import_is_gone_and_its_share_is_free(url: str) -> None:
    async with replica(url) as here:
        first, second = [await put(here, 100_000, "10.0.0.1") for _ in range(2)]
        assert first is not None
        await here.delete(first)
        third = await put(here, 100_000, "10.0.0.1")
        assert await present(here, [first, second, third]) == [False, True, True]


async def test_many_imports_of_one_address_push_out_only_its_own_unused_ones(url: str) -> None:
    async with replica(url) as here, replica(url) as there:
        honest = await here.put(pack(talk("hello", "Hi.")), "10.0.0.2")
        used = await put(here, 100_000, "10.0.0.1")
        await here.open(used)
        greedy = [await put((here, there)[number % 2], 100_000, "10.0.0.1") for number in range(8)]
        assert await present(here, [honest, used]) == [True, True]
        assert await present(there, greedy) == [False] * 6 + [True] * 2


async def test_servers_that_store_imports_at_once_stay_within_the_space_for_unused_imports(url: str) -> None:
    async with replica(url) as here, replica(url) as there:
        servers = (here, there)
        honest = await here.put(pack(talk("hello", "Hi.")), "honest")
        ids = await asyncio.gather(*(put(servers[n % 2], 60_000, f"10.0.0.{n}") for n in range(24)))
        left = await present(here, list(ids))
        assert UNUSED_BYTES_PER_ADDRESS < sum(left) * 60_000 <= UNUSED_BYTES
        assert await present(here, [honest]) == [True]


async def test_unused_imports_are_deleted_when_they_are_old(url: str) -> None:
    now_s = 1_000_000.0
    async with replica(url, lambda: now_s) as here:
        old = await here.put(pack(TALK), "10.0.0.1")
        now_s += 31 * 86_400
        async with replica(url, lambda: now_s) as there:
            assert await present(there, [old]) == [False]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_the_database_file_holds_neither_the_address_nor_deleted_imports(url: str, tmp_path: Path) -> None:
    async with replica(url) as here:
        imported = pack(incompressible(3_000))
        id = await here.put(imported, "203.0.113.77")
        path = tmp_path / "conversations.db"
        assert imported.packed[100:140] in path.read_bytes()
        assert b"203.0.113.77" not in path.read_bytes()
        assert id is not None
        await here.delete(id)
        assert imported.packed[100:140] not in path.read_bytes()
        with sqlite3.connect(path) as opened:
            assert opened.execute("SELECT count(*) FROM imports").fetchone() == (0,)
        opened.close()
