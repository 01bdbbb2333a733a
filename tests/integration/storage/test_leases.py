"""Several workers on one database: their limits hold together, and a conversation has one session at most."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from pydantic import SecretStr

from tests.support.postgres import Postgres
from tests.support.replica import goes_on, replica, state, stored_history, talk
from tests.support.schema import rows, run
from voicebot.access.admission import Admission, RefusedError, SessionSlot
from voicebot.access.refusal import Reason
from voicebot.dialogue.events import ToolCallEnded
from voicebot.dialogue.state import State
from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.settings import config
from voicebot.storage import conversations, lease_tables, leases
from voicebot.storage.conversation import StoredConversation
from voicebot.storage.conversations import LOST, Conversations
from voicebot.storage.database import Database, StoreError
from voicebot.storage.lease_tables import LeaseTables
from voicebot.workers.life import is_dead
from voicebot.workers.place import WorkerPlace

ANN, BOB = "192.0.2.1", "192.0.2.2"
ONE, TWO = "tell me a joke", "A horse walks into a bar."
HELD_IN = (("leases", "holder"), ("lease_holders", "id"))
PIZZA = CallRecord("call_1", "order_pizza", "{}", position=1)


class Session:
    """Notes what its conversation tells it."""

    def __init__(self, slot: SessionSlot | None = None) -> None:
        self.slot = slot
        self.taken_over = asyncio.Event()
        self.ended: asyncio.Queue[ToolCallEnded] = asyncio.Queue()

    def conversation_taken_over(self) -> None:
        if self.slot is not None:
            self.slot.release()
        self.taken_over.set()

    def call_ended(self, ended: ToolCallEnded) -> bool:
        self.ended.put_nowait(ended)
        return True


@dataclass
class Worker:
    """The part of a worker that knows who may talk."""

    conversations: Conversations
    admission: Admission

    async def connect(self, address: str = ANN, conversation: str | None = None) -> tuple[StoredConversation, Session]:
        """Begins a session, as the route `/ws` does. Raises RefusedError."""
        slot = await self.admission.take_slot(address, None, conversation)
        try:
            opened = await self.conversations.open(conversation, slot.place)
            opened.participant = session = Session(slot)
            await slot.confirm(opened.id)
        except BaseException:
            slot.release()
            raise
        return opened, session

    async def crash(self) -> None:
        """Ends what the worker does about leases, as `kill -9` would: it tells nobody."""
        assert self.conversations.leases is not None
        await self.conversations.leases.abandon()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir(mode=0o700)
    return tmp_path / "run"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_S", 0.2)
    monkeypatch.setattr(leases, "RETRY_S", 0.1)
    monkeypatch.setattr(leases, "ANSWER_S", 5.0)  # the machine may be busy
    monkeypatch.setattr(leases, "GIVE_UP_S", 5.0)
    monkeypatch.setattr(conversations, "READ_TIMEOUT_S", 10.0)


@asynccontextmanager
async def workers(url: str, folder: Path, count: int, **settings: Any) -> AsyncIterator[list[Worker]]:
    async with AsyncExitStack() as stack:
        started = []
        for number in range(count):
            place = WorkerPlace(folder, number, count)
            here = await stack.enter_async_context(replica(url, None, place, **settings))
            loaded = config.load(database_url=SecretStr(url), **settings)
            started.append(Worker(here, Admission(loaded, shared=here.leases, processes=count)))
        yield started


async def refusal(worker: Worker, address: str = ANN, conversation: str | None = None) -> Reason | None:
    """Returns why no session can begin; None if one can, which then goes on."""
    try:
        await worker.connect(address, conversation)
    except RefusedError as refused:
        return refused.reason
    return None


async def stored_places(url: str) -> int:
    return len(await asyncio.to_thread(rows, url, "SELECT id FROM leases"))


async def until_stored_places(url: str, count: int) -> None:
    async with asyncio.timeout(20):
        while await stored_places(url) != count:  # noqa: ASYNC110 (a database has no event)
            await asyncio.sleep(0.1)


# Places ---------------------------------------------------------------------------------------------------------------


async def test_the_limits_hold_for_two_hundred_offers_at_once_through_three_workers(url: str, folder: Path) -> None:
    limits = {"max_sessions": 10, "max_sessions_per_address": 3, "offers_per_minute": 1_000}
    async with workers(url, folder, 3, **limits) as three:
        slots: list[SessionSlot] = []
        reasons: Counter[str] = Counter()

        async def offer(number: int) -> None:
            slot = None
            try:
                slot = await three[number % 3].admission.add_pending(f"192.0.2.{number % 5}")
                slot.occupy()
                await slot.confirm(f"{number:032}")
            except RefusedError as refused:
                reasons[refused.reason] += 1
                if slot is not None:
                    slot.release()
            else:
                slots.append(slot)

        await asyncio.gather(*(offer(number) for number in range(200)))
        assert len(slots) == 10
        assert max(Counter(slot.address for slot in slots).values()) <= 3
        assert reasons[Reason.FULL] + reasons[Reason.ADDRESS] == 190
        assert await stored_places(url) == 10
        for slot in slots[:4]:
            slot.release()
        await until_stored_places(url, 6)
        again = [await refusal(three[number % 3], f"198.51.100.{number}") for number in range(5)]
        assert again == [None] * 4 + [Reason.FULL]


async def test_a_refused_place_is_not_stored_also_if_the_leases_are_restored_just_then(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEW_S", 60.0)  # only the claim restores them
    async with workers(url, folder, 2, max_sessions=1) as (first, second):
        slot = await second.admission.take_slot(BOB)  # while there is room
        await first.connect()
        assert second.conversations.leases is not None
        taken_for_dead = f"DELETE FROM lease_holders WHERE id = '{second.conversations.leases.holder}'"
        await asyncio.to_thread(run, url, taken_for_dead)
        with pytest.raises(RefusedError):
            await slot.confirm(None)
        slot.release()
        assert await stored_places(url) == 1


async def test_a_place_that_is_given_up_before_it_is_granted_is_not_stored(url: str, folder: Path) -> None:
    async with workers(url, folder, 2, max_sessions=1) as (first, second):
        slot = await first.admission.add_pending(ANN)
        slot.occupy()
        confirming = asyncio.create_task(slot.confirm("A" * 32))
        await asyncio.sleep(0)  # it asks for the place
        slot.release()
        await confirming
        assert await refusal(second, BOB) is None
        assert await stored_places(url) == 1


async def test_a_worker_that_cannot_give_its_leases_back_is_known_to_be_dead(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with workers(url, folder, 2) as (first, _):
        ending = first.conversations.leases
        assert ending is not None
        assert not is_dead(folder, ending.holder)
        with monkeypatch.context() as patch:
            patch.setattr(LeaseTables, "resign", AsyncMock(side_effect=StoreError("away")))
            await ending.close()
        assert is_dead(folder, ending.holder)


async def test_the_places_of_a_worker_that_was_killed_become_free_soon(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_tables, "LIFE_S", 2.0)
    async with workers(url, folder, 2, max_sessions=1) as (first, second):
        await first.connect()
        assert await refusal(second, BOB) is Reason.FULL
        await first.crash()
        async with asyncio.timeout(20):
            while await refusal(second, BOB) is Reason.FULL:  # noqa: ASYNC110 (a database has no event)
                await asyncio.sleep(0.1)
        assert second.admission.sessions == 1


async def test_the_places_of_a_worker_that_was_killed_become_free_also_if_the_clock_was_set_back(
    url: str, folder: Path
) -> None:
    async with workers(url, folder, 2, max_sessions=1) as (first, second):
        await first.connect()
        assert await refusal(second) is Reason.FULL
        await first.crash()
        await asyncio.to_thread(run, url, "UPDATE lease_holders SET expires_at = expires_at + 3600")
        assert await refusal(second) is None


async def test_a_worker_that_shuts_down_leaves_no_lease_behind(url: str, folder: Path) -> None:
    async with workers(url, folder, 2, max_sessions=2) as (first, _):
        await first.connect()
        assert await stored_places(url) == 1
    assert rows(url, "SELECT id FROM lease_holders") == rows(url, "SELECT id FROM leases") == []
    assert os.listdir(folder) == []


async def test_one_process_alone_on_sqlite_shares_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/conversations.db"
    async with replica(url) as here:
        assert here.leases is None
        admission = Admission(config.load(max_sessions=1))
        await (await admission.take_slot(ANN)).confirm("A" * 32)
    assert rows(url, "SELECT id FROM lease_holders") == []


async def test_without_a_database_each_worker_admits_its_share(folder: Path) -> None:
    off = Conversations(config.load(keep_conversations=False), place=WorkerPlace(folder, 0, 2))
    assert off.leases is None
    worker = Worker(off, Admission(config.load(max_sessions=3), shared=off.leases, processes=2))
    assert [await refusal(worker) for _ in range(3)] == [None, None, Reason.FULL]


async def test_no_session_ends_while_postgres_is_away_and_the_leases_are_right_when_it_is_back(
    postgres: Postgres, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "RETRY_S", 0.1)
    url = postgres.new_database("leases")
    async with workers(url, folder, 2, max_sessions=6, max_sessions_per_address=0) as two:
        before, (left, leaver) = await two[0].connect(), await two[0].connect()
        await asyncio.to_thread(postgres.stop)
        try:
            async with asyncio.timeout(20):
                while any(each.conversations.health.ready for each in two):  # noqa: ASYNC110 (it has no event)
                    await asyncio.sleep(0.05)
            assert leaver.slot is not None
            left.end()
            leaver.slot.release()
            shares = [[await refusal(each) for _ in range(4)] for each in two]
            assert shares == [[None, None, Reason.FULL, Reason.FULL], [None, None, None, Reason.FULL]]
            assert not before[1].taken_over.is_set()
        finally:
            postgres.start()
        await until_stored_places(url, 6)
        async with asyncio.timeout(20):
            while not all(each.conversations.health.ready for each in two):  # noqa: ASYNC110 (it has no event)
                await asyncio.sleep(0.05)
        assert await refusal(two[0]) is Reason.FULL
        assert not before[1].taken_over.is_set()


# Conversations --------------------------------------------------------------------------------------------------------


async def test_another_worker_takes_over_conversation_and_place_after_the_last_words_are_stored(
    url: str, folder: Path
) -> None:
    async with workers(url, folder, 2, max_sessions=1) as (first, second):
        old, session = await first.connect()
        await goes_on(old, state(ONE))
        old.keep(state(ONE, TWO), at_once=False)
        assert await refusal(second, BOB) is Reason.FULL
        new, _ = await second.connect(BOB, old.id)
        assert (new.id, new.history, new.notice) == (old.id, talk(ONE, TWO), None)
        assert session.taken_over.is_set()
        assert await refusal(first) is Reason.FULL
        await until_stored_places(url, 1)
        back, _ = await first.connect(ANN, old.id)
        assert back.history == talk(ONE, TWO)


async def test_a_process_whose_leases_were_deleted_gets_them_all_back_also_if_it_first_takes_one_over(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEW_S", 3_600.0)
    async with workers(url, folder, 2) as (first, second):
        await first.connect(ANN)
        theirs, _ = await second.connect(BOB)
        await goes_on(theirs, state(ONE))
        assert first.conversations.leases is not None
        holder = first.conversations.leases.holder
        gone = (f"DELETE FROM {table} WHERE {column} = '{holder}'" for table, column in HELD_IN)
        await asyncio.to_thread(run, url, *gone)
        assert await stored_places(url) == 1
        await first.connect(BOB, theirs.id)
        await until_stored_places(url, 2)


async def test_two_transactions_of_a_process_that_was_taken_for_dead_can_renew_its_leases_at_once(url: str) -> None:
    async with replica(url, None):
        database = Database(url)
        tables = LeaseTables(database.kind, "holder")

        async def renew() -> None:
            async with database.transaction() as connection:
                await tables.renew(connection)

        async with database.transaction() as connection:
            await tables.renew(connection)
            other = asyncio.create_task(renew())
            if database.kind == "postgresql":
                waiting = "SELECT pid FROM pg_locks WHERE NOT granted"
                async with asyncio.timeout(5):
                    while not await asyncio.to_thread(rows, url, waiting):  # noqa: ASYNC110 (it has no event)
                        await asyncio.sleep(0.02)
            else:
                await asyncio.sleep(0.2)  # SQLite tells nobody who waits
        await other
        await database.close()


async def test_the_last_words_of_a_session_that_ends_are_stored_before_another_worker_goes_on(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with workers(url, folder, 2, max_sessions=1) as (first, second):
        old, session = await first.connect()
        await goes_on(old, state(ONE))
        save, may_save = first.conversations.save, asyncio.Event()

        async def late(*arguments: Any, **options: Any) -> bool:
            await may_save.wait()
            return await save(*arguments, **options)

        monkeypatch.setattr(first.conversations, "save", late)
        old.keep(state(ONE, TWO), at_once=False)
        old.end()
        assert session.slot is not None
        session.slot.release()
        taking = asyncio.create_task(second.connect(ANN, old.id))
        async with asyncio.timeout(20):
            while not second.admission.sessions:  # noqa: ASYNC110 (it has no event)
                await asyncio.sleep(0.01)
        may_save.set()
        new, _ = await taking
        assert new.history == talk(ONE, TWO)
        assert not session.taken_over.is_set()
        await until_stored_places(url, 1)


async def test_a_conversation_of_a_worker_that_was_killed_is_taken_over_without_waiting(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "GIVE_UP_S", 60.0)
    async with workers(url, folder, 2, max_sessions=1) as (first, second):
        old, _ = await first.connect()
        await goes_on(old, state(ONE, TWO))
        await first.crash()
        async with asyncio.timeout(20):
            new, _ = await second.connect(ANN, old.id)
        assert (new.id, new.history) == (old.id, talk(ONE, TWO))


async def test_a_worker_that_does_not_answer_delays_nobody_for_long_and_notices_later(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "GIVE_UP_S", 0.2)
    async with workers(url, folder, 2) as (first, second):
        old, session = await first.connect()
        await goes_on(old, state(ONE))
        busy = asyncio.Event()
        with monkeypatch.context() as patch:
            patch.setattr(first.conversations, "give_up", lambda _: busy.wait())
            patch.setattr(first.conversations, "leases_renewed", lambda: asyncio.sleep(0))
            new, rival = await second.connect(ANN, old.id)
            assert new.history == talk(ONE)
            assert not session.taken_over.is_set()
        await asyncio.wait_for(session.taken_over.wait(), 20)
        await goes_on(new, state(ONE, TWO))
        assert old.id is not None
        assert await stored_history(first.conversations, old.id) == talk(ONE, TWO)
        assert not rival.taken_over.is_set()
        busy.set()


# Calls of tools -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("killed", [False, True])
async def test_a_call_that_another_worker_works_on_is_not_lost_and_its_end_is_told(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    monkeypatch.setattr(lease_tables, "LIFE_S", 3.0)
    async with workers(url, folder, 2) as (first, second):
        old, _ = await first.connect()
        old.call_begun(PIZZA.id)
        await goes_on(old, State(history=talk("a pizza please"), calls=(PIZZA,)))
        new, session = await second.connect(ANN, old.id)
        assert new.calls == (PIZZA,)
        if killed:
            await first.crash()
            expected = ToolCallEnded(PIZZA.id, CallStatus.UNKNOWN, LOST)
        else:
            expected = ToolCallEnded(PIZZA.id, CallStatus.DONE, "It comes.")
            await old.call_ended(expected)
        assert await asyncio.wait_for(session.ended.get(), 20) == expected
        stored = await second.conversations.read(old.id or "")
        assert stored is not None
        assert stored.calls == (replace(PIZZA, status=expected.status, result=expected.result),)


# Limits of a day, and wrong passwords ---------------------------------------------------------------------------------


async def test_an_address_has_its_minutes_of_the_day_once_in_all_workers(url: str, folder: Path) -> None:
    settings = {"minutes_per_day_per_address": 0.01}
    async with workers(url, folder, 2, **settings) as (first, second):
        _, session = await first.connect()
        assert session.slot is not None
        async with asyncio.timeout(20):
            while session.slot.closed_by_limit() is None:  # noqa: ASYNC110 (time has no event)
                await asyncio.sleep(0.05)
        session.slot.release()
        async with asyncio.timeout(20):
            while await refusal(second) is not Reason.DAY:  # noqa: ASYNC110 (a database has no event)
                await asyncio.sleep(0.05)
        assert await refusal(second, BOB) is None


async def test_wrong_passwords_are_counted_in_all_workers_together(url: str, folder: Path) -> None:
    async with workers(url, folder, 2) as two:
        first, second = (worker.conversations.leases for worker in two)
        assert first is not None
        assert second is not None
        missing = [await each.count_guess("address 192.0.2.1", 10_000.0) for each in (first, second, first)]
        assert missing == [pytest.approx(count, abs=0.01) for count in (1, 2, 3)]
        assert await second.count_guess("all", 100.0) == pytest.approx(1, abs=0.01)
        assert "192.0.2.1" not in str(rows(url, "SELECT name FROM wrong_passwords"))


async def test_a_wrong_password_does_not_wait_for_a_slow_database_which_still_counts_it(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "ANSWER_S", 0.1)
    count, may_count = LeaseTables.count_guess, asyncio.Event()

    async def slow(*arguments: Any) -> float:
        await may_count.wait()
        return await count(*arguments)

    async with workers(url, folder, 1) as (only,):
        assert only.conversations.leases is not None
        monkeypatch.setattr(LeaseTables, "count_guess", slow)
        assert await only.conversations.leases.count_guess("all", 100.0) is None
        assert only.conversations.health.ready, "the database has not failed"
        may_count.set()
        async with asyncio.timeout(5):
            while not await asyncio.to_thread(rows, url, "SELECT name FROM wrong_passwords"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
