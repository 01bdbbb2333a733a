"""All conversations that this process stores, and the state of their database."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

from voicebot.dialogue.history import History, Message
from voicebot.runtime.clock import Clock, SteadyClock
from voicebot.runtime.limits import MAX_DATABASE_BYTES
from voicebot.settings.config import Settings
from voicebot.storage.conversation import StoredConversation
from voicebot.storage.database import Database, StoreError
from voicebot.storage.held_imports import HeldImports
from voicebot.storage.imports import Import, address_label, stored_bytes

logger = logging.getLogger(__name__)

DEFAULT_URL = "sqlite:///conversations.db"

ID_PATTERN = r"^[A-Za-z0-9_-]{22,64}$"
"""The form of a conversation's id. Whoever knows the id can read, continue and delete the conversation."""

ID_BYTES = 24

ASK_S = 2.0
"""How long a session that begins waits for its conversation, and the app at its end for the last writes."""

SAVE_S = 5.0
PURGE_INTERVAL_S = 3_600.0
SHRINK_S = 60.0
"""Time for making a database smaller."""

WRITTEN_BYTES = 16_000_000
"""The size of the database is checked each time this much has been written."""

RETRY_S = 5.0
DAY_S = 86_400.0

UNREACHABLE = "Your earlier conversation can't be reached just now, so this is a new one."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """The state of the database, for operators. `reason` says why it is not ready."""

    kind: str
    ready: bool
    reason: str | None = None


class _PendingTakeover:
    """Decides whether a conversation is taken over, when the session may give up waiting.

    If the session gives up first, nothing is taken over. If the database begins to commit first, the session waits for
    the end of the commit.
    """

    def __init__(self) -> None:
        self.given_up = self.committing = False

    def commit(self) -> bool:
        """Is called just before the commit. Returns False if there must be none."""
        self.committing = not self.given_up
        return self.committing


