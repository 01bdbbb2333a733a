"""The schema of a database is migrated to the version of the program, at once for all servers, or stays as it was."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Column, Integer, MetaData, Table, inspect

from tests.support.paths import PROJECT
from tests.support.replica import goes_on, replica, state, stored_history, talk
from tests.support.schema import connected, differences, later_program, rows, run, schema_version
from voicebot.check.findings import check_database
from voicebot.check.results import Outcome
from voicebot.settings import config
from voicebot.storage import conversations, database, schema
from voicebot.storage.conversations import UNREACHABLE, Conversations
from voicebot.storage.database import Database
from voicebot.storage.migrations import new, version
from voicebot.storage.tables import metadata

NEWEST = version.known_versions()[-1]
LATER = f"{int(NEWEST) + 1:04}"

ADDS_A_TABLE = """
op.create_table("later_table", sa.Column("id", sa.String(8), primary_key=True))
"""

REPLACES_CONVERSATIONS = """
with op.batch_alter_table("conversations") as conversations:
    conversations.alter_column("owner", existing_type=sa.String(64), type_=sa.String(80))
    conversations.add_column(sa.Column("later_column", sa.String(8), nullable=False, server_default="en"))
"""
"""SQLite can't change a column, so Alembic copies the table, drops it and renames the copy."""

DELETES_MESSAGES = """
op.execute("DELETE FROM messages")
"""

SLOW = """
sqlite = op.get_bind().dialect.name == "sqlite"
numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT max(i) FROM n"
op.execute(numbers if sqlite else "SELECT pg_sleep(1)")
"""

KILLS_ITS_PROCESS = """
op.execute(f"UPDATE messages SET text = '{'x' * 9_000_000}'")  # more than SQLite holds in memory before the commit
os.kill(os.getpid(), signal.SIGKILL)
"""

BEFORE_VERSIONS = (
    "CREATE TABLE conversations (id VARCHAR(64) NOT NULL, owner VARCHAR(64) NOT NULL, updated_at {double} NOT NULL,"
    " PRIMARY KEY (id))",
    "CREATE TABLE messages (conversation VARCHAR(64) NOT NULL, position INTEGER NOT NULL, role VARCHAR(16) NOT NULL,"
    " text TEXT NOT NULL, interrupted BOOLEAN NOT NULL, PRIMARY KEY (conversation, position),"
    " FOREIGN KEY(conversation) REFERENCES conversations (id) ON DELETE CASCADE)",
    "CREATE INDEX conversations_by_age ON conversations (updated_at)",
    "INSERT INTO conversations VALUES ('A234567890123456789012', 'owner', 1000000)",
    "INSERT INTO messages VALUES ('A234567890123456789012', 0, 'user', 'tell me a joke', FALSE)",
)
"""Makes a database from before version 0001, when it had no tables of imports and turns, with a conversation."""

TALK = ("tell me a joke", "A horse walks into a bar.")

