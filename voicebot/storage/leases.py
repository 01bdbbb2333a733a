"""What this process shares with the other processes on its database: places, held conversations, running calls, limits.

It is used by one of several workers, and by each server on a Postgres. A process alone on SQLite shares nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from voicebot.access.places import Occupancy, PlaceLimits, SessionPlace
from voicebot.runtime.faults import Faults
from voicebot.storage.database import Database, StoreError
from voicebot.storage.imports import address_label
from voicebot.storage.lease_tables import CHANNEL, Lease, LeaseTables
from voicebot.storage.operations import Operations, PendingTakeover
from voicebot.workers.life import SignOfLife, is_dead
from voicebot.workers.place import WorkerPlace

logger = logging.getLogger(__name__)

RENEW_S = 3.0
"""The interval at which a process renews all its leases, in one transaction."""

POLL_S = 0.5
"""With SQLite, which cannot notify anybody, a process with sessions asks at this interval whether another one wants one
of its conversations."""

ANSWER_S = 0.5
"""How long a client that connects waits for the database. Then its process decides by its share of the places."""

EXCHANGE_TIMEOUT_S = 2.0

GIVE_UP_S = 1.0
"""How long a takeover waits until the process that has the conversation has stored the last words. That process learns
of it within `POLL_S`, or at once from Postgres. It may be dead, or too busy."""

LOOK_AGAIN_S = 0.05
"""The interval at which a takeover looks whether the conversation was given up."""

RETRY_S = 1.0
"""The interval at which a process looks whether its database works again, and connects again to be notified by it."""

NAME_BYTES = 12
"""The length of the hash of an address or browser under which wrong passwords are counted."""


class HeldConversations(Protocol):
    """The conversations of the sessions of this process."""

    def is_written(self, place: str) -> bool:
        """Returns whether all is stored that the session with this place has to store."""
        ...

    async def give_up(self, place: str) -> None:
        """Stores the last words of the session that has this place, and ends it: another process goes on with it."""
        ...

    async def leases_renewed(self) -> None:
        """Looks at what others have changed in the stored conversations. Is called after a renewal."""
        ...


@dataclass(eq=False, slots=True)
class _Request:
    """A question about places: to count them, or with `limits` to take one. `answer` becomes None without a database.

    With a `day`, the time for which the address has talked on that day is looked up, too.
    """

    lease: Lease
    limits: PlaceLimits | None = None
    day: int | None = None
    answer: asyncio.Future[Occupancy | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def is_refused(self, occupied: Occupancy) -> bool:
        """Returns whether this is a claim that the limits do not allow."""
        return self.limits is not None and not self.limits.allow(occupied)


@dataclass(slots=True)
class _Batch:
    """What is written to the database in one transaction, and read from it."""

    renews: bool
    requests: list[_Request]
    vacated: set[str]
    released: set[str]
    begun_calls: set[tuple[str, str]]
    ended_calls: set[tuple[str, str]]
    talked_s: dict[tuple[int, str], float]

    @property
    def claims(self) -> bool:
        return any(request.limits is not None for request in self.requests)

    @property
    def writes(self) -> bool:
        return self.renews or self.claims or bool(self.vacated or self.released or self.begun_calls or self.ended_calls)


@dataclass(slots=True)
class _Answer:
    """What was read: the answers to the requests, sums of talk times, wanted leases, and how many places are taken, by
    how many processes."""

    occupied: list[Occupancy] = field(default_factory=list)
    talked_s: dict[tuple[int, str], float] = field(default_factory=dict)
    wanted: list[str] = field(default_factory=list)
    taken: int | None = None
    processes: int | None = None


class Leases:
    """The leases of this process, which renews them. If it dies, they expire some seconds later.

    All statements about places go through one task, which puts what has gathered meanwhile into one transaction. So
    hundreds of offers at once take a few transactions, and sessions that go on take none of their own.

    While the database is away, nothing is asked and nobody waits; what this process holds is put right afterwards.
    """

    def __init__(
        self, database: Database, operations: Operations, place: WorkerPlace | None, conversations: HeldConversations
    ) -> None:
        self._database, self._operations, self._conversations = database, operations, conversations
        self._place = place
        self.holder = secrets.token_hex(8)
        """The name of this process."""
        self._tables = LeaseTables(database.kind, self.holder)
        self._held: dict[str, Lease] = {}
        """The leases that this process has, or believes to have."""
        self._calls: set[tuple[str, str]] = set()
        """The calls that this process works on: pairs of a conversation and a call's identifier."""
        self._stale = False
        """The database may have other leases of this process than those."""
        self._requests: list[_Request] = []
        self._vacated: set[str] = set()
        """Places to give back whose sessions have ended, but have not stored their last words yet."""
        self._ending: set[str] = set()
        """All leases of such sessions."""
        self._released: set[str] = set()
        self._begun_calls: set[tuple[str, str]] = set()
        self._ended_calls: set[tuple[str, str]] = set()
        self._talked_s: dict[tuple[int, str], float] = {}
        """The seconds that addresses (by day and label) have talked and that are not in the shared sums yet."""
        self._sums_s: dict[tuple[int, str], float] = {}
        """The shared sums, as they were last seen."""
        self._giving_up: set[str] = set()
        self._renewal_s = 0.0
        """When to renew, by the clock of the event loop."""
        self._processes = 1 if place is None else place.count
        self._taken = 0
        self._due = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._counting: set[asyncio.Task[float | None]] = set()
        """The wrong passwords that are being counted. Their clients wait `ANSWER_S` for it."""
        self._sign: SignOfLife | None = None
        self._faults = Faults()

    # The life of this process -----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Announces this process to the others, and begins to renew its leases."""
        if self._place is not None:
            self._sign = SignOfLife(self._place.folder, self.holder)
        if self._operations.problem is None:
            with self._faults.contained("the first exchange of leases"):
                await self._exchange()
        self._run_task(self._keep_exchanging(), "leases")
        if self._database.kind == "postgresql":
            self._run_task(self._listen(), "notifications of leases")

    async def close(self) -> None:
        """Gives all leases back, if the database takes that in time."""
        await self.abandon()
        if self._operations.problem is None:
            with contextlib.suppress(StoreError):
                await self._operations.run(self._resign(), EXCHANGE_TIMEOUT_S)
                if self._sign is not None:
                    self._sign.remove()  # otherwise it tells that the holder of these leases is dead

    async def abandon(self) -> None:
        """Leaves the leases to expire, as if this process had died."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for request in self._requests:
            _settle(request, None)
        if self._sign is not None:
            self._sign.close()

    async def _resign(self) -> None:
        async with self._database.transaction() as connection:
            await self._tables.resign(connection)

    def _run_task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _listen(self) -> None:
        """Looks for wanted conversations whenever Postgres says that there is one."""
        while True:
            if self._operations.problem is None:
                with contextlib.suppress(StoreError):
                    async with contextlib.aclosing(self._database.notifications(CHANNEL)) as notifications:
                        async for holder in notifications:
                            if holder in (self.holder, None):
                                self._due.set()
            await asyncio.sleep(RETRY_S)

    async def _keep_exchanging(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            wait_s = self._renewal_s - loop.time()
            if self._database.kind == "sqlite" and self._held:
                wait_s = min(wait_s, POLL_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, wait_s)):
                    await self._due.wait()
            self._due.clear()
            if self._operations.problem is not None:  # housekeeping finds out when the database is back
                self._stale, self._renewal_s = True, loop.time() + RETRY_S
                continue
            with self._faults.contained("the exchange of leases"):
                await self._exchange()

    async def _exchange(self) -> None:
        """Writes what has gathered, and reads what others want, in one transaction."""
        now_s = asyncio.get_running_loop().time()
        batch = self._take_batch(renews=now_s >= self._renewal_s or self._stale)
        if batch.renews:
            self._renewal_s = now_s + RENEW_S
        answer: _Answer | None = None
        stale, self._stale = self._stale, False
        try:
            answer = await self._operations.run(self._transact(batch, restores=stale), EXCHANGE_TIMEOUT_S)
        except StoreError:
            self._renewal_s = now_s + RENEW_S
        finally:
            if answer is None:
                self._return_batch(batch)
        if answer is None:
            return
        for request, occupied in zip(batch.requests, answer.occupied, strict=True):
            if request.is_refused(occupied) and not request.answer.done():
                self._held.pop(request.lease.id, None)
            _settle(request, occupied)
        self._sums_s |= answer.talked_s
        if answer.taken is not None:
            self._taken = answer.taken
        if answer.processes is not None:
            self._processes = max(answer.processes, 1 if self._place is None else self._place.count)
        for id in answer.wanted:
            if id not in self._giving_up and id not in self._ending:
                self._giving_up.add(id)
                self._run_task(self._give_up(id), "give up a conversation")
        if batch.renews and (self._looking is None or self._looking.done()):
            self._looking = self._run_task(self._look_at_conversations(), "look at the stored conversations")

    async def _look_at_conversations(self) -> None:
        with self._faults.contained("looking at the stored conversations"):
            await self._conversations.leases_renewed()

    def _take_batch(self, *, renews: bool) -> _Batch:
        requests = [request for request in self._requests if not request.answer.done()]
        batch = _Batch(renews, requests, self._vacated, self._released, self._begun_calls, self._ended_calls, {})
        if renews:
            batch.talked_s, self._talked_s = self._talked_s, {}
        self._requests, self._vacated, self._released = [], set(), set()
        self._begun_calls, self._ended_calls = set(), set()
        return batch

    def _return_batch(self, batch: _Batch) -> None:
        """Keeps what could not be written. Leases and calls are restored as a whole.

        SQLite may still write a transaction that has timed out: then its talk times count twice.
        """
        self._stale = True
        for key, seconds in batch.talked_s.items():
            self._talked_s[key] = self._talked_s.get(key, 0.0) + seconds
        for request in batch.requests:
            _settle(request, None)

    async def _transact(self, batch: _Batch, *, restores: bool) -> _Answer:
        answer, tables = _Answer(), self._tables
        async with self._database.transaction() as connection:
            if batch.claims or (batch.writes and self._database.kind == "sqlite"):
                await tables.lock(connection)
            if batch.writes:
                known = await tables.renew(connection)
                if restores or not known:
                    undecided = self._undecided(batch)
                    held = [lease for lease in self._held.values() if lease.id not in undecided]
                    await tables.restore(connection, held, self._ending, self._calls)
                await tables.vacate(connection, batch.vacated)
                await tables.release(connection, batch.released)
                await tables.put_calls(connection, batch.begun_calls)
                await tables.end_calls(connection, batch.ended_calls)
            if batch.requests:
                answer.occupied = await self._decide(connection, batch.requests)
                for day in {request.day for request in batch.requests if request.day is not None}:
                    labels = {request.lease.label for request in batch.requests if request.day == day}
                    answer.talked_s |= await tables.talk_times(connection, day, labels)
            if batch.renews:
                answer.talked_s |= await tables.add_talk_times(connection, batch.talked_s)
                answer.processes = await tables.count_holders(connection)
                answer.taken = len(await tables.counted(connection))
            answer.wanted = await tables.wanted(connection)
        return answer

    def _undecided(self, batch: _Batch) -> set[str]:
        """Returns the places that are claimed and not granted yet."""
        claims = (each for each in (*batch.requests, *self._requests) if each.limits is not None)
        return {claim.lease.id for claim in claims if not claim.answer.done()}

    async def _decide(self, connection: AsyncConnection, requests: list[_Request]) -> list[Occupancy]:
        """Answers the requests one after the other, and stores the places that they take.

        A refused place is deleted, as it may be that of a session whose conversation was taken over.
        """
        taken = await self._tables.counted(connection)
        answers, granted, refused = [], [], []
        for request in requests:
            lease = request.lease
            others = [each for each in taken if each.id != lease.id and not _same_conversation(each, lease)]
            occupied = Occupancy(len(others), sum(each.label == lease.label for each in others))
            answers.append(occupied)
            if request.is_refused(occupied):
                refused.append(lease.id)
                taken = [each for each in taken if each.id != lease.id]
            elif request.limits is not None:
                granted.append(lease)
                taken = [each for each in taken if each.id != lease.id] + [lease]
        await self._tables.release(connection, refused)
        await self._tables.put(connection, granted)
        return answers

    # Places -----------------------------------------------------------------------------------------------------------

    @property
    def processes(self) -> int:
        return self._processes

    @property
    def taken(self) -> int:
        return self._taken

    async def count(self, place: SessionPlace, conversation: str | None, day: int | None) -> Occupancy | None:
        if day is not None:
            self._sums_s = {key: sum_s for key, sum_s in self._sums_s.items() if key[0] >= day}
        return await self._ask(_Request(Lease(place.id, address_label(place.address), conversation), day=day))

    async def claim(self, place: SessionPlace, conversation: str | None, limits: PlaceLimits) -> Occupancy | None:
        lease = self._held[place.id] = Lease(place.id, address_label(place.address), conversation)
        occupied = await self._ask(_Request(lease, limits))
        if occupied is None:
            self._stale = True
        return occupied

    async def _ask(self, request: _Request) -> Occupancy | None:
        if self._operations.problem is not None:
            return None
        self._requests.append(request)
        self._due.set()
        try:
            await asyncio.wait({request.answer}, timeout=ANSWER_S)
        finally:
            _settle(request, None)  # so that nothing is claimed for a client that has left
        return request.answer.result()

    def release(self, place: SessionPlace) -> None:
        for request in self._requests:
            if request.lease.id == place.id:
                _settle(request, None)  # it must not be granted after the release
        if self._held.pop(place.id, None) is None:
            return
        if self._conversations.is_written(place.id):
            self._released.add(place.id)
        else:  # whoever goes on with the conversation waits until the lease is gone
            self._ending.add(place.id)
            self._vacated.add(place.id)
        self._due.set()

    def written(self, place: str) -> None:
        """Gives a lease back whose session has ended, and has stored its last words now."""
        if place in self._ending:
            self._ending.discard(place)
            self._released.add(place)
            self._due.set()

    # Conversations ----------------------------------------------------------------------------------------------------

    async def take_over(self, conversation: str, place: SessionPlace | None, takeover: PendingTakeover) -> None:
        """Has the process that has a session in this conversation give it up, and waits `GIVE_UP_S` for it at most.

        The place of that session becomes `place` in the same step. Raises StoreError.
        """
        async with self._database.transaction() as connection:
            becomes_free = await self._tables.want(connection, conversation)
            if becomes_free and place is not None and not takeover.given_up:
                if not await self._tables.renew(connection):
                    self._stale = True  # its other leases were deleted with it
                lease = self._held.setdefault(place.id, Lease(place.id, address_label(place.address), None))
                await self._tables.put(connection, [lease])
            holders = await self._tables.other_holders(connection, conversation)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GIVE_UP_S):
                while self._living(holders):
                    await asyncio.sleep(LOOK_AGAIN_S)
                    async with self._database.transaction() as connection:
                        holders = await self._tables.other_holders(connection, conversation)

    def _living(self, holders: set[str]) -> set[str]:
        if self._place is None:
            return holders
        folder = self._place.folder
        return {holder for holder in holders if not is_dead(folder, holder)}

    async def _give_up(self, id: str) -> None:
        try:
            with self._faults.contained("giving a conversation up"):
                await self._conversations.give_up(id)
        finally:
            self._held.pop(id, None)
            self._ending.discard(id)
            self._released.add(id)
            self._giving_up.discard(id)
            self._due.set()

    # Calls of tools ---------------------------------------------------------------------------------------------------

    def call_begun(self, conversation: str, call: str) -> None:
        """Notes that this process works on a call."""
        self._calls.add((conversation, call))
        self._begun_calls.add((conversation, call))
        self._due.set()

    def call_ended(self, conversation: str, call: str) -> None:
        self._calls.discard((conversation, call))
        self._begun_calls.discard((conversation, call))
        self._ended_calls.add((conversation, call))
        self._due.set()

    async def calls_worked_on(self, conversation: str) -> set[str]:
        """Returns the calls of a conversation that living processes work on. Raises StoreError."""
        async with self._database.transaction() as connection:
            calls = await self._tables.worked_on(connection, conversation)
        living = self._living(set(calls.values()))
        return {call for call, holder in calls.items() if holder in living}

    # Limits -----------------------------------------------------------------------------------------------------------

    def add_talk_time(self, day: int, address: str, seconds: float) -> None:
        key = (day, address_label(address))
        self._talked_s[key] = self._talked_s.get(key, 0.0) + seconds

    def talk_time_s(self, day: int, address: str) -> float:
        key = (day, address_label(address))
        return self._sums_s.get(key, 0.0) + self._talked_s.get(key, 0.0)

    async def count_guess(self, name: str, token_s: float) -> float | None:
        """Counts a wrong password in all processes. See `access.places.GuessCounter`."""
        if self._operations.problem is not None:
            return None
        hashed = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[: 2 * NAME_BYTES]
        # The client's patience says nothing about the database: it gets the time of any other operation.
        counting = asyncio.create_task(self._count_guess(hashed, token_s), name="count a wrong password")
        self._counting.add(counting)
        counting.add_done_callback(self._counting.discard)
        counted, _ = await asyncio.wait({counting}, timeout=ANSWER_S)
        return counting.result() if counted else None

    async def _count_guess(self, name: str, token_s: float) -> float | None:
        async def count() -> float:
            async with self._database.transaction() as connection:
                return await self._tables.count_guess(connection, name, token_s)

        try:
            return await self._operations.run(count(), EXCHANGE_TIMEOUT_S) / token_s
        except StoreError:
            return None

    async def purge(self, today: int) -> None:
        """Deletes what has expired. Raises StoreError."""
        async with self._database.transaction() as connection:
            await self._tables.purge(connection, today - 1)


def _settle(request: _Request, answer: Occupancy | None) -> None:
    if not request.answer.done():
        request.answer.set_result(answer)


def _same_conversation(one: Lease, other: Lease) -> bool:
    return one.conversation is not None and one.conversation == other.conversation
