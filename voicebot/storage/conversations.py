"""All conversations that this process keeps, and how their database does."""

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
from voicebot.storage.conversation import Conversation
from voicebot.storage.database import Database, StoreError
from voicebot.storage.held import Held
from voicebot.storage.imports import Import, label, stored_bytes

logger = logging.getLogger(__name__)

DEFAULT_URL = "sqlite:///conversations.db"

ID_PATTERN = r"^[A-Za-z0-9_-]{22,64}$"
"""What a conversation's name looks like; who knows it may read, continue and delete the conversation."""

ID_BYTES = 24

ASK_S = 2.0
"""A session that begins waits no longer for its conversation, nor the app's end for the last words."""

SAVE_S = 5.0
PURGE_INTERVAL_S = 3_600.0
HOUSE_S = 60.0
"""Time for making a database smaller."""

WRITTEN_BYTES = 16_000_000
"""The size of the database is looked at each time this much has been written."""

RETRY_S = 5.0
DAY_S = 86_400.0

UNREACHABLE = "Your earlier conversation can't be reached just now, so this is a new one."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """The database, for operators: `reason` says why it is not ready."""

    kind: str
    ready: bool
    reason: str | None = None


class _Taking:
    """A conversation is being taken over for a session that waits for it, until the session gives up.

    Whichever comes first decides: if the session has given up, nothing is taken over; once the database has begun to
    commit, the session waits for the end of that.
    """

    def __init__(self) -> None:
        self.given_up = self.committing = False

    def commit(self) -> bool:
        """Called just before the commit; False if it must not be made."""
        self.committing = not self.given_up
        return self.committing


