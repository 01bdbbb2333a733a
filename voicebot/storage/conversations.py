"""The conversations that this process stores, and the health of their database."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from voicebot.access.places import SessionPlace
from voicebot.dialogue.events import ToolCallEnded
from voicebot.dialogue.history import Message
from voicebot.dialogue.reply_state import UnfinishedReply
from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.runtime.clock import Clock, SteadyClock
from voicebot.runtime.limits import MAX_DATABASE_BYTES
from voicebot.settings.config import Settings
from voicebot.storage.conversation import StoredConversation
from voicebot.storage.database import Database, StoreError
from voicebot.storage.held_imports import HeldImports
from voicebot.storage.imports import Import, address_label
from voicebot.storage.leases import Leases
from voicebot.storage.operations import Operations, PendingTakeover
from voicebot.storage.record import ConversationRecord, Tail, call_bytes, message_bytes, unfinished_bytes
from voicebot.workers.place import WorkerPlace

logger = logging.getLogger(__name__)

DEFAULT_URL = "sqlite:///conversations.db"

ID_PATTERN = r"^[A-Za-z0-9_-]{22,64}$"
"""The form of a conversation's id. Whoever knows the id can read, continue and delete the conversation."""

ID_BYTES = 24

READ_TIMEOUT_S = 2.0
"""How long a new session waits for its conversation, and the app at its end for the last writes."""

WRITE_TIMEOUT_S = 5.0

PURGE_INTERVAL_S = 3_600.0
"""The interval of housekeeping, unless something makes it due earlier."""

MAKE_ROOM_TIMEOUT_S = 60.0
"""How long the database may take to delete what exceeds its maximum size."""

START_TIMEOUT_S = 10.0
"""How long the start of the app waits for the first housekeeping, which can have a gigabyte to delete."""

WRITTEN_BYTES = 16_000_000
"""The size of the database is checked each time this much has been written."""

RETRY_S = 5.0
"""The delay of housekeeping that is due, and the wait that clients are told when the database has failed."""

GOES_ON_S = 60.0
"""How long after a session broke off the next one goes on with its reply: as long as the page tries to connect again,
more or less. A user who comes back later has something else in mind."""

DAY_S = 86_400.0

UNREACHABLE = "Your earlier conversation can't be reached just now, so this is a new one."

