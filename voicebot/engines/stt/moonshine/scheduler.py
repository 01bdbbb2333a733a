"""Decides which sound is decoded next, for all sessions together.

Final texts go first, then answers to pauses (turn-taking waits for both), then finished parts of long utterances, then
interim texts. Interim texts take at most one thread at a time and a fixed share of one core, which the sessions divide
evenly. Everything here runs on the event loop; only the work itself runs in threads.
"""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum
from typing import Any, Generic, Protocol, TypeVar

INTERIM_SHARE = 0.6
"""Interim texts together take at most this share of one core, averaged over some seconds."""

INTERIM_BURST_S = 0.3
"""This much of the share can be saved up while nobody speaks, so that the first interim texts come without delay."""


T = TypeVar("T")
Found = TypeVar("Found", covariant=True)


class Urgency(IntEnum):
    """How soon a result is needed; the lowest number goes first."""

    FINAL = 0
    PAUSE = 1
    PART = 2
    """A part of a long utterance, which the next answer needs."""
    INTERIM = 3


class Work(Protocol[Found]):
    """Decodes one sound."""

    def run(self, stop: threading.Event) -> Found:
        """Decodes in a thread. It should return soon after `stop` is set, as nobody needs the result any more then."""
        ...


class JobOwner(Protocol[T]):
    """Wants one sound decoded after the other. All of its methods are called on the event loop."""

    def prepare(self) -> Work[T] | None:
        """Returns the work when a thread is free, so that it uses the newest sound; None if there is none any more."""
        ...

    def done(self, result: T | BaseException) -> None:
        """Takes what the work returned or raised. It is not called for a job that was dropped."""
        ...

    def preempted(self) -> None:
        """Learns that an interim job was stopped to make room for a more urgent one."""
        ...


class Sleeper(Protocol):
    """Waits to be woken."""

    def wake(self) -> None: ...


class Alarm(Protocol):
    """Tells the time in seconds, and wakes a sleeper on the event loop."""

    def time(self) -> float: ...

    def wake_later(self, sleeper: Sleeper, delay_s: float) -> None: ...


class Workers(Protocol):
    """Threads that do the work."""

    @property
    def count(self) -> int: ...

    def start(self, running: Running[Any]) -> None:
        """Calls `running.work` in a thread, then `running.ended` on the event loop with what it returned or raised."""
        ...


class Share:
    """What one session has used of the time for interim texts."""

    def __init__(self) -> None:
        self.used_s = 0.0


class Job(Generic[T]):
    """One request to decode. Its owner may change its urgency while it waits, and drop it at any time."""

    def __init__(self, urgency: Urgency, share: Share, owner: JobOwner[T]) -> None:
        self.urgency = urgency
        self.share = share
        self.owner = owner
        self.stop = threading.Event()

    @property
    def dropped(self) -> bool:
        return self.stop.is_set()


class Running(Generic[T]):
    """A job with its work, which a thread does."""

    def __init__(self, scheduler: Scheduler, job: Job[T], work: Work[T], began_s: float) -> None:
        self.job = job
        self.urgency = job.urgency
        """The job's urgency when it began."""
        self.began_s = began_s
        self._scheduler, self._work = scheduler, work

    def work(self) -> T:
        return self._work.run(self.job.stop)

    def ended(self, result: T | BaseException) -> None:
        self._scheduler.ended(self, result)


class Scheduler:
    """Gives threads their next work."""

    def __init__(self, workers: Workers, alarm: Alarm) -> None:
        self._workers, self._alarm = workers, alarm
        self._waiting: list[Job[Any]] = []
        self._running: list[Running[Any]] = []
        self._interim: Job[Any] | None = None
        self._credit_s = INTERIM_BURST_S
        self._credited_at_s = alarm.time()
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
        jobs = [*self._waiting, *(running.job for running in self._running if not running.job.dropped)]
        self._waiting.clear()
        for job in jobs:
            job.stop.set()
            job.owner.done(RuntimeError("the engine was closed"))

    def _preempt(self) -> None:
        """Stops the interim job that keeps an urgent one waiting."""
        if self._interim is not None and not self._interim.dropped:
            self.drop(self._interim)
            self._interim.owner.preempted()

    def _dispatch(self) -> None:
        while self._waiting and len(self._running) < self._workers.count:
            job = self._next()
            if job is None:
                return
            self._waiting.remove(job)
            work = job.owner.prepare()
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
        if job.urgency is Urgency.INTERIM:
            self._interim = job
        running = Running(self, job, work, self._alarm.time())
        self._running.append(running)
        self._workers.start(running)

    def ended(self, running: Running[T], result: T | BaseException) -> None:
        """A thread is free again: the job's owner gets the result, and the next job begins."""
        self._running.remove(running)
        job = running.job
        if running.urgency is Urgency.INTERIM:
            self._interim = None
            cost_s = self._alarm.time() - running.began_s
            self._settle(cost_s)
            self._used_s = max(self._used_s, job.share.used_s)
            job.share.used_s += cost_s
        if not job.dropped:
            job.owner.done(result)
        self._dispatch()

    def _settle(self, cost_s: float = 0.0) -> None:
        """Adds to the credit what the time since the last call has earned, and takes off the cost."""
        now_s = self._alarm.time()
        earned_s = (now_s - self._credited_at_s) * INTERIM_SHARE
        self._credit_s = min(INTERIM_BURST_S, self._credit_s + earned_s - cost_s)
        self._credited_at_s = now_s

    def _wake_later(self, delay_s: float) -> None:
        if not self._waking:
            self._waking = True
            self._alarm.wake_later(self, delay_s + 0.001)

    def wake(self) -> None:
        """Goes on when there is credit for interim texts again."""
        self._waking = False
        self._dispatch()


class LoopAlarm:
    """The clock of the event loop that it is made on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def time(self) -> float:
        return self._loop.time()

    def wake_later(self, sleeper: Sleeper, delay_s: float) -> None:
        self._loop.call_later(delay_s, sleeper.wake)


class ThreadWorkers:
    """Half of the cores, and two threads at least, so that an urgent job need not wait for an interim one."""

    def __init__(self) -> None:
        self.count = max(2, (os.cpu_count() or 1) // 2)
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(self.count, thread_name_prefix="moonshine")

    def start(self, running: Running[Any]) -> None:
        working = self._loop.run_in_executor(self._pool, running.work)
        working.add_done_callback(lambda future: running.ended(future.exception() or future.result()))

    async def close(self) -> None:
        """Waits for the work under way, which has been told to stop."""
        await asyncio.to_thread(self._pool.shutdown)
