"""Decides which sound is decoded next, for all sessions together.

Final texts go first, then answers to pauses (turn-taking waits for both), then finished parts of long utterances, then
interim texts. Interim texts take at most one thread at a time and a fixed share of one core, which the sessions divide
evenly. Everything here runs on the event loop; only the work itself runs in threads.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

INTERIM_SHARE = 0.6
"""Interim texts together take at most this share of one core, averaged over some seconds."""

INTERIM_BURST_S = 0.3
"""This much of the share can be saved up while nobody speaks, so that the first interim texts come without delay."""


T = TypeVar("T")


class Urgency(IntEnum):
    """How soon a result is needed; the lowest number goes first."""

    FINAL = 0
    PAUSE = 1
    PART = 2
    """A part of a long utterance, which the next answer needs."""
    INTERIM = 3


class Clock(Protocol):
    """The part of an event loop that the scheduler uses."""

    def time(self) -> float: ...

    def call_later(self, delay: float, callback: Callable[[], None], /) -> object: ...


class Workers(Protocol):
    """Threads that do the work."""

    @property
    def count(self) -> int: ...

    def submit(self, work: Callable[[], T], done: Callable[[T | BaseException], None]) -> None:
        """Does the work in a thread, then calls `done` on the event loop with what the work returned or raised."""
        ...


Work = Callable[[threading.Event], T]
"""Runs in a thread. It should return soon after the event is set, as nobody needs its result any more then."""


class Share:
    """What one session has used of the time for interim texts."""

    def __init__(self) -> None:
        self.used_s = 0.0


class Job(Generic[T]):
    """One request to decode. Its owner may change its urgency while it waits, and drop it at any time.

    `prepare` is called on the event loop when a thread is free. It returns the work, which thus uses the newest sound,
    or None if nothing needs to be done any more. `done` is called on the event loop when the work has ended, with what
    it returned or raised, unless the job was dropped. `preempted` is called if an interim job was stopped to make room.
    """

    def __init__(
        self,
        urgency: Urgency,
        share: Share,
        prepare: Callable[[], Work[T] | None],
        done: Callable[[T | BaseException], None],
        preempted: Callable[[], None],
    ) -> None:
        self.urgency = urgency
        self.share = share
        self.prepare, self.done, self.preempted = prepare, done, preempted
        self.stop = threading.Event()

    @property
    def dropped(self) -> bool:
        return self.stop.is_set()


class Scheduler:
    """Gives threads their next work."""

    def __init__(self, workers: Workers, clock: Clock) -> None:
        self._workers, self._clock = workers, clock
        self._waiting: list[Job[Any]] = []
        self._running: list[Job[Any]] = []
        self._interim: Job[Any] | None = None
        self._credit_s = INTERIM_BURST_S
        self._credited_at_s = clock.time()
        self._used_s = 0.0
        """What the session that was served last had used: sessions that begin to speak start from here."""
        self._waking = False

    def submit(self, job: Job[Any]) -> None:
        """The job begins as soon as it may. Its owner may submit it only once."""
        if job.urgency is Urgency.INTERIM:
            job.share.used_s = max(job.share.used_s, self._used_s)
        self._waiting.append(job)
        self._dispatch()
        if job in self._waiting and job.urgency is not Urgency.INTERIM:
            self._preempt()

    def hurry(self, job: Job[Any], urgency: Urgency) -> None:
        """Changes how soon a waiting job is needed."""
        job.urgency = urgency
        if urgency is not Urgency.INTERIM:
            self._dispatch()
            if job in self._waiting:
                self._preempt()

    def drop(self, job: Job[Any]) -> None:
        """Nobody needs the result any more: a waiting job never begins, a running one is told to stop."""
        job.stop.set()
        if job in self._waiting:
            self._waiting.remove(job)

    def close(self) -> None:
        """Drops all jobs; their owners are told that they have failed."""
        jobs = [*self._waiting, *(job for job in self._running if not job.dropped)]
        self._waiting.clear()
        for job in jobs:
            job.stop.set()
            job.done(RuntimeError("the engine was closed"))

    def _preempt(self) -> None:
        """Stops the interim job that keeps an urgent one waiting."""
        if self._interim is not None and not self._interim.dropped:
            self.drop(self._interim)
            self._interim.preempted()

    def _dispatch(self) -> None:
        while self._waiting and len(self._running) < self._workers.count:
            job = self._next()
            if job is None:
                return
            self._waiting.remove(job)
            work = job.prepare()
            if work is not None:
                self._run(job, work)

    def _next(self) -> Job[Any] | None:
        """The most urgent job that may begin; of interim jobs the one whose session has used the least."""
        urgent = [job for job in self._waiting if job.urgency is not Urgency.INTERIM]
        if urgent:
            return min(urgent, key=lambda job: job.urgency)
        if self._interim is not None:
            return None
        self._settle()
        if self._credit_s <= 0:
            self._wake_later(-self._credit_s / INTERIM_SHARE)
            return None
        return min(self._waiting, key=lambda job: job.share.used_s)

    def _run(self, job: Job[Any], work: Work[Any]) -> None:
        self._running.append(job)
        if job.urgency is Urgency.INTERIM:
            self._interim = job
        began_s = self._clock.time()
        self._workers.submit(partial(work, job.stop), partial(self._ended, job, job.urgency, began_s))

    def _ended(self, job: Job[Any], urgency: Urgency, began_s: float, result: Any) -> None:
        self._running.remove(job)
        if urgency is Urgency.INTERIM:
            self._interim = None
            cost_s = self._clock.time() - began_s
            self._settle(cost_s)
            self._used_s = max(self._used_s, job.share.used_s)
            job.share.used_s += cost_s
        if not job.dropped:
            job.done(result)
        self._dispatch()

    def _settle(self, cost_s: float = 0.0) -> None:
        """Adds to the credit what the time since the last call has earned, and takes off the cost."""
        now_s = self._clock.time()
        earned_s = (now_s - self._credited_at_s) * INTERIM_SHARE
        self._credit_s = min(INTERIM_BURST_S, self._credit_s + earned_s - cost_s)
        self._credited_at_s = now_s

    def _wake_later(self, delay_s: float) -> None:
        if not self._waking:
            self._waking = True
            self._clock.call_later(delay_s + 0.001, self._wake)

    def _wake(self) -> None:
        self._waking = False
        self._dispatch()


class ThreadWorkers:
    """Half of the cores, and two threads at least, so that an urgent job need not wait for an interim one."""

    def __init__(self) -> None:
        self.count = max(2, (os.cpu_count() or 1) // 2)
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(self.count, thread_name_prefix="moonshine")

    def submit(self, work: Callable[[], T], done: Callable[[T | BaseException], None]) -> None:
        begun = self._loop.run_in_executor(self._pool, work)
        begun.add_done_callback(lambda ended: done(ended.exception() or ended.result()))

    async def close(self) -> None:
        """Waits for the work under way, which has been told to stop."""
        await asyncio.to_thread(self._pool.shutdown)