class Conversations:
    """Opens them for sessions, deletes them, and lets them go when they are old.

    No failure of the database ends or holds up a session: it goes on without being kept, until the database is back.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._database: Database | None = None
        if settings.keep_conversations:
            url = settings.database_url.get_secret_value() if settings.database_url is not None else DEFAULT_URL
            self._database = Database(url)
        self._retention_s = settings.retention_days * DAY_S
        self._clock = clock or SteadyClock()
        self._held = Held(self._clock)
        self._live: set[Conversation] = set()
        self._asking: set[asyncio.Task[Any]] = set()
        self._problem: str | None = "not asked yet"
        self._told = False
        """The log knows of the problem."""
        self._due = asyncio.Event()
        """The database has failed, has grown or has free space: housekeeping has something to do."""
        self._written = 0
        """Bytes since the size of the database was looked at."""
        self._housekeeping: asyncio.Task[None] | None = None

    @property
    def health(self) -> StoreHealth:
        if self._database is None:
            return StoreHealth("off", ready=False, reason="KEEP_CONVERSATIONS is false")
        return StoreHealth(self._database.kind, ready=self._problem is None, reason=self._problem)

    async def start(self) -> None:
        """Look at the database, and from now on after it. One that can't be reached is waited for in vain not long."""
        if self._database is not None:
            await self.purge()
            self._housekeeping = asyncio.create_task(self._keep_house(), name="conversations")

    async def close(self) -> None:
        """Write what the sessions have not written yet, if the database takes it in time."""
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        for conversation in list(self._live):
            conversation.end()
        writers = {each.writer for each in self._live if each.writer is not None}
        if writers:
            _, late = await asyncio.wait(writers, timeout=ASK_S)
            for writer in late:
                writer.cancel()
        await self.settle()  # a question that was just given up still has a connection, which would be left open
        self._held.close()
        if self._database is not None:
            await self._database.close()

    async def settle(self) -> None:
        """Wait for the questions that are under way, for some seconds, also for those whose answer nobody wants."""
        if self._asking:
            await asyncio.wait(self._asking, timeout=SAVE_S)

    async def open(self, id: str | None) -> Conversation:
        """For a session that begins: the conversation `id`, or a new one if there is none (any more)."""
        if self._database is None:
            return Conversation(history=(None if id is None else await self._held.find(id)) or ())
        owner, history, notice = secrets.token_urlsafe(), None, None
        if id is not None:
            try:
                taking = _Taking()
                history = await self._ask(self._take(self._database, id, owner, taking), ASK_S, taking)
            except StoreError:
                notice = UNREACHABLE
        if id is None or history is None:
            id = secrets.token_urlsafe(ID_BYTES)
        conversation = Conversation(
            id,
            history or (),
            owner=owner,
            notice=notice,
            new=history is None,
            keeper=self,
        )
        self._live.add(conversation)
        return conversation

    async def save(self, conversation: Conversation, start: int, rest: Sequence[Message], *, new: bool) -> bool:
        """Writes that from message `start` on the conversation is `rest`. Only a `new` one is made if it is not there.

        Returns False if the conversation belongs to another session by now, or was deleted. Raises StoreError.
        """
        assert self._database is not None, "what is not kept is not saved"
        assert conversation.id is not None, "a conversation that is kept has an id"
        self._written += stored_bytes(rest)
        if self._written > WRITTEN_BYTES:
            self._due.set()
        now_s = self._clock()
        saving = self._database.save(conversation.id, conversation.owner, now_s, start, rest, new=new)
        return await self._ask(saving, SAVE_S)

    def conversation_ended(self, conversation: Conversation) -> None:
        """The session is over, and nothing more of the conversation will be written."""
        self._live.discard(conversation)

    async def put(self, imported: Import, address: str) -> str | None:
        """The name of a new conversation with these messages, which came from this address; None if there is no room.
        Raises StoreError.

        Until a session goes on with it, it is an unused import, of which each address may have a share. On a server
        that keeps no conversations it is held in memory for a while.
        """
        id = secrets.token_urlsafe(ID_BYTES)
        if self._database is None:
            return id if self._held.put(id, label(address), imported) else None
        self._due.set()
        putting = self._database.put_import(id, label(address), self._clock(), imported)
        return id if await self._ask(putting, SAVE_S) else None

    async def read(self, id: str) -> History | None:
        """What was said and heard in it; None if there is no such conversation. Raises StoreError."""
        if self._database is None:
            return await self._held.find(id)
        return await self._ask(self._database.read(id), ASK_S)

    async def count_turns(self, day: int, turns: int) -> int | None:
        """Add to the turns of a day that all servers on this database have answered; the sum.

        None if nothing is kept, or the database has failed and is not back yet: nobody waits for it twice.
        """
        if self._database is None or self._problem is not None:
            return None
        try:
            return await self._ask(self._database.count_turns(day, turns), ASK_S)
        except StoreError:
            return None

    async def delete(self, id: str) -> None:
        """Nothing of it is left, and a session that is still in it keeps nothing more. Raises StoreError."""
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

    async def _take(self, database: Database, id: str, owner: str, taking: _Taking) -> History | None:
        """With what sessions of this process have heard in it up to now. They end, unless nobody waits any more."""
        before = [each for each in self._live if each.id == id]
        for conversation in before:
            await conversation.flush()
        history = await database.take(id, owner, self._clock(), taking)
        for conversation in before:
            conversation.stop()
            if conversation.participant is not None:
                conversation.participant.conversation_taken_over()
        return history

    async def _ask(self, question: Coroutine[Any, Any, T], patience_s: float, taking: _Taking | None = None) -> T:
        """The answer. Raises StoreError, after `patience_s` at the latest: drivers take their time to be cancelled, and
        some may not be. Only a commit that takes a conversation over is waited for longer, as it can't be undone."""
        asking = asyncio.create_task(question)
        self._asking.add(asking)
        asking.add_done_callback(self._asked)
        try:
            done, _ = await asyncio.wait({asking}, timeout=patience_s)
            if not done and taking is not None and taking.committing:
                done, _ = await asyncio.wait({asking}, timeout=SAVE_S)
            if not done:
                raise StoreError(f"no answer in {patience_s:g} s")
            answer = asking.result()
        except StoreError as error:
            self._fails(str(error))
            raise
        finally:
            if taking is not None:
                taking.given_up = True
            if self._database is not None and self._database.cancellable:
                asking.cancel()
        self._works()
        return answer

    def _asked(self, asking: asyncio.Task[Any]) -> None:
        self._asking.discard(asking)
        if not asking.cancelled():
            asking.exception()

    def _fails(self, reason: str) -> None:
        self._problem = reason
        self._due.set()
        if not self._told:
            self._told = True
            logger.error("conversations are not kept just now: %s", reason)

    def _works(self) -> None:
        self._problem = None
        if self._told:
            self._told = False
            logger.info("conversations are kept again")

    async def _keep_house(self) -> None:
        """Purge every hour, and soon after the database has failed or something was deleted or much was written."""
        while True:
            try:
                async with asyncio.timeout(PURGE_INTERVAL_S):
                    await self._due.wait()
                await asyncio.sleep(RETRY_S)
            except TimeoutError:
                pass
            await self.purge()

    async def purge(self) -> None:
        """Delete what is old or too much, and give its space back."""
        database = self._database
        if database is None:
            return
        self._due.clear()
        before_s = self._clock() - self._retention_s if self._retention_s else 0.0
        try:
            purged = await self._ask(database.purge(before_s), SAVE_S)
            self._written = 0
            unused, oldest = await self._ask(database.make_room(MAX_DATABASE_BYTES), HOUSE_S)
            await self._ask(database.shrink(), HOUSE_S)
        except StoreError:
            return
        if purged:
            logger.info("%d conversations were old, and are deleted", purged)
        if unused or oldest:
            logger.warning(
                "the database was larger than %d MB: %d unused imports are deleted, and the %d conversations that were"
                " used longest ago",
                *(MAX_DATABASE_BYTES // 1_000_000, unused, oldest),
            )


def is_id(id: str) -> bool:
    return re.fullmatch(ID_PATTERN, id) is not None
