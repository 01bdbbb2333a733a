"""The limits on the size of the database and of one conversation, and a database file that shrinks again."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from tests.support.incompressible import incompressible
from tests.support.replica import goes_on, replica, state, stored_history, talk
from voicebot.dialogue.events import ToolCallEnded
from voicebot.dialogue.history import Message, Role
from voicebot.dialogue.state import State
from voicebot.runtime import limits
from voicebot.storage import conversation as module
from voicebot.storage import conversations, database
from voicebot.storage.conversation import StoredConversation
from voicebot.storage.conversations import Conversations
from voicebot.storage.imports import pack
from voicebot.storage.record import Tail, message_bytes

MEGABYTE = 1_000_000


TEXTS = [incompressible(68_000)[0].text for _ in range(60)]


def texts(count: int) -> State:
    """Returns the messages of a conversation of this length, each of 90 kB that no database can compress."""
    return state(*TEXTS[:count])


async def conversation(here: Conversations, said: State) -> str:
    live = await here.open(None)
    await goes_on(live, said)
    live.end()
    assert live.id is not None
    return live.id


# The whole database ---------------------------------------------------------------------------------------------------


async def test_a_database_over_its_cap_deletes_imports_and_least_recently_used_conversations(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(conversations, "MAX_DATABASE_BYTES", 4 * MEGABYTE)
    now_s = 1_000_000.0
    async with replica(url, lambda: now_s) as here:
        ids = []
        for _ in range(30):
            now_s += 1
            ids.append(await conversation(here, texts(2)))
        now_s += 1
        again = await here.open(ids[0])
        unused = await here.put(pack(incompressible(50_000)), "10.0.0.1")
        caplog.set_level(logging.INFO)
        async with replica(url, lambda: now_s) as there:
            assert again.id == ids[0]
            left = [await there.read(id) is not None for id in ids]
            assert unused is not None
            assert await there.read(unused) is None
    assert left[0], "the conversation was used a moment ago"
    assert left[-10:] == [True] * 10
    assert left[1:11] == [False] * 10
    assert sorted(left[1:]) == left[1:], "the older conversations are deleted"
    (message,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    gone = len(left) - sum(left)
    assert message == (
        f"the database was larger than 4 MB: 1 unused imports and the {gone} least recently used conversations were"
        " deleted"
    )


async def test_a_database_over_its_cap_deletes_no_conversation_if_unused_imports_suffice(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replica(url) as here:
        id = await conversation(here, texts(20))
        unused = [await here.put(pack(incompressible(150_000)), f"10.0.0.{number}") for number in range(4)]
        monkeypatch.setattr(conversations, "MAX_DATABASE_BYTES", 2 * MEGABYTE)
        async with replica(url) as there:
            assert await there.read(id) is not None
            for each in unused:
                assert each is not None
                assert await there.read(each) is None


async def test_the_database_size_is_checked_again_after_many_bytes_were_written(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "RETRY_S", 0.01)
    monkeypatch.setattr(conversations, "WRITTEN_BYTES", 4 * MEGABYTE)
    monkeypatch.setattr(conversations, "MAX_DATABASE_BYTES", 3 * MEGABYTE)
    async with replica(url) as here:
        ids = [await conversation(here, texts(10)) for _ in range(6)]
        async with asyncio.timeout(20):
            while await stored_history(here, ids[0]) is not None:  # noqa: ASYNC110 (it has no event)
                await asyncio.sleep(0.05)
        assert await here.read(ids[-1]) is not None


# The file -------------------------------------------------------------------------------------------------------------


async def test_the_database_file_shrinks_soon_after_many_conversations_were_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "RETRY_S", 0.01)
    path = tmp_path / "conversations.db"
    async with replica(f"sqlite:///{path}") as here:
        kept = await conversation(here, state("hello", "Hi."))
        before = path.stat().st_size
        many = [await conversation(here, texts(20)) for _ in range(6)]
        assert path.stat().st_size > 10 * MEGABYTE
        for id in many:
            await here.delete(id)
        async with asyncio.timeout(20):
            while path.stat().st_size > before + 100_000:  # noqa: ASYNC110 (it has no event)
                await asyncio.sleep(0.05)
        assert await stored_history(here, kept) == talk("hello", "Hi.")


async def test_four_hundred_imports_grow_the_database_file_by_less_than_a_megabyte(tmp_path: Path) -> None:
    path = tmp_path / "conversations.db"
    imported = [pack(incompressible(size)) for size in (190_000, 120_000, 5_000, 20)]
    async with replica(f"sqlite:///{path}") as here:
        before = path.stat().st_size
        for number in range(400):
            await here.put(imported[number % 4], f"10.0.0.{number % 40}")
            assert path.stat().st_size < before + MEGABYTE


async def test_reads_take_turns_with_housekeeping_that_has_much_to_delete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PURGED_AT_ONCE", 1)
    monkeypatch.setattr(database, "FREED_PAGES_AT_ONCE", 10)
    here = database.Database(f"sqlite:///{tmp_path}/conversations.db")
    for number in range(20):
        await here.save(f"{number:022}", "owner", 1.0, Tail(0, texts(2).history), new=True)
    await here.save("A" * 22, "owner", 3.0, Tail(0, talk("hello")), new=True)
    waited = 0

    async def housekeeping() -> int:
        steps = 0
        while await here.purge(before_s=2.0):
            steps += 1
        while await here.shrink():
            steps += 1
        return steps

    running = asyncio.create_task(housekeeping())
    while not running.done():
        assert await stored_history(here, "A" * 22) == talk("hello")
        waited += 1
    assert running.result() > 100
    assert waited > running.result() / 2, "no read waits for more than a step or two"
    await here.close()


async def test_the_start_does_not_wait_for_all_that_has_to_be_deleted(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replica(url) as here:
        id = await conversation(here, state("hello"))
    may_end = asyncio.Event()

    async def purge(_: database.Database, before_s: float) -> int:
        await may_end.wait()
        return 0

    monkeypatch.setattr(database.Database, "purge", purge)
    monkeypatch.setattr(conversations, "START_TIMEOUT_S", 0.01)
    async with replica(url) as here:
        assert here.health.reason == "not asked yet", "the first housekeeping has not ended"
        assert await stored_history(here, id) == talk("hello")
        may_end.set()


# One conversation -----------------------------------------------------------------------------------------------------


async def test_only_the_newest_messages_of_a_very_long_conversation_are_stored(url: str) -> None:
    async with replica(url) as here:
        live = await here.open(None)
        assert live.id is not None
        for count in (10, 24, 40, 41, 60):
            await goes_on(live, texts(count))
            kept = await stored_history(here, live.id)
            whole = texts(count).history
            assert kept == whole[-len(kept or ()) :]
            assert limits.MAX_CONVERSATION_BYTES * 0.4 < message_bytes(kept or ()) <= limits.MAX_CONVERSATION_BYTES
        again = await here.open(live.id)
        assert again.history == kept


async def test_a_message_above_the_conversation_limit_is_cut_to_its_last_part(url: str) -> None:
    async with replica(url) as here:
        live = await here.open(None)
        assert live.id is not None
        await goes_on(live, State(history=(Message(Role.USER, "\N{PILE OF POO}" * 600_000 + "end"),)))
        (message,) = await stored_history(here, live.id) or ()
        assert len(message.text) == limits.MAX_CONVERSATION_BYTES // 4
        assert message.text.endswith("end")
        assert message_bytes([message]) <= limits.MAX_CONVERSATION_BYTES + limits.STORED_MESSAGE_BYTES


async def test_a_growing_message_is_written_at_a_limited_rate_and_completely_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STORED_BYTES_PER_S", 100_000)
    written: list[int] = []

    class MeasuringStore:
        async def save(self, _: object, last_messages: Tail[Message], *__: object, new: bool) -> bool:
            written.append(message_bytes(last_messages.items))
            return True

        def call_begun(self, _: StoredConversation, call: str) -> None:
            raise NotImplementedError

        async def call_ended(self, _: StoredConversation, ended: ToolCallEnded) -> None:
            raise NotImplementedError

        def conversation_ended(self, _: StoredConversation) -> None:
            pass

    live = StoredConversation("id", store=MeasuringStore())
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    text = ""
    while loop.time() < began_s + 0.5:
        text += "word " * 1_000
        live.keep(state(text), at_once=True)
        await asyncio.sleep(0.01)
    assert sum(written) < 100_000 * 0.5 + 2 * len(text)
    live.end()
    assert live.writer is not None
    await asyncio.wait_for(live.writer, 1)
    assert written[-1] > len(text), "the last state is always written"
