"""A database outage loses at most what would have been stored meanwhile, and nothing else."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import sqlite3
import time
from pathlib import Path

import psutil
import pytest

from tests.support.postgres import Postgres
from tests.support.replica import goes_on, replica, state, stored_history, talk
from voicebot.settings import config
from voicebot.storage import conversation, conversations, database
from voicebot.storage.conversations import UNREACHABLE, Conversations

ONE, TWO = "tell me a joke", "A horse walks into a bar."


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "RETRY_S", 0.1)
    monkeypatch.setattr(conversations, "RETRY_S", 0.1)
    monkeypatch.setattr(database, "LOCKED_S", 0.1)


async def until_kept(store: Conversations, id: str | None, *turns: str) -> None:
    assert id is not None
    async with asyncio.timeout(10):
        while not store.health.ready or await stored_history(store, id) != talk(*turns):  # noqa: ASYNC110 (it has no event)
            await asyncio.sleep(0.05)


def descriptors(path: Path) -> int:
    """Returns how many times this process has the file open."""
    return [opened.path for opened in psutil.Process().open_files()].count(str(path))


def complaints(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if record.levelno >= logging.WARNING]


async def test_a_session_outlasts_a_locked_database_file_and_is_stored_afterwards(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "conversations.db"
    async with replica(f"sqlite:///{path}") as here:
        live = await here.open(None)
        await goes_on(live, state(ONE))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        await goes_on(live, state(ONE, TWO))
        await goes_on(live, state(ONE, TWO, "and"))
        assert not here.health.ready
        assert complaints(caplog) == ["conversations cannot be stored now: database is locked"]
        began_s = time.monotonic()
        refused = await here.open(live.id)
        assert time.monotonic() - began_s < 2.5
        assert (refused.notice, refused.history) == (UNREACHABLE, ())
        assert refused.id not in (None, live.id)
        other.close()
        await until_kept(here, live.id, ONE, TWO, "and")
        assert len(complaints(caplog)) == 1


async def test_a_session_outlasts_a_postgres_restart_and_is_stored_afterwards(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    async with replica(postgres.new_database("restarts")) as here:
        live = await here.open(None)
        await goes_on(live, state(ONE))
        await asyncio.to_thread(postgres.stop)
        try:
            await goes_on(live, state(ONE, TWO))
            async with asyncio.timeout(10):
                while here.health.ready:  # noqa: ASYNC110 (it has no event)
                    await asyncio.sleep(0.01)
            refused = await here.open(live.id)
            assert refused.notice == UNREACHABLE
            await goes_on(live, state(ONE, TWO, "and"))
        finally:
            postgres.start()
        await until_kept(here, live.id, ONE, TWO, "and")
        said = complaints(caplog)
        assert 1 <= len(said) <= 2, "an operation that was under way may succeed after the first failure"
        assert "hush-hush" not in f"{said}{here.health}"


async def test_postgres_that_is_down_at_the_start_is_used_once_it_is_up(postgres: Postgres) -> None:
    url = postgres.new_database("comes_later")
    await asyncio.to_thread(postgres.stop)
    try:
        async with replica(url) as here:
            assert here.health.kind == "postgresql"
            assert not here.health.ready
            assert here.health.reason is not None
            assert "hush-hush" not in here.health.reason
            live = await here.open(None)
            await goes_on(live, state(ONE))
            postgres.start()
            await until_kept(here, live.id, ONE)
    finally:
        await asyncio.to_thread(postgres.stop)
        postgres.start()


async def test_a_wrong_database_password_is_reported_without_showing_the_password(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    async with replica(postgres.url(password="open-sesame")) as here:
        assert "password authentication failed" in str(here.health.reason)
        assert "open-sesame" not in f"{here.health} {caplog.text}"


async def test_a_database_that_never_answers_delays_a_session_only_up_to_the_time_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversations, "WRITE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(conversations, "READ_TIMEOUT_S", 0.3)

    silent = socket.create_server(("127.0.0.1", 0))  # The kernel accepts connections, but no server answers on them.
    port = silent.getsockname()[1]
    async with replica(f"postgresql://bot:hush@127.0.0.1:{port}/bot") as here:
        assert here.health.reason == "no answer in 0.2 s"
        began_s = time.monotonic()
        live = await here.open("A" * 32)
        assert time.monotonic() - began_s < 0.6
        assert live.notice == UNREACHABLE
        live.keep(state(ONE), at_once=True)
        await asyncio.sleep(0.05)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 2
    silent.close()


async def test_storing_starts_once_the_folder_exists_and_again_after_the_file_is_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    async with replica(f"sqlite:///{folder}/conversations.db") as here:
        assert not here.health.ready
        assert "No such file" in str(here.health.reason)
        folder.mkdir()
        live = await here.open(None)
        await goes_on(live, state(ONE))
        await until_kept(here, live.id, ONE)
        (folder / "conversations.db").unlink()
        for count in range(2, 5):
            await goes_on(live, state(ONE, *[TWO] * count))
        another = await here.open(None)
        await goes_on(another, state(TWO))
        await until_kept(here, another.id, TWO)
        assert (folder / "conversations.db").exists()


async def test_questions_that_come_together_after_the_file_is_deleted_all_find_the_tables_of_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCKED_S", 5.0)  # The questions wait for one another, however slow the disk is.
    path = tmp_path / "conversations.db"
    here = database.Database(f"sqlite:///{path}")
    for _ in range(20):
        await here.purge(0)
        path.unlink()
        await asyncio.gather(*(here.read("A" * 32) if number % 2 else here.purge(0) for number in range(6)))
        assert path.stat().st_mode & 0o777 == 0o600
    await here.close()


async def test_an_operation_that_gets_no_connection_says_so_in_plain_words(tmp_path: Path) -> None:
    here = database.Database(f"sqlite:///{tmp_path}/conversations.db")
    await here.purge(0)
    other = sqlite3.connect(tmp_path / "conversations.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    asked = await asyncio.gather(*(here.read("A" * 32) for _ in range(9)), return_exceptions=True)
    assert {str(each) for each in asked} == {"database is locked", "all connections were in use for 0.1 s"}
    other.close()
    assert await here.read("A" * 32) is None
    await here.close()


async def test_only_the_owner_can_read_the_database_file_and_deleted_messages_leave_it(tmp_path: Path) -> None:
    path = tmp_path / "conversations.db"
    umask = os.umask(0)
    try:
        async with replica(f"sqlite:///{path}") as here:
            assert path.stat().st_mode & 0o777 == 0o600
            live = await here.open(None)
            assert live.id is not None
            await goes_on(live, state("my secret word", "I will forget it."))
            assert b"secret word" in path.read_bytes()
            await here.delete(live.id)
            assert b"secret" not in path.read_bytes()
            assert b"forget" not in path.read_bytes()
            assert os.listdir(tmp_path) == ["conversations.db"]
    finally:
        os.umask(umask)


async def test_disabled_storage_writes_no_file_and_gives_sessions_no_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    off = Conversations(config.load(keep_conversations=False))
    await off.start()
    live = await off.open("A" * 32)
    await goes_on(live, state(ONE))
    live.end()
    assert (live.id, live.history, live.notice) == (None, (), None)
    assert await off.read("A" * 32) is None
    await off.delete("A" * 32)
    await off.close()
    assert (off.health.kind, off.health.ready) == ("off", False)
    assert os.listdir(tmp_path) == []


async def test_a_read_cancelled_just_before_closing_leaves_no_connection_open(tmp_path: Path) -> None:
    path = tmp_path / "conversations.db"
    kept = Conversations(config.load(database_url=f"sqlite:///{path}"))
    await kept.start()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    asking = asyncio.create_task(kept.read("A" * 32))
    await asyncio.sleep(0.05)  # Waiting for the lock has no event.
    asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled()
    await kept.close()
    other.close()
    assert descriptors(path) == 0
    del kept, asking
    gc.collect()  # A connection that was not closed causes a warning, which fails the test, too.


async def test_a_connection_in_use_while_the_database_file_is_recreated_is_closed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCKED_S", 0.5)
    path = tmp_path / "conversations.db"
    here = database.Database(f"sqlite:///{path}")
    await here.purge(0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(database.StoreError):
        await here.purge(0)  # From here on, the next use checks the file again.
    asking = asyncio.create_task(here.purge(0))
    await asyncio.sleep(0.2)  # Waiting for the lock has no event.
    path.unlink()
    assert await here.purge(0) == 0, "the new file is used"
    with pytest.raises(database.StoreError):
        await asking
    await asyncio.gather(*(here.purge(0) for _ in range(2)))
    other.execute("COMMIT")
    other.close()
    await here.close()
    gc.collect()
    with sqlite3.connect(path) as opened:
        assert opened.execute("SELECT count(*) FROM messages").fetchone() == (0,)
    opened.close()
