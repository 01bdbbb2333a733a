"""The tool calls of a conversation are stored with its messages, and their ends reach whichever session it has."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.support.replica import goes_on, replica, state, talk
from tests.support.schema import rows
from tests.support.transcripts import transcript
from voicebot.dialogue.events import ToolCallEnded
from voicebot.dialogue.state import State
from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.recording.transcript_import import read_import
from voicebot.runtime import limits
from voicebot.settings import config
from voicebot.storage import database
from voicebot.storage.conversation import StoredConversation
from voicebot.storage.conversations import LOST, Conversations
from voicebot.storage.database import Database
from voicebot.storage.record import ConversationRecord

ASKED = talk("a pizza please", "Just a moment.", "and a beer")
PIZZA = CallRecord("call_1", "order_pizza", '{"count": 1}', position=1)
BEER = CallRecord("call_2", "order_beer", "{}", position=3)
PIZZA_DONE = replace(PIZZA, status=CallStatus.DONE, result="It comes in 20 minutes.")
ENDED = ToolCallEnded(PIZZA.id, CallStatus.DONE, PIZZA_DONE.result)


class Session:
    """Remembers the ends of calls that it is told, unless it is `ending`."""

    def __init__(self, *, ending: bool = False) -> None:
        self.ending = ending
        self.told: list[ToolCallEnded] = []

    def conversation_taken_over(self) -> None:
        self.ending = True

    def call_ended(self, ended: ToolCallEnded) -> bool:
        if not self.ending:
            self.told.append(ended)
        return not self.ending


def with_calls(*calls: CallRecord) -> State:
    return State(history=ASKED, calls=calls)


async def stored_calls(store: Conversations, conversation: StoredConversation) -> tuple[CallRecord, ...]:
    assert conversation.id is not None
    record = await store.read(conversation.id)
    return () if record is None else record.calls


async def end(conversation: StoredConversation) -> None:
    conversation.end()
    if conversation.writer is not None:
        await conversation.writer


# What is stored -------------------------------------------------------------------------------------------------------


async def test_another_server_goes_on_with_the_calls_of_a_conversation(url: str) -> None:
    not_confirmed = replace(BEER, status=CallStatus.NOT_CONFIRMED, result="uh-huh", reported=True)
    async with replica(url) as here, replica(url) as there:
        first = await here.open(None)
        await goes_on(first, with_calls(PIZZA_DONE, not_confirmed))
        await end(first)
        again = await there.open(first.id)
        assert (again.history, again.calls) == (ASKED, (PIZZA_DONE, not_confirmed))


async def test_the_stored_calls_follow_every_change(url: str) -> None:
    async with replica(url) as here:
        conversation = await here.open(None)
        conversation.call_begun(PIZZA.id)
        conversation.call_begun(BEER.id)
        steps = [
            (PIZZA,),
            (PIZZA, BEER),
            (PIZZA_DONE, BEER),
            (replace(PIZZA_DONE, reported=True), BEER),
            (replace(BEER, position=1),),
            (),
            (BEER,),
        ]
        for calls in steps:
            await goes_on(conversation, with_calls(*calls))
            assert await stored_calls(here, conversation) == calls
        await goes_on(conversation, State())
        assert await stored_calls(here, conversation) == (), "the conversation was cleared"


async def test_a_change_of_calls_writes_no_message_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []
    save = Database.save

    async def noted(self: Database, id: str, owner: str, now_s: float, *last: Any, new: bool = False) -> bool:
        written.append([None if tail is None else (tail.start, tuple(tail.items)) for tail in last[:2]])
        return await save(self, id, owner, now_s, *last, new=new)

    monkeypatch.setattr(Database, "save", noted)
    async with replica(url) as here:
        conversation = await here.open(None)
        for calls in ((), (PIZZA, BEER), (PIZZA, BEER), (PIZZA, replace(BEER, reported=True))):
            await goes_on(conversation, with_calls(*calls))
    assert written == [
        [(0, ASKED), None],
        [(3, ()), (0, (PIZZA, BEER))],
        [(3, ()), (1, (replace(BEER, reported=True),))],
    ]


async def test_calls_are_deleted_with_their_conversation(url: str) -> None:
    long_ago_s = 1_000_000.0
    async with replica(url) as here, replica(url, lambda: long_ago_s) as then:
        deleted, old = await here.open(None), await then.open(None)
        for conversation in (deleted, old):
            await goes_on(conversation, with_calls(PIZZA_DONE, BEER))
        assert len(rows(url, "SELECT * FROM calls")) == 4
        assert deleted.id is not None
        await here.delete(deleted.id)
        assert rows(url, "SELECT DISTINCT conversation FROM calls") == [(old.id,)]
        await here.purge()
        assert rows(url, "SELECT * FROM calls") == []


async def test_calls_count_for_the_size_of_the_database(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with replica(url) as here:
        large = replace(PIZZA_DONE, result="".join(chr(0x4E00 + number % 20_000) for number in range(100_000)))
        first, second = await here.open(None), await here.open(None)
        await goes_on(first, with_calls(large))
        await goes_on(second, with_calls(PIZZA_DONE))
        monkeypatch.setattr("voicebot.storage.conversations.MAX_DATABASE_BYTES", 200_000)
        await here.purge()
        assert await stored_calls(here, first) == ()
        assert await stored_calls(here, second) == (PIZZA_DONE,)


async def test_only_the_newest_calls_of_very_many_are_stored(url: str) -> None:
    calls = [CallRecord(f"call_{number}", "order", "{}", CallStatus.DONE, "x" * 1_000) for number in range(600)]
    async with replica(url) as here:
        conversation = await here.open(None)
        await goes_on(conversation, with_calls(*calls))
        kept = await stored_calls(here, conversation)
    assert kept == tuple(calls[-len(kept) :])
    assert 0.9 * limits.MAX_STORED_CALLS_BYTES < 1_200 * len(kept) <= limits.MAX_STORED_CALLS_BYTES


async def test_calls_move_with_the_messages_that_are_left_of_a_long_conversation(url: str) -> None:
    history = talk(*(f"{number} " + "word " * 20_000 for number in range(24)))
    told = replace(PIZZA_DONE, reported=True)
    calls = (told, replace(PIZZA_DONE, id="untold"), replace(told, id="late", position=23))
    async with replica(url) as here:
        conversation = await here.open(None)
        await goes_on(conversation, State(history=history, calls=calls))
        again = await here.open(conversation.id)
    dropped = len(history) - len(again.history)
    assert 1 < dropped < 23, "the case is not the one that is meant"
    assert again.calls == (replace(calls[1], position=0), replace(calls[2], position=23 - dropped))


async def test_texts_that_a_database_cannot_hold_are_replaced(url: str) -> None:
    strange = CallRecord("id\0" + "x" * 300, "to\ud800ol", '{"a": "\0"}', CallStatus.FAILED, "\0\ud800")
    async with replica(url) as here:
        conversation = await here.open(None)
        await goes_on(conversation, with_calls(strange))
        (kept,) = await stored_calls(here, conversation)
    assert kept.id == "id\N{REPLACEMENT CHARACTER}" + "x" * 300
    assert (kept.tool, kept.result) == ("to?ol", "\N{REPLACEMENT CHARACTER}?")


async def test_an_imported_conversation_has_no_calls(url: str) -> None:
    """A stranger's file must not make the model believe that a tool has run."""
    content = transcript(calls=[asdict(PIZZA_DONE)], messages=[{"role": "user", "text": "hello", **asdict(BEER)}])
    _, imported = read_import(content)
    async with replica(url) as here:
        id = await here.put(imported, "10.0.0.1")
        assert id is not None
        assert await here.read(id) == ConversationRecord(talk("hello"))
        opened = await here.open(id)
        assert (opened.history, opened.calls) == (talk("hello"), ())


