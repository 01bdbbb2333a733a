"""Stores the conversation of one session in the background, at a limited rate."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Protocol

from voicebot.dialogue.events import ToolCallEnded
from voicebot.dialogue.facts import (
    HistoryChanged,
    ReplyCancelled,
    ReplyFinished,
    ReplyTextCompleted,
    ToolCallChanged,
    WordsAccepted,
)
from voicebot.dialogue.history import History, Message
from voicebot.dialogue.history_snapshot import history_snapshot
from voicebot.dialogue.observer import Observer, SessionStep
from voicebot.dialogue.reply_state import UnfinishedReply
from voicebot.dialogue.state import State
from voicebot.dialogue.tool_calls import CallRecord
from voicebot.dialogue.unfinished_reply import unfinished_reply
from voicebot.runtime.limits import MAX_CONVERSATION_BYTES, MAX_STORED_CALLS_BYTES, STORED_BYTES_PER_S
from voicebot.storage.database import StoreError
from voicebot.storage.record import Item, Tail, call_bytes, message_bytes, unfinished_bytes

INTERVAL_S = 1.0
"""The minimum interval between two writes while an answer is being heard. A new message is written at once, and so is
the text of an answer once it is complete."""

AT_ONCE = (HistoryChanged, WordsAccepted, ToolCallChanged, ReplyTextCompleted, ReplyCancelled, ReplyFinished)
"""Facts after which the state is written at once."""

RETRY_S = 5.0
"""A failed write is repeated at the next change, and after this time at the latest."""


class ConversationStore(Protocol):
    """Stores conversations for their sessions."""

    async def save(
        self,
        conversation: StoredConversation,
        last_messages: Tail[Message],
        last_calls: Tail[CallRecord] | None,
        unfinished: UnfinishedReply | None,
        *,
        new: bool,
    ) -> bool:
        """Replaces the last messages, the last calls, and what is unfinished.

        A missing conversation is created only if it is `new`. Returns False if the conversation belongs to another
        session now, or was deleted. Raises StoreError.
        """
        ...

    def call_begun(self, conversation: StoredConversation, call: str) -> None:
        """Notes that this process works on a call of the conversation."""
        ...

    async def call_ended(self, conversation: StoredConversation, ended: ToolCallEnded) -> None:
        """Tells the session that the conversation belongs to now how a call has ended; without one, stores it.

        Raises StoreError.
        """
        ...

    def conversation_ended(self, conversation: StoredConversation) -> None:
        """Is called when nothing more of the conversation will be written."""
        ...


class Participant(Protocol):
    """The session that a conversation belongs to."""

    def conversation_taken_over(self) -> None:
        """Ends this session, because another session of this process continues the conversation."""
        ...

    def call_ended(self, ended: ToolCallEnded) -> bool:
        """Takes note of how a call has ended, which may have begun in an earlier session.

        Returns False if this session is ending and takes note of nothing any more.
        """
        ...


class StoredConversation(Observer):
    """The stored conversation of one session.

    `history` and `calls` are from before the session, and `unfinished` is what the session before still had to say, if
    this session shall go on with that. `notice` tells the user that they could not be read. `owner` is a
    secret by which the database knows which session the conversation belongs to. Without a `store` nothing is stored,
    there is no `id`, and the calls are forgotten with the session.

    `keep` returns at once, because a background task writes the states that it is given. `end` writes the last one.
    """

    def __init__(
        self,
        id: str | None = None,
        history: History = (),
        calls: tuple[CallRecord, ...] = (),
        unfinished: UnfinishedReply | None = None,
        *,
        owner: str = "",
        notice: str | None = None,
        new: bool = True,
        store: ConversationStore | None = None,
        place: str | None = None,
    ) -> None:
        self.place = place
        """The id of the session's `SessionPlace`."""
        self.id, self.history, self.calls, self.notice = id, history, calls, notice
        self.unfinished = unfinished
        self.owner = owner
        self.participant: Participant | None = None
        self.writing = asyncio.Lock()
        """Held during each write."""
        self._store = store
        self._stopped = False
        """Nothing more may be written."""
        self._new = new
        self._saved: History | None = history
        """The history in the database; None if that is not known."""
        self._saved_calls: tuple[CallRecord, ...] | None = calls
        """The calls in the database; None if that is not known."""
        self._saved_unfinished = unfinished
        self._goes_on = True
        """Whether the next session goes on with what this one leaves unsaid."""
        self._is_fresh = True
        """Whether the time at which the unfinished reply was stored is recent enough."""
        self._state: State | None = None
        self._changed, self._urgent = asyncio.Event(), asyncio.Event()
        self._ending = False
        self._ended = asyncio.Event()
        self._write_ended_s = self._pause_s = 0.0
        """When the last write ended, and how long to wait after it."""
        self._retry: asyncio.TimerHandle | None = None
        self.writer: asyncio.Task[None] | None = None

    def stepped(self, step: SessionStep) -> None:
        if step.changed:
            self.keep(step.state, at_once=any(isinstance(fact, AT_ONCE) for fact in step.facts))

    def keep(self, state: State, *, at_once: bool) -> None:
        """Stores a new state of the session: as soon as possible if `at_once`, else at the end of the interval."""
        if self._store is None or self._ending:
            return
        self._state = state
        if self.writer is None:
            self.writer = asyncio.create_task(self._write(), name="conversation")
            self.writer.add_done_callback(self._written)
        if at_once:
            self._urgent.set()
        self._changed.set()

    def end(self, *, goes_on: bool = True) -> None:
        """Writes the last state, because the session has ended. Can be called more than once.

        Unless it `goes_on`, the next session of the conversation does not say what this one leaves unsaid.
        """
        if not self._ending:
            self._goes_on, self._is_fresh = goes_on, False
        self._ending = True
        self._ended.set()
        self._changed.set()
        self._urgent.set()
        if self.writer is None and self._store is not None:
            self._store.conversation_ended(self)

    def call_begun(self, call: str) -> None:
        """Notes that this process works on a call, so that a later session does not take it for lost."""
        if self._store is not None:
            self._store.call_begun(self, call)

    async def call_ended(self, ended: ToolCallEnded) -> None:
        """Tells the session of the conversation how a call has ended. If there is none any more, the end is stored.

        The session can be a later one than that in which the call began. Raises StoreError. Must be called once for
        each call that has begun, also if it was cancelled.
        """
        if self._store is not None:
            await self._store.call_ended(self, ended)
        else:
            self.tell_call_ended(ended)

    @property
    def open_calls(self) -> list[CallRecord]:
        """The calls of this conversation that still run, as far as its session knows."""
        known = self.calls if self._state is None else self._state.calls
        return [call for call in known if not call.ended]

    def tell_call_ended(self, ended: ToolCallEnded) -> bool:
        """Tells this session how a call has ended. Returns False if the session has ended."""
        if self._ending:
            return False
        if self.participant is not None:
            return self.participant.call_ended(ended)
        self.calls = tuple(  # the session has not begun yet
            replace(call, status=ended.status, result=ended.result) if call.id == ended.call else call
            for call in self.calls
        )
        return True

    def stop(self) -> None:
        """Ends without another write, because the conversation was deleted or belongs to another session."""
        self._stopped = True
        self.end()

    def _written(self, _: asyncio.Task[None]) -> None:
        if self._store is not None:
            self._store.conversation_ended(self)

    async def _write(self) -> None:
        while not self._ending:
            await self._changed.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._write_ended_s + INTERVAL_S - time.monotonic()):
                    await self._urgent.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._write_ended_s + self._pause_s - time.monotonic()):
                    await self._ended.wait()
            await self.flush()
        await self.flush()

    async def flush(self) -> None:
        """Writes the messages that are not written yet. A failed write is repeated later."""
        async with self.writing:
            self._changed.clear()
            self._urgent.clear()
            if self._retry is not None:
                self._retry.cancel()
            if self._store is None or self._stopped or self._state is None:
                return
            whole = history_snapshot(self._state)
            history = _newest(whole)
            calls = _newest_calls(self._state.calls, len(whole) - len(history))
            unfinished = unfinished_reply(self._state) if self._goes_on else None
            now = (history, calls, unfinished)
            is_stored = now == (self._saved, self._saved_calls, self._saved_unfinished)
            is_stored = is_stored and (self._is_fresh or unfinished is None)
            if is_stored or (self._new and not history):
                return
            messages = _tail(self._saved, history)
            last_calls = None if calls == self._saved_calls else _tail(self._saved_calls, calls)
            written_bytes = message_bytes(messages.items) + call_bytes(last_calls.items if last_calls else ())
            written_bytes += unfinished_bytes(unfinished)
            self._pause_s = written_bytes / STORED_BYTES_PER_S
            ending = self._ending
            try:
                ours = await self._store.save(self, messages, last_calls, unfinished, new=self._new)
            except StoreError:
                self._saved = self._saved_calls = None
                self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._changed.set)
            else:
                self._saved, self._saved_calls, self._saved_unfinished, self._new = history, calls, unfinished, False
                self._is_fresh = self._is_fresh or ending
                if not ours:
                    self.stop()
            finally:
                self._write_ended_s = time.monotonic()