class Conversations:
    """Opens conversations for sessions, and deletes them on request or when they are old.

    A failure of the database neither ends nor delays a session. The session goes on, and is stored once the database
    works again.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._database: Database | None = None
        if settings.keep_conversations:
            url = settings.database_url.get_secret_value() if settings.database_url is not None else DEFAULT_URL
            self._database = Database(url)
        self._retention_s = settings.retention_days * DAY_S
        self._clock = clock or SteadyClock()
        self._held = HeldImports(self._clock)
        self._live: set[StoredConversation] = set()
        self._asking: set[asyncio.Task[Any]] = set()
        self._problem: str | None = "not asked yet"
        self._told = False
        """The problem is in the log."""
        self._due = asyncio.Event()
        """Set when the database has failed, has grown or has free space, so that housekeeping has something to do."""
        self._written = 0
        """The bytes that were written since the size of the database was checked."""
        self._housekeeping: asyncio.Task[None] | None = None

    @property
    def health(self) -> StoreHealth:
        if self._database is None:
            return StoreHealth("off", ready=False, reason="KEEP_CONVERSATIONS is false")
        return StoreHealth(self._database.kind, ready=self._problem is None, reason=self._problem)

    async def start(self) -> None:
        """Checks the database and starts housekeeping. Does not wait long for a database that cannot be reached."""
        if self._database is not None:
            await self.purge()
            self._housekeeping = asyncio.create_task(self._keep_house(), name="conversations")

    async def close(self) -> None:
        """Writes what is not written yet, if the database takes it in time."""
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        for conversation in list(self._live):
            conversation.end()
        writers = {each.writer for each in self._live if each.writer is not None}
        if writers:
            _, late = await asyncio.wait(writers, timeout=ASK_S)
            for writer in late:
                writer.cancel()
        await self.settle()  # a question that was just given up still has a connection open
        self._held.close()
        if self._database is not None:
            await self._database.close()

    async def settle(self) -> None:
        """Waits some seconds for the questions that are under way, including those that were given up."""
        if self._asking:
            await asyncio.wait(self._asking, timeout=SAVE_S)

    async def open(self, id: str | None) -> StoredConversation:
        """Returns the conversation `id` for a session that begins, or a new conversation if that does not exist."""
        if self._database is None:
            return StoredConversation(history=(None if id is None else await self._held.find(id)) or ())
        owner, history, notice = secrets.token_urlsafe(), None, None
        if id is not None:
            try:
                takeover = _PendingTakeover()
                history = await self._ask(self._take(self._database, id, owner, takeover), ASK_S, takeover)
            except StoreError:
                notice = UNREACHABLE
        if id is None or history is None:
            id = secrets.token_urlsafe(ID_BYTES)
        conversation = StoredConversation(
            id,
            history or (),
            owner=owner,
            notice=notice,
            new=history is None,
            store=self,
        )
        self._live.add(conversation)
        return conversation

    async def save(self, conversation: StoredConversation, start: int, rest: Sequence[Message], *, new: bool) -> bool:
        """Replaces the messages from `start` on by `rest`. Only a `new` conversation is made if it does not exist.

        Returns False if the conversation belongs to another session now, or was deleted. Raises StoreError.
        """
        assert self._database is not None, "without a database nothing is saved"
        assert conversation.id is not None, "a stored conversation has an id"
        self._written += stored_bytes(rest)
        if self._written > WRITTEN_BYTES:
            self._due.set()
        now_s = self._clock()
        saving = self._database.save(conversation.id, conversation.owner, now_s, start, rest, new=new)
        return await self._ask(saving, SAVE_S)

    def conversation_ended(self, conversation: StoredConversation) -> None:
        """Nothing more of the conversation will be written."""
        self._live.discard(conversation)

    async def put(self, imported: Import, address: str) -> str | None:
        """Stores an import from this address. Returns the id of the new conversation; None if there is no room.

        Raises StoreError.

        Until a session uses it, it is an unused import, and each address has a share of the space for these. A server
        that stores no conversations keeps it in memory for a while.
        """
        id = secrets.token_urlsafe(ID_BYTES)
        if self._database is None:
            return id if self._held.put(id, address_label(address), imported) else None
        self._due.set()
        putting = self._database.put_import(id, address_label(address), self._clock(), imported)
        return id if await self._ask(putting, SAVE_S) else None

    async def read(self, id: str) -> History | None:
        """Returns the history of a conversation; None if there is no such conversation. Raises StoreError."""
        if self._database is None:
            return await self._held.find(id)
        return await self._ask(self._database.read(id), ASK_S)

    async def count_turns(self, day: int, turns: int) -> int | None:
        """Adds to the turns of a day, and returns the sum for all servers on this database.

        Returns None if nothing is stored, or if the database has failed and does not work again yet.
        """
        if self._database is None or self._problem is not None:
            return None
        try:
            return await self._ask(self._database.count_turns(day, turns), ASK_S)
        except StoreError:
            return None

    async def delete(self, id: str) -> None:
        """Deletes a conversation. A session that goes on with it stores nothing more. Raises StoreError."""
        if self._database is None:
            self._held.drop(id)
            return
        async with AsyncExitStack() as stack:
            live = [each for each in self._live if each.id == id]
            for conversation in live:
                await stack.enter_async_context(conversation.writing)
            await self._ask(self._database.delete(id), SAVE_S)
            for conversation in live:
                conversation.stop()
        self._due.set()

    async def _take(self, database: Database, id: str, owner: str, takeover: _PendingTakeover) -> History | None:
        """Takes a conversation over, including what other sessions of this process have not written yet. Those sessions
        end, unless the new one has given up."""
        before = [each for each in self._live if each.id == id]
        for conversation in before:
            await conversation.flush()
        history = await database.take(id, owner, self._clock(), takeover)
        for conversation in before:
            conversation.stop()
            if conversation.participant is not None:
                conversation.participant.conversation_taken_over()
        return history

    async def _ask(
        self, question: Coroutine[Any, Any, T], timeout_s: float, takeover: _PendingTakeover | None = None
    ) -> T:
        """Returns the answer. Raises StoreError, after `timeout_s` at the latest, because drivers are slow to cancel.

        It waits longer only for the commit of a takeover, which cannot be undone.
        """
        asking = asyncio.create_task(question)
        self._asking.add(asking)
        asking.add_done_callback(self._asked)
        try:
            done, _ = await asyncio.wait({asking}, timeout=timeout_s)
            if not done and takeover is not None and takeover.committing:
                done, _ = await asyncio.wait({asking}, timeout=SAVE_S)
            if not done:
                raise StoreError(f"no answer in {timeout_s:g} s")
            answer = asking.result()
        except StoreError as error:
            self._note_failure(str(error))
            raise
        finally:
            if takeover is not None:
                takeover.given_up = True
            if self._database is not None and self._database.cancellable:
                asking.cancel()
        self._note_success()
        return answer

    def _asked(self, asking: asyncio.Task[Any]) -> None:
        self._asking.discard(asking)
        if not asking.cancelled():
            asking.exception()

    def _note_failure(self, reason: str) -> None:
        self._problem = reason
        self._due.set()
        if not self._told:
            self._told = True
            logger.error("conversations cannot be stored now: %s", reason)

    def _note_success(self) -> None:
        self._problem = None
        if self._told:
            self._told = False
            logger.info("conversations are stored again")

    async def _keep_house(self) -> None:
        """Purges every hour, and soon after the database has failed, something was deleted or much was written."""
        while True:
            try:
                async with asyncio.timeout(PURGE_INTERVAL_S):
                    await self._due.wait()
                await asyncio.sleep(RETRY_S)
            except TimeoutError:
                pass
            await self.purge()

    async def purge(self) -> None:
        """Deletes what is old or too much, and gives the space back to the disk."""
        database = self._database
        if database is None:
            return
        self._due.clear()
        before_s = self._clock() - self._retention_s if self._retention_s else 0.0
        try:
            purged = await self._ask(database.purge(before_s), SAVE_S)
            self._written = 0
            unused, oldest = await self._ask(database.make_room(MAX_DATABASE_BYTES), SHRINK_S)
            await self._ask(database.shrink(), SHRINK_S)
        except StoreError:
            return
        if purged:
            logger.info("%d old conversations were deleted", purged)
        if unused or oldest:
            logger.warning(
                "the database was larger than %d MB, so %d unused imports were deleted, and the %d conversations that"
                " were used longest ago",
                *(MAX_DATABASE_BYTES // 1_000_000, unused, oldest),
            )


def is_id(id: str) -> bool:
    return re.fullmatch(ID_PATTERN, id) is not None
