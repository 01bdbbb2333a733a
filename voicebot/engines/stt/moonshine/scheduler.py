"""Decides which sound is decoded next, for all sessions together.

Finals go first, then answers to pauses (turn-taking waits for both), then finished parts of long utterances, then
interim texts. Interim texts take at most one thread at a time and a fixed share of one core, which the sessions divide
evenly. Only the decoding itself runs in threads; everything else here runs on the event loop.
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
"""This much of the share is saved up while nobody speaks, so that the first interim texts come without delay."""


T = TypeVar("T")
Decoded = TypeVar("Decoded", covariant=True)


class Urgency(IntEnum):
    """How soon a result is needed; the lowest number goes first."""

    FINAL = 0
    PAUSE = 1
    PART = 2
    """A finished part of a long utterance, which the next answer needs."""
    INTERIM = 3


class DecodeWork(Protocol[Decoded]):
    """Decodes one sound."""

    def run(self, stop: threading.Event) -> Decoded:
        """Decodes in a thread. Returns soon after `stop` is set, as the result is not needed any more then."""
        ...


class DecodeJobOwner(Protocol[T]):
    """Wants one sound after the other decoded. Its methods are called on the event loop."""

    def prepare(self) -> DecodeWork[T] | None:
        """Returns the work, with the newest sound, when a thread is free; None if none is needed any more."""
        ...

    def done(self, result: T | BaseException) -> None:
        """Takes what the work returned or raised. Is not called for a job that was dropped."""
        ...

    def preempted(self) -> None:
        """An interim job was stopped to make room for a more urgent one."""
        ...


class Sleeper(Protocol):
    """Is woken by an alarm."""

    def wake(self) -> None: ...


class Alarm(Protocol):
    """Tells the time in seconds, and wakes a sleeper on the event loop."""

    def time(self) -> float: ...

    def wake_later(self, sleeper: Sleeper, delay_s: float) -> None: ...


class DecodeWorkers(Protocol):
    """Threads that do the work."""

    @property
    def count(self) -> int: ...

    def start(self, running: RunningJob[Any]) -> None:
        """Calls `running.work` in a thread, then `running.end` on the event loop with what it returned or raised."""
        ...


class InterimShare:
    """How much time one session has used for interim texts."""

    def __init__(self) -> None:
        self.used_s = 0.0


class DecodeJob(Generic[T]):
    """One sound to be decoded. Its owner may change its urgency while it waits, and drop it at any time."""

    def __init__(self, urgency: Urgency, share: InterimShare, owner: DecodeJobOwner[T]) -> None:
        self.urgency = urgency
        self.share = share
        self.owner = owner
        self.stop = threading.Event()

    @property
    def dropped(self) -> bool:
        return self.stop.is_set()


class RunningJob(Generic[T]):
    """A job whose work a thread does."""

    def __init__(self, scheduler: Scheduler, job: DecodeJob[T], work: DecodeWork[T], began_s: float) -> None:
        self.job = job
        self.urgency = job.urgency
        """The job's urgency when it began."""
        self.began_s = began_s
        self._scheduler, self._work = scheduler, work

    def work(self) -> T:
        return self._work.run(self.job.stop)

    def end(self, result: T | BaseException) -> None:
        self._scheduler.end(self, result)


