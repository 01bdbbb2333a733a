"""Stores the conversation of one session in the background, at a limited rate."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Protocol

from voicebot.dialogue.facts import HistoryChanged, WordsAccepted
from voicebot.dialogue.history import History, Message
from voicebot.dialogue.history_snapshot import history_snapshot
from voicebot.dialogue.observer import Observer, SessionStep
from voicebot.dialogue.state import State
from voicebot.runtime.limits import MAX_CONVERSATION_BYTES, STORED_BYTES_PER_S, STORED_MESSAGE_BYTES
from voicebot.storage.database import StoreError
from voicebot.storage.imports import stored_bytes

INTERVAL_S = 1.0
"""The minimum interval between two writes while an answer is being heard. A new message is written at once."""

RETRY_S = 5.0
"""A failed write is repeated at the next change, and after this time at the latest."""


class ConversationStore(Protocol):
    """Stores conversations for their sessions."""

    async def save(self, conversation: StoredConversation, start: int, rest: Sequence[Message], *, new: bool) -> bool:
        """Replaces the messages from `start` on by `rest`. A missing conversation is created only if it is `new`.

        Returns False if the conversation belongs to another session now, or was deleted. Raises StoreError.
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


class StoredConversation(Observer):
    """The stored conversation of one session.

    `history` holds the messages from before the session. `notice` tells the user that they could not be read. `owner`
    is a secret by which the database knows which session the conversation belongs to. Without a `store` nothing is
    stored, and there is no `id`.

    `keep` returns at once, because a background task writes the states that it is given. `end` writes the last one.
    """

    def __init__(
        self,
        id: str | None = None,
        history: History = (),
        *,
        owner: str = "",
        notice: str | None = None,
        new: bool = True,
        store: ConversationStore | None = None,
    ) -> None:
        self.id, self.history, self.notice = id, history, notice
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
            said = any(isinstance(fact, HistoryChanged | WordsAccepted) for fact in step.facts)
            self.keep(step.state, at_once=said)

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

    def end(self) -> None:
        """Writes the last state, because the session has ended. Can be called more than once."""
        self._ending = True
        self._ended.set()
        self._changed.set()
        self._urgent.set()
        if self.writer is None and self._store is not None:
            self._store.conversation_ended(self)

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
            history = _newest(history_snapshot(self._state))
            if history == self._saved or (self._new and not history):
                return
            start = 0 if self._saved is None else _count_common(self._saved, history)
            self._pause_s = stored_bytes(history[start:]) / STORED_BYTES_PER_S
            try:
                ours = await self._store.save(self, start, history[start:], new=self._new)
            except StoreError:
                self._saved = None
                self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._changed.set)
            else:
                self._saved, self._new = history, False
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
        sizes.append(STORED_MESSAGE_BYTES + len(message.text.encode("utf-8", "replace")))
        total += sizes[place]
        if total > MAX_CONVERSATION_BYTES:
            while total > MAX_CONVERSATION_BYTES // 2 and first < place:
                total -= sizes[first]
                first += 1
    if total > MAX_CONVERSATION_BYTES:  # a single message is too long; a character has at most four bytes
        return (replace(history[-1], text=history[-1].text[-MAX_CONVERSATION_BYTES // 4 :]),)
    return history[first:]


def _count_common(one: History, other: History) -> int:
    """Returns the number of equal messages at the beginning of both histories."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
