"""A session that has given up opening its conversation takes it from no other session."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.support.replica import goes_on, replica, state, stored_history, talk
from voicebot.dialogue.events import ToolCallEnded
from voicebot.dialogue.history import History
from voicebot.storage import conversations, database
from voicebot.storage.conversations import UNREACHABLE
from voicebot.storage.database import Database
from voicebot.storage.record import ConversationRecord

ONE, TWO = "tell me a joke", "A horse walks into a bar."


class Session:
    """Counts how often its conversation was taken over."""

    def __init__(self) -> None:
        self.ended = 0

    def conversation_taken_over(self) -> None:
        self.ended += 1

    def call_ended(self, ended: ToolCallEnded) -> bool:
        raise NotImplementedError


@pytest.mark.parametrize("same_server", [True, False])
async def test_opening_a_conversation_that_times_out_in_sqlite_ends_no_live_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same_server: bool
) -> None:
    monkeypatch.setattr(conversations, "READ_TIMEOUT_S", 0.2)
    monkeypatch.setattr(database, "LOCKED_S", 5.0)
    path = tmp_path / "conversations.db"
    async with replica(f"sqlite:///{path}") as here, replica(f"sqlite:///{path}") as there:
        older = await here.open(None)
        older.participant = session = Session()
        await goes_on(older, state(ONE, TWO))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        newcomer = here if same_server else there
        refused = await newcomer.open(older.id)
        assert (refused.notice, refused.history) == (UNREACHABLE, ())
        assert refused.id != older.id
        other.execute("COMMIT")
        other.close()
        await newcomer.settle()
        assert session.ended == 0
        await goes_on(older, state(ONE, TWO, "and more"))
        assert older.id is not None
        assert await stored_history(there, older.id) == talk(ONE, TWO, "and more")
        newer = await here.open(older.id)
        assert newer.history == talk(ONE, TWO, "and more")
        assert session.ended == 1


async def test_a_client_that_leaves_while_its_conversation_opens_ends_no_live_session(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go_on = asyncio.Event(), asyncio.Event()
    history_of = database.history_of

    async def slow(connection: AsyncConnection, id: str) -> History:
        reading.set()
        await go_on.wait()
        return await history_of(connection, id)

    async with replica(url) as here:
        older = await here.open(None)
        older.participant = session = Session()
        await goes_on(older, state(ONE, TWO))
        with monkeypatch.context() as patch:
            patch.setattr(database, "history_of", slow)
            opening = asyncio.create_task(here.open(older.id))
            await reading.wait()
            opening.cancel()
            await asyncio.wait({opening})
            go_on.set()
            await here.settle()
        await goes_on(older, state(ONE, TWO, "and more"))
        assert older.id is not None
        assert await stored_history(here, older.id) == talk(ONE, TWO, "and more")
        assert session.ended == 0


async def test_opening_a_conversation_waits_past_the_time_limit_for_a_commit_that_has_begun(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit cannot be undone. Giving up now would leave the conversation with a session that does not exist."""
    monkeypatch.setattr(conversations, "READ_TIMEOUT_S", 0.2)
    take = Database.take

    async def slow_commit(self: Database, *args: Any) -> ConversationRecord | None:
        record = await take(self, *args)
        await asyncio.sleep(0.5)  # This is longer than the time limit, whose end has no event.
        return record

    async with replica(url) as here:
        older = await here.open(None)
        await goes_on(older, state(ONE, TWO))
        monkeypatch.setattr(Database, "take", slow_commit)
        newer = await here.open(older.id)
        assert (newer.id, newer.history, newer.notice) == (older.id, talk(ONE, TWO), None)
