"""The words of a session are stored soon and not too often, and storing them never delays the session."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from tests.support.replica import state, talk
from tests.support.steps import taken
from voicebot.dialogue.events import TextEnded, ToolCallBegun, ToolCallEnded
from voicebot.dialogue.history import History, Message
from voicebot.dialogue.reply_state import UnfinishedReply
from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.storage import conversation as module
from voicebot.storage.conversation import StoredConversation
from voicebot.storage.database import StoreError
from voicebot.storage.record import Tail

ONE, TWO = "tell me a joke", "A horse walks into a bar and orders."
SOON_S = 0.05


class FakeStore:
    """Stores what is written, as a database does. It fails while `down`, and each write takes `takes_s`."""

    def __init__(self) -> None:
        self.history: History = ()
        self.calls: tuple[CallRecord, ...] = ()
        self.unfinished: UnfinishedReply | None = None
        self.writes: list[tuple[int, float]] = []
        """A pair for each write: the index of the first message that it wrote, and the time of the write."""
        self.down = False
        self.takes_s = 0.0
        self.ours = True
        self.ended: list[StoredConversation] = []

    async def save(
        self,
        _: StoredConversation,
        last_messages: Tail[Message],
        last_calls: Tail[CallRecord] | None,
        unfinished: UnfinishedReply | None,
        *,
        new: bool,
    ) -> bool:
        assert new == (not self.history)
        self.writes.append((last_messages.start, time.monotonic()))
        await asyncio.sleep(self.takes_s)
        if self.down:
            raise StoreError("is down")
        if self.ours:
            self.history = (*self.history[: last_messages.start], *last_messages.items)
            self.unfinished = unfinished
            if last_calls is not None:
                self.calls = (*self.calls[: last_calls.start], *last_calls.items)
        return self.ours

    def call_begun(self, _: StoredConversation, call: str) -> None:
        raise NotImplementedError

    async def call_ended(self, _: StoredConversation, ended: ToolCallEnded) -> None:
        raise NotImplementedError

    def conversation_ended(self, conversation: StoredConversation) -> None:
        self.ended.append(conversation)


@pytest.fixture
def stored() -> FakeStore:
    return FakeStore()


@pytest.fixture
def conversation(stored: FakeStore) -> StoredConversation:
    return StoredConversation("id", store=stored)


async def test_a_new_message_is_written_at_once_and_heard_words_once_an_interval(
    stored: FakeStore, conversation: StoredConversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INTERVAL_S", 0.2)
    asked = state(ONE)
    conversation.keep(asked, at_once=True)
    await asyncio.sleep(SOON_S)
    assert stored.history == talk(ONE)
    began_s = time.monotonic()
    for words in range(8):
        conversation.keep(replace(asked, reply=state(telling=TWO, words=words).reply), at_once=False)
        await asyncio.sleep(0.05)
    heard_s = [at_s for _, at_s in stored.writes if at_s > began_s]
    assert 1 <= len(heard_s) <= (time.monotonic() - began_s) / 0.2 + 1
    conversation.keep(state(ONE, TWO), at_once=True)
    await asyncio.sleep(SOON_S)
    assert stored.history == talk(ONE, TWO)
    assert all(start == 1 for start, _ in stored.writes[1:]), "unchanged messages must not be written again"


async def test_an_unchanged_history_is_not_written_again(stored: FakeStore, conversation: StoredConversation) -> None:
    for _ in range(3):
        conversation.keep(state(ONE), at_once=True)
        await conversation.flush()
    assert len(stored.writes) == 1


async def test_a_slow_database_does_not_block_the_session_and_gets_only_the_latest_history(
    stored: FakeStore, conversation: StoredConversation
) -> None:
    stored.takes_s = 0.1
    began_s = time.monotonic()
    for count in range(50):
        conversation.keep(state(*[ONE] * (count + 1)), at_once=True)
        await asyncio.sleep(0)
    assert time.monotonic() - began_s < 0.1
    await asyncio.sleep(0.35)
    assert len(stored.history) == 50
    assert len(stored.writes) == 2


async def test_the_last_words_are_written_when_the_session_ends(
    stored: FakeStore, conversation: StoredConversation
) -> None:
    conversation.keep(state(ONE), at_once=True)
    await asyncio.sleep(SOON_S)
    conversation.keep(state(ONE, telling=TWO, words=3), at_once=True)
    conversation.end()
    conversation.end()
    assert conversation.writer is not None
    await asyncio.wait_for(conversation.writer, 0.5)
    assert stored.history[-1].text == "A horse walks"
    assert stored.ended == [conversation]


async def test_a_failed_write_is_retried_with_the_whole_history(
    stored: FakeStore, conversation: StoredConversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INTERVAL_S", 0.01)
    monkeypatch.setattr(module, "RETRY_S", 0.1)
    conversation.keep(state(ONE), at_once=True)
    await asyncio.sleep(SOON_S)
    stored.down = True
    conversation.keep(state(ONE, TWO), at_once=True)
    await asyncio.sleep(0.25)
    assert 2 <= len(stored.writes) - 1 <= 4
    stored.down = False
    await asyncio.sleep(0.15)
    assert stored.history == talk(ONE, TWO)
    assert stored.writes[-1][0] == 0, "it is unknown what the failed write stored"


async def test_a_session_that_lost_its_conversation_writes_no_more(
    stored: FakeStore, conversation: StoredConversation
) -> None:
    stored.ours = False
    conversation.keep(state(ONE), at_once=True)
    assert conversation.writer is not None
    await asyncio.wait_for(conversation.writer, 0.5)
    conversation.keep(state(ONE, TWO), at_once=True)
    await asyncio.sleep(SOON_S)
    assert len(stored.writes) == 1


async def test_a_session_that_ends_without_a_word_ends_its_conversation(
    stored: FakeStore, conversation: StoredConversation
) -> None:
    conversation.end()
    assert stored.ended == [conversation]
    assert stored.writes == []


async def test_a_conversation_without_a_store_starts_no_writer() -> None:
    conversation = StoredConversation()
    conversation.keep(state(ONE), at_once=True)
    conversation.end()
    assert (conversation.id, conversation.writer) == (None, None)


async def test_a_change_of_a_call_is_written_at_once(
    stored: FakeStore, conversation: StoredConversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INTERVAL_S", 60.0)
    conversation.keep(state(ONE), at_once=True)
    await conversation.flush()
    begun = taken(state(ONE), ToolCallBegun(1, CallRecord("call_1", "order", "{}")))
    conversation.stepped(begun)
    await asyncio.sleep(SOON_S)
    assert [call.status for call in stored.calls] == [CallStatus.RUNNING]
    conversation.stepped(taken(begun.state, ToolCallEnded("call_1", CallStatus.DONE, "It is ordered.")))
    await asyncio.sleep(SOON_S)
    assert [(call.status, call.result) for call in stored.calls] == [(CallStatus.DONE, "It is ordered.")]


async def test_the_rest_of_a_reply_is_written_once_its_text_is_complete_and_again_when_the_session_breaks_off(
    stored: FakeStore, conversation: StoredConversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INTERVAL_S", 60.0)
    telling = state(ONE, telling=TWO, words=2)
    conversation.keep(telling, at_once=True)
    await conversation.flush()
    assert stored.unfinished is None, "it is a fixed text, of which more may come"
    conversation.stepped(taken(telling, TextEnded(1)))
    await asyncio.sleep(SOON_S)
    assert stored.unfinished == UnfinishedReply("walks into a bar and orders.", begun=True)
    writes = len(stored.writes)
    conversation.end()
    assert conversation.writer is not None
    await asyncio.wait_for(conversation.writer, 0.5)
    assert len(stored.writes) == writes + 1, "the next session measures how long ago this one broke off"


async def test_nothing_is_left_of_a_session_that_was_ended_on_purpose(
    stored: FakeStore, conversation: StoredConversation
) -> None:
    conversation.stepped(taken(state(ONE, telling=TWO, words=2), TextEnded(1)))
    await conversation.flush()
    assert stored.unfinished is not None
    conversation.end(goes_on=False)
    conversation.end()
    assert conversation.writer is not None
    await asyncio.wait_for(conversation.writer, 0.5)
    assert stored.unfinished is None
    assert stored.history[-1].text == "A horse"