def _newest(history: History) -> History:
    """Returns the newest messages that fit into `MAX_CONVERSATION_BYTES`.

    Whenever the history exceeds the limit, its older half is dropped. The cut depends only on the messages, so usually
    no message has to be written again.
    """
    first = total = 0
    sizes = []
    for place, message in enumerate(history):
        sizes.append(message_bytes([message]))
        total += sizes[place]
        if total > MAX_CONVERSATION_BYTES:
            while total > MAX_CONVERSATION_BYTES // 2 and first < place:
                total -= sizes[first]
                first += 1
    if total > MAX_CONVERSATION_BYTES:  # a single message is too long; a character has at most four bytes
        return (replace(history[-1], text=history[-1].text[-MAX_CONVERSATION_BYTES // 4 :]),)
    return history[first:]


def _newest_calls(calls: Sequence[CallRecord], dropped: int) -> tuple[CallRecord, ...]:
    """Returns the newest calls that fit into `MAX_STORED_CALLS_BYTES`, for a history without its first messages.

    `dropped` is how many messages it lacks. A call that followed one of them is kept only as long as the user has not
    been told of its end.
    """
    kept: list[CallRecord] = []
    total = 0
    for call in reversed(calls):
        if call.reported and 0 < call.position <= dropped:
            continue
        total += call_bytes([call])
        if total > MAX_STORED_CALLS_BYTES:
            break
        kept.append(replace(call, position=max(0, call.position - dropped)))
    return tuple(reversed(kept))


def _tail(stored: Sequence[Item] | None, now: Sequence[Item]) -> Tail[Item]:
    """Returns the items of `now` from the first one on that differs from the stored ones."""
    pairs = zip(stored or (), now, strict=False)
    start = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return Tail(start, now[start:])