Runs = Callable[..., None]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Makes this process a program with later migrations, which have these bodies."""
    present, places = version.FOLDER, iter(range(9))

    def replace(*bodies: str) -> None:
        monkeypatch.setattr(version, "FOLDER", present)
        monkeypatch.setattr(version, "FOLDER", later_program(tmp_path / f"program {next(places)}", *bodies))

    return replace


def contents(url: str) -> tuple[object, ...]:
    """Returns the names of all tables and the rows of those with conversations."""
    with connected(url) as connection:
        names = sorted(inspect(connection).get_table_names())
    return (names, *(rows(url, f"SELECT * FROM {name} ORDER BY 1, 2") for name in ("conversations", "messages")))


async def stored_conversation(url: str, *turns: str) -> str:
    async with replica(url) as here:
        live = await here.open(None)
        await goes_on(live, state(*turns))
        assert live.id is not None
        return live.id


async def exit_code(program: str) -> int:
    """Runs a program in a process of its own."""
    running = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=PROJECT)
    return await running.wait()


async def until_ready(here: Conversations) -> None:
    async with asyncio.timeout(20):
        while not here.health.ready:  # noqa: ASYNC110 (it has no event)
            await asyncio.sleep(0.02)


# The tables -----------------------------------------------------------------------------------------------------------


async def test_a_new_database_gets_the_newest_version_with_the_tables_of_the_code(url: str) -> None:
    async with replica(url):
        pass
    assert schema_version(url) == NEWEST
    assert differences(url, metadata) == []


async def test_tables_and_columns_without_a_migration_are_noticed(url: str) -> None:
    async with replica(url):
        pass
    changed = MetaData()
    for table in metadata.sorted_tables:
        table.to_metadata(changed)
    changed.tables["conversations"].append_column(Column("later_column", Integer))
    Table("later_table", changed, Column("id", Integer))
    assert {difference[0] for difference in differences(url, changed)} == {"add_table", "add_column"}


async def test_a_new_migration_is_written_from_the_difference_to_the_tables(url: str, runs: Runs) -> None:
    runs()
    assert new.write_migration("nothing", metadata) is None
    changed = MetaData()
    for table in metadata.sorted_tables:
        table.to_metadata(changed)
    changed.tables["conversations"].append_column(Column("later_column", Integer))
    Table("later_table", changed, Column("id", Integer, primary_key=True))
    path = new.write_migration("add a table, and a column", changed)
    assert path is not None
    assert path.name == f"{LATER}_add_a_table_and_a_column.py"
    async with replica(url):
        pass
    assert schema_version(url) == LATER
    assert differences(url, changed) == []


# Upgrades -------------------------------------------------------------------------------------------------------------


async def test_a_database_from_before_versions_is_adopted_with_its_conversations(url: str) -> None:
    run(url, *BEFORE_VERSIONS, double="DOUBLE" if "sqlite" in url else "DOUBLE PRECISION")
    async with replica(url, lambda: 1_000_000.0) as here:
        assert await stored_history(here, "A234567890123456789012") == talk("tell me a joke")
        assert await here.count_turns(1, 1) == 1
    assert schema_version(url) == NEWEST
    assert differences(url, metadata) == []


async def test_servers_that_start_at_once_migrate_once_and_find_every_conversation(
    url: str, runs: Runs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database, "LOCKED_S", 20.0)  # The servers wait for one another, however slow the disk is.
    id = await stored_conversation(url, *TALK)
    runs(ADDS_A_TABLE, REPLACES_CONVERSATIONS)
    caplog.set_level(logging.INFO)
    servers = [Database(url) for _ in range(4)]
    try:
        assert await asyncio.gather(*(stored_history(each, id) for each in servers)) == [talk(*TALK)] * 4
    finally:
        for each in servers:
            await each.close()
    assert schema_version(url) == f"{int(NEWEST) + 2:04}"
    began = f"going to migrate the database from version {NEWEST} to {int(NEWEST) + 2:04}"
    assert [record.getMessage() for record in caplog.records if "migrate" in record.getMessage()] == [began]


async def test_a_server_of_the_version_before_goes_on_while_a_new_one_migrates(url: str, runs: Runs) -> None:
    async with replica(url) as old:
        live = await old.open(None)
        await goes_on(live, state(*TALK))
        runs(ADDS_A_TABLE)
        async with replica(url) as new_one:
            assert schema_version(url) == LATER
            await goes_on(live, state(*TALK, "and then?"))
            assert live.id is not None
            assert await stored_history(new_one, live.id) == talk(*TALK, "and then?")


async def test_no_message_is_lost_when_sqlite_replaces_the_table_of_conversations(url: str, runs: Runs) -> None:
    id = await stored_conversation(url, *TALK)
    runs(ADDS_A_TABLE, REPLACES_CONVERSATIONS)
    async with replica(url) as here:
        assert await stored_history(here, id) == talk(*TALK)
        assert rows(url, "SELECT later_column FROM conversations") == [("en",)]
        await here.delete(id)
        assert rows(url, "SELECT * FROM messages") == [], "foreign keys are enforced again"


async def test_a_migration_goes_on_when_the_operation_that_waits_for_it_gives_up(
    url: str, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await stored_conversation(url, *TALK)
    runs(SLOW, ADDS_A_TABLE)
    monkeypatch.setattr(conversations, "RETRY_S", 0.05)
    monkeypatch.setattr(conversations, "WRITE_TIMEOUT_S", 0.1)
    async with replica(url) as here:
        async with asyncio.timeout(10):
            while here.health.reason != "the database is being migrated":  # noqa: ASYNC110 (it has no event)
                await asyncio.sleep(0.02)
        await until_ready(here)
        monkeypatch.setattr(conversations, "READ_TIMEOUT_S", 10)
        assert await stored_history(here, id) == talk(*TALK)


async def test_an_up_to_date_database_is_used_without_loading_alembic(url: str) -> None:
    id = await stored_conversation(url, *TALK)
    program = f"""
import asyncio, sys
from voicebot.storage.database import Database
async def main():
    database = Database({url!r})
    assert len((await database.read({id!r})).history) == 2
    await database.close()
    sys.exit("alembic" in sys.modules)
