"""Measures what leases cost: `python -m tests.benchmarks.leases` prints a Markdown table for SQLite and Postgres.

Three processes share one database, as three workers do. Nothing else of the bot runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.managers import SyncManager
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.support.postgres import running_postgres
from tests.support.replica import goes_on, state
from voicebot.access.admission import Admission, RefusedError
from voicebot.dialogue.events import ToolCallEnded
from voicebot.settings import config
from voicebot.storage.conversations import Conversations
from voicebot.workers.place import WorkerPlace

PROCESSES = 3
PLACES = 10
SETTINGS: dict[str, Any] = {"max_sessions": PLACES, "max_sessions_per_address": 0, "offers_per_minute": 10_000}
TALKING = 3
"""Sessions of each process in the measurements of renewals and of saves."""

QUIET_S = 15.0
OFFERS = 100
AT_ONCE = 200
TAKEOVERS = 20
SAVES = 60


class _Session:
    def __init__(self, release: Callable[[], None]) -> None:
        self._release = release

    def conversation_taken_over(self) -> None:
        self._release()

    def call_ended(self, ended: ToolCallEnded) -> bool:
        return True


class _Worker:
    """One process. The processes go through the same measurements, and wait for one another between them."""

    def __init__(self, url: str, folder: Path, number: int, shared: Any) -> None:
        place = WorkerPlace(folder, number, PROCESSES)
        self._number, self._shared = number, shared
        settings = config.load(database_url=SecretStr(url), **SETTINGS)
        self._conversations = Conversations(settings, place=place)
        self._admission = Admission(settings, shared=self._conversations.leases, processes=PROCESSES)
        self.figures: dict[str, float] = {}
        self._statements = 0
        event.listen(Engine, "before_cursor_execute", self._count)

    def _count(self, *_: object) -> None:
        self._statements += 1

    async def run(self) -> dict[str, float]:
        await self._conversations.start()
        for measure in (self._renew, self._offer, self._race, self._take_over, self._save):
            await asyncio.to_thread(self._shared.barrier.wait)
            await measure()
        await asyncio.to_thread(self._shared.barrier.wait)
        await self._conversations.close()
        return self.figures

    async def _connect(self, wanted: str | None = None) -> Any:
        slot = await self._admission.take_slot("192.0.2.1", None, wanted)
        try:
            opened = await self._conversations.open(wanted, slot.place)
            opened.participant = _Session(slot.release)
            await slot.confirm(opened.id)
        except RefusedError:
            slot.release()
            raise
        return slot, opened

    async def _renew(self) -> None:
        """Counts statements while sessions go on and nobody connects."""
        held = [await self._connect() for _ in range(TALKING)]
        await asyncio.to_thread(self._shared.barrier.wait)
        self._statements, began_s = 0, time.process_time()
        await asyncio.sleep(QUIET_S)
        self.figures["statements a second of a process with 3 sessions"] = self._statements / QUIET_S
        self.figures["its processor time, ms a second"] = (time.process_time() - began_s) / QUIET_S * 1_000
        for slot, opened in held:
            opened.end()
            slot.release()

    async def _offer(self) -> None:
        """Times what an offer waits for: the count at the offer, and the claim when its client has connected."""
        if self._number:
            return
        await asyncio.sleep(1)
        self._statements = 0
        counts, claims = [], []
        for number in range(OFFERS):
            began_s = time.perf_counter()
            slot = await self._admission.add_pending("192.0.2.1")
            counts.append(time.perf_counter() - began_s)
            slot.occupy()
            began_s = time.perf_counter()
            await slot.confirm(f"offer {number}")
            claims.append(time.perf_counter() - began_s)
            slot.release()
        self._note("count at an offer", counts)
        self._note("claim of a place", claims)
        self.figures["statements of an offer with its session's end"] = self._statements / OFFERS

    async def _race(self) -> None:
        """Lets all processes get 200 offers together at once."""
        if not self._number:
            await asyncio.sleep(1)
        await asyncio.to_thread(self._shared.barrier.wait)
        waits: list[float] = []
        admitted = []

        async def offer(number: int) -> None:
            began_s = time.perf_counter()
            with contextlib.suppress(RefusedError):
                admitted.append(await self._connect())
            waits.append(time.perf_counter() - began_s)

        await asyncio.gather(*(offer(number) for number in range(self._number, AT_ONCE, PROCESSES)))
        self._shared.sums.append(len(admitted))
        self.figures["slowest of 200 offers at once, ms"] = max(waits) * 1_000
        await asyncio.to_thread(self._shared.barrier.wait)
        self.figures[f"admitted of 200 at once ({PLACES} places)"] = sum(self._shared.sums)
        for slot, opened in admitted:
            opened.end()
            slot.release()

    async def _take_over(self) -> None:
        """Has two processes take one conversation from each other, with words that are not stored yet."""
        await asyncio.sleep(1)
        if self._number == 0:
            slot, opened = await self._connect()
            await goes_on(opened, state("hello"))
            self._shared.names["conversation"] = opened.id
        times = []
        for turn in range(TAKEOVERS):
            await asyncio.to_thread(self._shared.barrier.wait)
            if self._number == turn % 2 + 1:
                began_s = time.perf_counter()
                slot, opened = await self._connect(self._shared.names["conversation"])
                times.append(time.perf_counter() - began_s)
                opened.keep(state("hello", "there", *["you"] * turn), at_once=False)
        if times:
            self._note("takeover from a living process", times)
        await asyncio.to_thread(self._shared.barrier.wait)
        if self._number:
            opened.end()
            slot.release()

    async def _save(self) -> None:
        """Saves conversations as talking sessions do, each once a second."""
        held = [await self._connect() for _ in range(TALKING)]
        times: list[float] = []
        save = self._conversations.save

        async def timed(*arguments: Any, **options: Any) -> bool:
            began_s = time.perf_counter()
            try:
                return await save(*arguments, **options)
            finally:
                times.append(time.perf_counter() - began_s)

        self._conversations.save = timed  # type: ignore[method-assign]
        for turn in range(SAVES // TALKING):
            for _, opened in held:
                opened.keep(state(*["hello"] * (turn + 1)), at_once=True)
            await asyncio.sleep(1)
        self._note("save of a conversation, 9 sessions talk", times)
        for slot, opened in held:
            opened.end()
            slot.release()

    def _note(self, what: str, seconds: list[float]) -> None:
        self.figures[f"{what}, ms (median)"] = statistics.median(seconds) * 1_000
        self.figures[f"{what}, ms (95 %)"] = sorted(seconds)[int(len(seconds) * 0.95)] * 1_000


def _work(url: str, folder: Path, number: int, shared: Any, results: Any) -> None:
    async def run() -> dict[str, float]:
        return await _Worker(url, folder, number, shared).run()

    results.put(asyncio.run(run()))


def measure(url: str) -> dict[str, float]:
    """Returns the largest figure of the three processes for each measurement."""
    processes = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, processes.Manager() as manager:
        shared = _shared(manager)
        results = manager.Queue()
        work = [
            processes.Process(target=_work, args=(url, Path(folder), number, shared, results))
            for number in range(PROCESSES)
        ]
        for each in work:
            each.start()
        figures = [results.get() for _ in work]
        for each in work:
            each.join()
    names = dict.fromkeys(itertools.chain.from_iterable(figures))
    return {name: max(each[name] for each in figures if name in each) for name in names}


def _shared(manager: SyncManager) -> Any:
    shared = manager.Namespace()
    shared.barrier, shared.sums, shared.names = manager.Barrier(PROCESSES), manager.list(), manager.dict()
    return shared


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running_postgres() as postgres:
        columns = {
            "SQLite": measure(f"sqlite:///{folder}/conversations.db"),
            "Postgres": measure(postgres.new_database("leases")),
        }
    lines = [f"| | {' | '.join(columns)} |", "|---|---|---|"]
    names = dict.fromkeys(itertools.chain.from_iterable(columns.values()))
    lines += [f"| {name} | {' | '.join(f'{each[name]:.1f}' for each in columns.values())} |" for name in names]
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