# Calls that run when their session ends -------------------------------------------------------------------------------


async def test_a_call_that_was_running_when_its_process_ended_is_unknown_in_the_next_session(url: str) -> None:
    async with replica(url) as here:
        conversation = await here.open(None)
        conversation.call_begun(PIZZA.id)
        await goes_on(conversation, with_calls(PIZZA, replace(BEER, status=CallStatus.DONE)))
        assert await stored_calls(here, conversation) == (PIZZA, replace(BEER, status=CallStatus.DONE))
    lost = replace(PIZZA, status=CallStatus.UNKNOWN, result=LOST)
    async with replica(url) as restarted:
        assert await stored_calls(restarted, conversation) == (lost, replace(BEER, status=CallStatus.DONE))
        again = await restarted.open(conversation.id)
        assert again.calls == (lost, replace(BEER, status=CallStatus.DONE))


async def test_the_end_of_a_call_is_told_to_its_own_session_and_not_written_twice(url: str) -> None:
    async with replica(url) as here:
        conversation = await here.open(None)
        conversation.participant = session = Session()
        conversation.call_begun(PIZZA.id)
        await goes_on(conversation, with_calls(PIZZA))
        await conversation.call_ended(ENDED)
        assert session.told == [ENDED]
        assert rows(url, "SELECT status FROM calls") == [("running",)], "the session itself stores what becomes of it"


async def test_the_end_of_a_call_is_told_to_the_session_that_has_gone_on_with_the_conversation(url: str) -> None:
    async with replica(url) as here:
        first = await here.open(None)
        first.participant = Session()
        first.call_begun(PIZZA.id)
        await goes_on(first, with_calls(PIZZA))
        second = await here.open(first.id)
        assert second.calls == (PIZZA,), "this process works on it"
        second.participant = session = Session()
        await first.call_ended(ENDED)
        assert session.told == [ENDED]
        assert first.participant.told == []