class Scheduler:
    """Gives each free thread its next job."""

    def __init__(self, workers: DecodeWorkers, alarm: Alarm) -> None:
        self._workers, self._alarm = workers, alarm
        self._waiting: list[DecodeJob[Any]] = []
        self._running: list[RunningJob[Any]] = []
        self._interim: DecodeJob[Any] | None = None
        """The interim job that runs."""
        self._credit_s = INTERIM_BURST_S
        """The time that interim texts may use now."""
        self._credited_at_s = alarm.time()
        self._used_s = 0.0
        """What the last session to be served had used. Sessions that begin to speak start from here."""
        self._wakes = False

    def submit(self, job: DecodeJob[Any]) -> None:
        """Begins the job as soon as its turn comes. A job is submitted only once."""
        if job.urgency is Urgency.INTERIM:
            job.share.used_s = max(job.share.used_s, self._used_s)
        self._waiting.append(job)
        self._begin_jobs()
        if job in self._waiting and job.urgency is not Urgency.INTERIM:
            self._preempt_interim_job()

    def change_urgency(self, job: DecodeJob[Any], urgency: Urgency) -> None:
        """Changes how soon a waiting job is needed."""
        job.urgency = urgency
        if urgency is not Urgency.INTERIM:
            self._begin_jobs()
            if job in self._waiting:
                self._preempt_interim_job()

    def drop(self, job: DecodeJob[Any]) -> None:
        """Drops a job whose result is not needed any more. If it runs already, it is told to stop."""
        job.stop.set()
        if job in self._waiting:
            self._waiting.remove(job)

    def close(self) -> None:
        """Drops all jobs, and tells their owners that the jobs have failed."""
        jobs = [*self._waiting, *(running.job for running in self._running if not running.job.dropped)]
        self._waiting.clear()
        for job in jobs:
            job.stop.set()
            job.owner.done(RuntimeError("the engine was closed"))

    def _preempt_interim_job(self) -> None:
        """Stops the interim job that keeps an urgent one waiting."""
        if self._interim is not None and not self._interim.dropped:
            self.drop(self._interim)
            self._interim.owner.preempted()

    def _begin_jobs(self) -> None:
        """Begins jobs while there are free threads and jobs that may begin."""
        while self._waiting and len(self._running) < self._workers.count:
            job = self._next_job()
            if job is None:
                return
            self._waiting.remove(job)
            work = job.owner.prepare()
            if work is not None:
                self._run(job, work)

    def _next_job(self) -> DecodeJob[Any] | None:
        """Returns the most urgent job that may begin. Of interim jobs, the session that has used the least goes first.

        Returns None if only interim jobs wait and none may begin now.
        """
        urgent = [job for job in self._waiting if job.urgency is not Urgency.INTERIM]
        if urgent:
            return min(urgent, key=lambda job: job.urgency)
        if self._interim is not None:
            return None
        self._update_credit()
        if self._credit_s <= 0:
            self._wake_later(-self._credit_s / INTERIM_SHARE)
            return None
        return min(self._waiting, key=lambda job: job.share.used_s)

    def _run(self, job: DecodeJob[Any], work: DecodeWork[Any]) -> None:
        if job.urgency is Urgency.INTERIM:
            self._interim = job
        running = RunningJob(self, job, work, self._alarm.time())
        self._running.append(running)
        self._workers.start(running)

    def end(self, running: RunningJob[T], result: T | BaseException) -> None:
        """Gives the result to the job's owner, and the free thread its next job."""
        self._running.remove(running)
        job = running.job
        if running.urgency is Urgency.INTERIM:
            self._interim = None
            cost_s = self._alarm.time() - running.began_s
            self._update_credit(cost_s)
            self._used_s = max(self._used_s, job.share.used_s)
            job.share.used_s += cost_s
        if not job.dropped:
            job.owner.done(result)
        self._begin_jobs()

    def _update_credit(self, cost_s: float = 0.0) -> None:
        """Adds the credit earned since the last call, and takes off the cost."""
        now_s = self._alarm.time()
        earned_s = (now_s - self._credited_at_s) * INTERIM_SHARE
        self._credit_s = min(INTERIM_BURST_S, self._credit_s + earned_s - cost_s)
        self._credited_at_s = now_s

    def _wake_later(self, delay_s: float) -> None:
        if not self._wakes:
            self._wakes = True
            self._alarm.wake_later(self, delay_s + 0.001)

    def wake(self) -> None:
        """Goes on when there is credit for interim texts again."""
        self._wakes = False
        self._begin_jobs()


class LoopAlarm:
    """The clock of the running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def time(self) -> float:
        return self._loop.time()

    def wake_later(self, sleeper: Sleeper, delay_s: float) -> None:
        self._loop.call_later(delay_s, sleeper.wake)


class DecodeThreads:
    """A thread for every two cores, and two at least, so that an urgent job need not wait for an interim one."""

    def __init__(self) -> None:
        self.count = max(2, (os.cpu_count() or 1) // 2)
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(self.count, thread_name_prefix="moonshine")

    def start(self, running: RunningJob[Any]) -> None:
        working = self._loop.run_in_executor(self._pool, running.work)
        working.add_done_callback(lambda future: running.end(future.exception() or future.result()))

    async def close(self) -> None:
        """Waits for the work that has been told to stop."""
        await asyncio.to_thread(self._pool.shutdown)