asyncio.run(main())
"""
    assert await exit_code(program) == 0


# Databases that stay as they are --------------------------------------------------------------------------------------


async def test_a_database_of_a_later_version_is_refused_and_left_as_it_is(
    url: str, runs: Runs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(conversations, "RETRY_S", 0.05)
    runs(ADDS_A_TABLE)
    id = await stored_conversation(url, *TALK)
    monkeypatch.undo()
    monkeypatch.setattr(conversations, "RETRY_S", 0.05)
    before = contents(url)
    async with replica(url) as here:
        live = await here.open(id)
        assert live.notice == UNREACHABLE
        await goes_on(live, state("hello"))
        reason = (
            f"the database has schema version {LATER}, but this program knows only versions up to {NEWEST}."
            " Update the program, or set another DATABASE_URL"
        )
        assert here.health.reason == reason
        finding = await check_database(config.load(database_url=SecretStr(url)))
        assert finding is not None
        assert (finding.outcome, finding.text) == (Outcome.FAILED, reason)
        assert finding.advice == "Do that, or set KEEP_CONVERSATIONS=false."
        errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert errors == [f"conversations cannot be stored now: {reason}"]
        assert contents(url) == before
        runs(ADDS_A_TABLE)
        await until_ready(here)
        assert await stored_history(here, id) == talk(*TALK)


@pytest.mark.parametrize("fault", ['op.execute("UPDATE nowhere SET x = 1")', "raise KeyError(5)"])
async def test_a_migration_that_fails_changes_nothing_and_is_tried_again_later(
    url: str, runs: Runs, fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(conversations, "RETRY_S", 0.05)
    id = await stored_conversation(url, *TALK)
    before = contents(url)
    tries = f'with open({str(tmp_path / "tries")!r}, "a") as tries:\n    tries.write("x")\n'
    runs(ADDS_A_TABLE, DELETES_MESSAGES + REPLACES_CONVERSATIONS + tries + fault)
    async with replica(url) as here:
        began = f"cannot migrate the database from version {NEWEST} to {int(NEWEST) + 2:04}: "
        assert str(here.health.reason).startswith(began)
        assert ("nowhere" if "nowhere" in fault else "5") in str(here.health.reason)
        live = await here.open(id)
        assert live.notice == UNREACHABLE
        await goes_on(live, state("hello"))
        assert contents(url) == before
        assert schema_version(url) == NEWEST
        assert (tmp_path / "tries").read_text() == "x", "it does not lock the tables again and again"
        runs(ADDS_A_TABLE)
        monkeypatch.setattr(schema, "MIGRATION_RETRY_S", 0)
    async with replica(url) as here:
        assert await stored_history(here, id) == talk(*TALK)


async def test_a_migration_that_would_leave_messages_without_a_conversation_fails(url: str, runs: Runs) -> None:
    id = await stored_conversation(url, *TALK)
    runs('op.execute("DELETE FROM conversations")')
    async with replica(url) as here:
        if "sqlite" in url:
            assert "rows of messages would refer to missing rows of conversations" in str(here.health.reason)
            assert rows(url, "SELECT id FROM conversations") == [(id,)]
        else:
            assert rows(url, "SELECT * FROM messages") == [], "Postgres has deleted them too"


async def test_a_process_killed_during_a_migration_leaves_the_database_usable(url: str, runs: Runs) -> None:
    id = await stored_conversation(url, *TALK)
    before = contents(url)
    runs(ADDS_A_TABLE, REPLACES_CONVERSATIONS, KILLS_ITS_PROCESS)
    program = f"""
import asyncio
from pathlib import Path
from voicebot.storage.migrations import version
from voicebot.storage.database import Database
version.FOLDER = Path({str(version.FOLDER)!r})
asyncio.run(Database({url!r}).read("A"))
"""
    assert await exit_code(program) == -signal.SIGKILL
    assert contents(url) == before
    runs(ADDS_A_TABLE)
    async with replica(url) as here:
        assert await stored_history(here, id) == talk(*TALK)
    assert schema_version(url) == LATER


async def test_a_server_that_ends_during_a_migration_rolls_it_back(
    url: str, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stored_conversation(url, *TALK)
    before = contents(url)
    runs(ADDS_A_TABLE, SLOW)
    monkeypatch.setattr(database, "LOCKED_S", 0.1)
    here = Database(url)
    reading = asyncio.create_task(here.read("A"))
    async with asyncio.timeout(10):
        while not here.migrating:  # noqa: ASYNC110 (it has no event)
            await asyncio.sleep(0)
    await here.close()
    with pytest.raises(database.StoreError, match="closed"):
        await reading
    assert contents(url) == before


async def test_the_check_does_not_migrate_a_database_whose_server_may_still_run(url: str, runs: Runs) -> None:
    await stored_conversation(url, *TALK)
    runs(ADDS_A_TABLE)
    finding = await check_database(config.load(database_url=SecretStr(url)))
    assert finding is not None
    assert (finding.outcome, finding.text) == (Outcome.OK, f"the app will migrate the schema from version {NEWEST}")
    assert schema_version(url) == NEWEST