@pytest.mark.parametrize("leaving", [False, True], ids=["session over", "session ending"])
async def test_the_end_of_a_call_is_stored_if_no_session_can_be_told(url: str, leaving: bool) -> None:
    async with replica(url) as here:
        conversation = await here.open(None)
        conversation.participant = Session(ending=leaving)
        conversation.call_begun(PIZZA.id)
        conversation.keep(with_calls(PIZZA, BEER), at_once=True)
        if not leaving:
            conversation.end()  # and the begin of the call may not be written yet
        await conversation.call_ended(ENDED)
        if conversation.writer is not None and not leaving:
            await conversation.writer
        again = await here.open(conversation.id)
        assert again.calls[0] == PIZZA_DONE
        assert again.calls[1].status is CallStatus.UNKNOWN, "nobody works on the other one"


async def test_a_session_that_begins_while_the_end_of_a_call_is_stored_learns_of_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storing, go_on = asyncio.Event(), asyncio.Event()
    end_call = Database.end_call

    async def slow(self: Database, id: str, ended: ToolCallEnded) -> None:
        storing.set()
        await go_on.wait()
        await end_call(self, id, ended)

    monkeypatch.setattr(Database, "end_call", slow)
    async with replica(url) as here:
        first = await here.open(None)
        first.call_begun(PIZZA.id)
        await goes_on(first, with_calls(PIZZA))
        await end(first)
        ending = asyncio.create_task(first.call_ended(ENDED))
        await storing.wait()
        second = await here.open(first.id)
        assert second.calls == (PIZZA,)
        go_on.set()
        await ending
        assert second.calls == (PIZZA_DONE,), "its session has not begun yet, and begins with this"


async def test_an_end_that_is_stored_while_a_session_reads_its_calls_is_not_taken_for_lost(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, go_on = asyncio.Event(), asyncio.Event()
    take = Database.take

    async def slow(self: Database, *args: Any) -> Any:
        record = await take(self, *args)
        read.set()
        await go_on.wait()
        return record

    async with replica(url) as here:
        first = await here.open(None)
        first.call_begun(PIZZA.id)
        await goes_on(first, with_calls(PIZZA))
        await end(first)
        monkeypatch.setattr(Database, "take", slow)
        opening = asyncio.create_task(here.open(first.id))
        await read.wait()
        await first.call_ended(ENDED)
        go_on.set()
        assert (await opening).calls == (PIZZA_DONE,)


async def test_only_the_end_of_an_open_call_is_stored(url: str) -> None:
    failed = replace(BEER, status=CallStatus.FAILED, result="no beer", reported=True)
    unknown = replace(PIZZA, status=CallStatus.UNKNOWN, result=LOST, reported=True)
    async with replica(url) as here:
        conversation = await here.open(None)
        await goes_on(conversation, with_calls(unknown, failed))
        await end(conversation)
        for call in (unknown, failed):
            await conversation.call_ended(ToolCallEnded(call.id, CallStatus.DONE, PIZZA_DONE.result))
        await conversation.call_ended(ToolCallEnded("never begun", CallStatus.DONE, ""))
        assert await stored_calls(here, conversation) == (PIZZA_DONE, failed), (
            "the user has not been told of the new end"
        )


async def test_the_end_of_a_call_of_a_deleted_conversation_is_forgotten(url: str) -> None:
    async with replica(url) as here:
        conversation = await here.open(None)
        conversation.call_begun(PIZZA.id)
        await goes_on(conversation, with_calls(PIZZA))
        assert conversation.id is not None
        await here.delete(conversation.id)
        await conversation.call_ended(ENDED)
        assert rows(url, "SELECT * FROM calls") == []


async def test_a_conversation_whose_calls_cannot_be_read_again_still_opens(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_: AsyncConnection, id: str) -> tuple[CallRecord, ...]:
        raise OSError("the disk is gone")

    async with replica(url) as here:
        conversation = await here.open(None)
        await goes_on(conversation, with_calls(PIZZA))
    async with replica(url) as restarted:
        take = Database.take

        async def then_fails(self: Database, *args: Any) -> Any:
            record = await take(self, *args)
            monkeypatch.setattr(database, "_calls_of", fails)
            return record

        monkeypatch.setattr(Database, "take", then_fails)
        again = await restarted.open(conversation.id)
        assert (again.history, again.notice) == (ASKED, None)
        assert again.calls == (replace(PIZZA, status=CallStatus.UNKNOWN, result=LOST),)
        monkeypatch.undo()


# Without a database ---------------------------------------------------------------------------------------------------


async def test_without_a_database_calls_last_as_long_as_their_session() -> None:
    here = Conversations(config.load(keep_conversations=False))
    await here.start()
    conversation = await here.open(None)
    conversation.participant = session = Session()
    conversation.call_begun(PIZZA.id)
    await goes_on(conversation, state("a pizza please"))
    await conversation.call_ended(ENDED)
    assert session.told == [ENDED]
    conversation.end()
    await conversation.call_ended(ENDED)
    assert session.told == [ENDED]
    again = await here.open(None)
    assert (again.history, again.calls) == ((), ())
    await here.close()