LOST = "The bot was stopped while the tool worked."
"""The result of a call whose end nobody will learn, in words for the model."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """The state of the database, for operators. `reason` says why it is not ready."""

    kind: str
    ready: bool
    reason: str | None = None


class Conversations:
    """Opens conversations for sessions, and deletes them on request or when they are old.

    A failure of the database neither ends nor delays a session. The session goes on, and is stored once the database
    works again.

    One of several workers, which has a `place`, and a server on Postgres, which others may share, has `leases`: so at
    most one session of all processes goes on with a conversation.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None, place: WorkerPlace | None = None) -> None:
        self._housekeeping_due = asyncio.Event()
        """Set when the database has failed, has grown or has free space."""
        self._database: Database | None = None
        self.leases: Leases | None = None
        """What this process shares with others; None if it is alone, or has no database."""
        if settings.keep_conversations:
            url = settings.database_url.get_secret_value() if settings.database_url is not None else DEFAULT_URL
            self._database = Database(url)
            self._operations = Operations(self._database, self._housekeeping_due)
            if place is not None or self._database.kind == "postgresql":
                self.leases = Leases(self._database, self._operations, place, self)
        self._retention_s = settings.retention_days * DAY_S
        self._clock = clock or SteadyClock()
        self._held = HeldImports(self._clock)
        self._live: set[StoredConversation] = set()
        self._running_calls: set[tuple[str, str]] = set()
        """The calls that this process works on: pairs of a conversation's id and a call's."""
        self._written_bytes = 0
        """The bytes written since the last check of the database's size."""
        self._housekeeping: asyncio.Task[None] | None = None

    @property
    def health(self) -> StoreHealth:
        if self._database is None:
            return StoreHealth("off", ready=False, reason="KEEP_CONVERSATIONS is false")
        problem = self._operations.problem
        return StoreHealth(self._database.kind, ready=problem is None, reason=problem)

    async def start(self) -> None:
        """Checks the database and starts housekeeping. Does not wait long for a database that cannot be reached, or in
        which much has to be deleted."""
        if self._database is not None:
            first = asyncio.create_task(self.purge(), name="first housekeeping")
            self._housekeeping = asyncio.create_task(self._run_housekeeping(first), name="conversations")
            await asyncio.wait({first}, timeout=START_TIMEOUT_S)
            if first.done():
                first.result()
            if self.leases is not None:
                await self.leases.start()

    async def close(self) -> None:
        """Writes what is not written yet, if the database takes it in time."""
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        for conversation in list(self._live):
            conversation.end()
        writers = {each.writer for each in self._live if each.writer is not None}
        if writers:
            _, late = await asyncio.wait(writers, timeout=READ_TIMEOUT_S)
            for writer in late:
                writer.cancel()
        if self.leases is not None:
            await self.leases.close()
        await self.settle()  # an operation that has just timed out still has a connection open
        self._held.close()
        if self._database is not None:
            await self._database.close()

    async def settle(self) -> None:
        """Waits some seconds for all running operations, including those that have timed out."""
        if self._database is not None:
            await self._operations.settle()

    async def open(self, id: str | None, place: SessionPlace | None = None) -> StoredConversation:
        """Returns the conversation `id` for a session that begins, or a new conversation if that does not exist.

        `place` is that of the session, by which this process is told when another one goes on with the conversation.
        """
        if self._database is None:
            return StoredConversation(history=(None if id is None else await self._held.find(id)) or ())
        owner, record, notice = secrets.token_urlsafe(), None, None
        if id is not None:
            try:
                takeover = PendingTakeover()
                taking = self._take(self._database, id, owner, takeover, place)
                record = await self._run(taking, READ_TIMEOUT_S, takeover)
            except StoreError:
                notice = UNREACHABLE
        if id is None or record is None:
            id = secrets.token_urlsafe(ID_BYTES)
        calls = () if record is None else await self._settled(self._database, id, record.calls)
        conversation = StoredConversation(
            id,
            () if record is None else record.history,
            calls,
            None if record is None else self._to_go_on_with(record),
            owner=owner,
            notice=notice,
            new=record is None,
            store=self,
            place=None if place is None else place.id,
        )
        self._live.add(conversation)
        return conversation

    def _to_go_on_with(self, record: ConversationRecord) -> UnfinishedReply | None:
        """Returns what a session that begins now says of what the last one left unsaid."""
        return record.unfinished if abs(self._clock() - record.unfinished_at_s) <= GOES_ON_S else None

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
        assert self._database is not None, "without a database nothing is saved"
        assert conversation.id is not None, "a stored conversation has an id"
        id = conversation.id
        self._written_bytes += message_bytes(last_messages.items) + call_bytes(last_calls.items if last_calls else ())
        self._written_bytes += unfinished_bytes(unfinished)
        if self._written_bytes > WRITTEN_BYTES:
            self._housekeeping_due.set()
        now_s = self._clock()
        last = (last_messages, last_calls, unfinished)
        saving = self._database.save(id, conversation.owner, now_s, *last, new=new)
        ours = await self._run(saving, WRITE_TIMEOUT_S)
        if not ours and self.leases is not None:
            owners = await self._run(self._database.owners([id]), READ_TIMEOUT_S)
            if owners:  # otherwise the conversation was deleted, and its session goes on
                _end_taken_over(conversation)
        return ours

    def call_begun(self, conversation: StoredConversation, call: str) -> None:
        """Notes that this process works on a call of the conversation."""
        assert conversation.id is not None, "a stored conversation has an id"
        self._running_calls.add((conversation.id, call))
        if self.leases is not None:
            self.leases.call_begun(conversation.id, call)

    async def call_ended(self, conversation: StoredConversation, ended: ToolCallEnded) -> None:
        """Tells the session that the conversation belongs to now how a call has ended; without one, stores it.

        Raises StoreError.
        """
        assert self._database is not None, "without a database there is no stored conversation"
        assert conversation.id is not None, "a stored conversation has an id"
        id = conversation.id
        try:
            if not self._tell_call_ended(id, ended):
                await conversation.flush()  # the begin of the call may not be stored yet
                await self._run(self._database.end_call(id, ended), WRITE_TIMEOUT_S)
                self._tell_call_ended(id, ended)  # a session that has begun meanwhile takes the call for a running one
        finally:
            self._running_calls.discard((id, ended.call))
            if self.leases is not None:
                self.leases.call_ended(id, ended.call)

    def _tell_call_ended(self, id: str, ended: ToolCallEnded) -> bool:
        """Returns whether there was a session to tell."""
        return any(each.tell_call_ended(ended) for each in self._live if each.id == id)

    def conversation_ended(self, conversation: StoredConversation) -> None:
        """Forgets a conversation of which nothing more will be written."""
        self._live.discard(conversation)
        if self.leases is not None and conversation.place is not None:
            self.leases.written(conversation.place)

    async def put(self, imported: Import, address: str) -> str | None:
        """Stores an import from this address. Returns the id of the new conversation; None if there is no room.

        Raises StoreError.

        It is an unused import until a session continues it, and each address has a share of the space for unused
        imports. A server that stores no conversations keeps it in memory for `HELD_S`.
        """
        id = secrets.token_urlsafe(ID_BYTES)
        if self._database is None:
            return id if self._held.put(id, address_label(address), imported) else None
        self._housekeeping_due.set()
        putting = self._database.put_import(id, address_label(address), self._clock(), imported)
        return id if await self._run(putting, WRITE_TIMEOUT_S) else None

    @property
    def held_imports(self) -> list[str]:
        """The ids of the imports in the memory of this process, which stores no conversations."""
        return self._held.ids()

    async def read(self, id: str) -> ConversationRecord | None:
        """Returns what is stored of a conversation; None if there is no such conversation. Raises StoreError."""
        if self._database is None:
            history = await self._held.find(id)
            return None if history is None else ConversationRecord(history)
        record = await self._run(self._database.read(id), READ_TIMEOUT_S)
        return None if record is None else replace(record, calls=await self._settled(self._database, id, record.calls))

    async def _settled(self, database: Database, id: str, calls: tuple[CallRecord, ...]) -> tuple[CallRecord, ...]:
        """Returns the calls of a conversation, as they have been read. The end of those that are lost is unknown.

        A call is lost if it is stored as running, and neither this process nor another one works on it: it went down
        with the process that did. While the database can't be asked who works on it, it counts as lost.
        """
        elsewhere: set[str] = set()

        def is_lost(call: CallRecord) -> bool:
            running_here = (id, call.id) in self._running_calls
            return call.status is CallStatus.RUNNING and not running_here and call.id not in elsewhere

        if any(is_lost(call) for call in calls):
            with contextlib.suppress(StoreError):
                if self.leases is not None:
                    elsewhere = await self._run(self.leases.calls_worked_on(id), READ_TIMEOUT_S)
                calls = await self._run(database.calls_of(id), READ_TIMEOUT_S)  # an end may just have been stored
        return tuple(replace(call, status=CallStatus.UNKNOWN, result=LOST) if is_lost(call) else call for call in calls)

    async def count_turns(self, day: int, turns: int) -> int | None:
        """Adds to the turns of a day, and returns the sum for all servers on this database.

        Returns None if nothing is stored, or if the database has failed and does not work again yet.
        """
        if self._database is None or self._operations.problem is not None:
            return None
        try:
            return await self._run(self._database.count_turns(day, turns), READ_TIMEOUT_S)
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
            await self._run(self._database.delete(id), WRITE_TIMEOUT_S)
            for conversation in live:
                conversation.stop()
        self._housekeeping_due.set()

    async def _take(
        self, database: Database, id: str, owner: str, takeover: PendingTakeover, place: SessionPlace | None
    ) -> ConversationRecord | None:
        """Takes a conversation over from other sessions, also of other processes, and ends those sessions.

        They write their last words before. If the new session has given up, StoreError is raised, and nothing changes
        for sessions of this process.
        """
        before = [each for each in self._live if each.id == id]
        for conversation in before:
            await conversation.flush()
        if self.leases is not None:
            await self.leases.take_over(id, place, takeover)
        record = await database.take(id, owner, self._clock(), takeover)
        for conversation in before:
            _end_taken_over(conversation)
        return record

    def is_written(self, place: str) -> bool:
        """Returns whether all is stored that the session with this place has to store."""
        return all(each.place != place for each in self._live)

    async def give_up(self, place: str) -> None:
        """Stores the last words of the session that has this place, and ends it: another process goes on with it."""
        for conversation in [each for each in self._live if each.place == place]:
            await conversation.flush()
            _end_taken_over(conversation)

    async def leases_renewed(self) -> None:
        """Ends the sessions whose conversations others have taken without waiting for them, and learns of ended calls.

        Does nothing if the database fails now.
        """
        assert self._database is not None, "without a database there are no leases"
        live = {each.id: each for each in self._live if each.id is not None}
        if not live:
            return
        with contextlib.suppress(StoreError):
            owners = await self._run(self._database.owners(live), READ_TIMEOUT_S)
            for id, owner in owners.items():
                if owner != live[id].owner and live[id] in self._live:
                    _end_taken_over(live[id])
            for id, conversation in live.items():
                if any((id, call.id) not in self._running_calls for call in conversation.open_calls):
                    await self._learn_of_ended_calls(self._database, id, conversation)

    async def _learn_of_ended_calls(self, database: Database, id: str, conversation: StoredConversation) -> None:
        """Tells a session which calls have ended that other processes work on, or have worked on."""
        stored = await self._settled(database, id, await self._run(database.calls_of(id), READ_TIMEOUT_S))
        waiting = {call.id for call in conversation.open_calls if (id, call.id) not in self._running_calls}
        for call in stored:
            if call.ended and call.id in waiting:
                conversation.tell_call_ended(ToolCallEnded(call.id, call.status, call.result))

    async def _run(
        self, operation: Coroutine[Any, Any, T], timeout_s: float, takeover: PendingTakeover | None = None
    ) -> T:
        """Runs an operation of the database: see `Operations.run`."""
        return await self._operations.run(operation, timeout_s, takeover)

    async def _run_housekeeping(self, first: asyncio.Task[None]) -> None:
        """Purges every `PURGE_INTERVAL_S`, and `RETRY_S` after something has made housekeeping due."""
        await first
        while True:
            try:
                async with asyncio.timeout(PURGE_INTERVAL_S):
                    await self._housekeeping_due.wait()
                await asyncio.sleep(RETRY_S)
            except TimeoutError:
                pass
            await self.purge()

    async def purge(self) -> None:
        """Deletes old conversations and those beyond the maximum size, and returns the space to the disk."""
        database = self._database
        if database is None:
            return
        self._housekeeping_due.clear()
        before_s = self._clock() - self._retention_s if self._retention_s else 0.0
        try:
            purged = 0
            while deleted := await self._run(database.purge(before_s), WRITE_TIMEOUT_S):
                purged += deleted
            self._written_bytes = 0
            unused, oldest = await self._run(database.make_room(MAX_DATABASE_BYTES), MAKE_ROOM_TIMEOUT_S)
            while await self._run(database.shrink(), WRITE_TIMEOUT_S):
                pass
            if self.leases is not None:
                await self._run(self.leases.purge(int(self._clock() // DAY_S)), WRITE_TIMEOUT_S)
        except StoreError:
            return
        if purged:
            logger.info("%d old conversations were deleted", purged)
        if unused or oldest:
            logger.warning(
                "the database was larger than %d MB: %d unused imports and the %d least recently used conversations"
                " were deleted",
                *(MAX_DATABASE_BYTES // 1_000_000, unused, oldest),
            )


def _end_taken_over(conversation: StoredConversation) -> None:
    """Ends the session of a conversation that another session goes on with. It writes nothing more."""
    conversation.stop()
    if conversation.participant is not None:
        conversation.participant.conversation_taken_over()


def is_id(id: str) -> bool:
    return re.fullmatch(ID_PATTERN, id) is not None
