"""A fixed set of worker processes, shared by all sessions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.worker.frames import Kind, Message
from voicebot.engines.worker.process import Worker

_log = logging.getLogger(__name__)

_WAIT_S = 20.0
"""How long a job may wait for a free worker."""

_BEGIN_S = 2.0
"""How long a worker may take to take a job up. An idle one needs less than a millisecond; one that is stopped, or that
hangs in a library since its last job, is replaced after this time, and the new worker gets the job."""


class Job:
    """One piece of work under way in a worker.

    `first_s` limits the wait for the first message and `next_s` the wait for each further one; None: no limit.
    """

    def __init__(self, engine: str, worker: Worker, first_s: float | None, next_s: float | None) -> None:
        self._engine = engine
        self.worker = worker
        self._limit_s, self._next_s = first_s, next_s
        self.done = False

    async def send(self, message: Message) -> None:
        await self.worker.send(message)

    async def receive(self) -> Message | None:
        """The job's next message, None once it is done.

        Raises EngineError if its worker died; TIMEOUT if it gave nothing in time: it is killed then.
        """
        if self.done:
            return None
        try:
            async with asyncio.timeout(self._limit_s):
                message = await self.worker.receive()
        except TimeoutError:
            problem = f"its worker process gave nothing within {self._limit_s:g} s"
            await self.worker.kill(f"gave nothing within {self._limit_s:g} s")
            raise EngineError(self._engine, problem, fault=Fault.TIMEOUT) from None
        self._limit_s = self._next_s
        self.done = message.kind is Kind.DONE
        return None if self.done else message


class WorkerPool:
    """A fixed number of workers, each doing one job at a time. It lives on one event loop, and is used once.

    `module` is what the workers run, with `arguments`; errors carry the name `engine`. Only with `network` do workers
    learn of the proxies. A job waits at most `wait_s` for a free worker. Jobs begin in the order in which they came.
    """

    def __init__(
        self,
        engine: str,
        module: str,
        size: int,
        arguments: tuple[str, ...] = (),
        *,
        network: bool = False,
        wait_s: float = _WAIT_S,
    ) -> None:
        if size < 1:
            raise ValueError(f"a pool needs at least one worker, not {size}")
        self._engine = engine
        self._module = module
        self._size = size
        self._arguments = arguments
        self._network = network
        self._wait_s = wait_s
        # One entry per place; None where the worker has died and could not be replaced yet.
        self._free: asyncio.Queue[Worker | None] = asyncio.Queue()
        self._workers: set[Worker] = set()
        self._recycling: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self._started = False
        self._closed = False

    @property
    def free(self) -> int:
        """How many of its places wait for a job."""
        return self._free.qsize()

    async def start(self) -> None:
        """Starts all workers, side by side; EngineError if one cannot start."""
        async with self._starting:
            if self._started or self._closed:
                return
            results = await asyncio.gather(*(self._hire() for _ in range(self._size)), return_exceptions=True)
            for failure in results:
                if isinstance(failure, BaseException):
                    await self._close_workers()
                    raise failure
            for worker in self._workers:
                self._free.put_nowait(worker)
            self._started = True

    async def close(self) -> None:
        """Ends all workers. Jobs under way get EngineError."""
        self._closed = True
        async with self._starting:
            for task in self._recycling:
                task.cancel()
            if self._recycling:
                await asyncio.wait(self._recycling)
            await self._close_workers()

    @contextlib.asynccontextmanager
    async def job(
        self, start: Message, *, first_s: float | None = None, next_s: float | None = None
    ) -> AsyncIterator[Job]:
        """A worker that has taken up `start`. Leaving before the job is done cancels it, without waiting for that.

        A worker that hangs or dies before it takes the job up is replaced, and the new one gets the job.
        Raises EngineError if no worker comes free in time, or none can be started.
        """
        job = Job(self._engine, await self._lease(), first_s, next_s)
        try:
            if (problem := await self._begin(job.worker, start)) is not None:
                job.worker = await self._replacement(job.worker)
                if (problem := await self._begin(job.worker, start)) is not None:
                    raise problem
            yield job
        finally:
            if not self._closed:
                task = asyncio.create_task(self._recycle(job.worker, job.done), name=f"{self._engine} worker recycling")
                self._recycling.add(task)
                task.add_done_callback(self._recycling.discard)

    async def _begin(self, worker: Worker, start: Message) -> EngineError | None:
        """Has the worker take a job up. Returns why it does not: then it is dead."""
        try:
            async with asyncio.timeout(_BEGIN_S):
                await worker.send(start)
                while (await worker.receive()).kind is not Kind.BEGUN:
                    pass
        except TimeoutError:
            await worker.kill(f"did not take up a job within {_BEGIN_S:g} s")
            problem = f"its worker process did not take up a job within {_BEGIN_S:g} s"
            return EngineError(self._engine, problem, fault=Fault.TIMEOUT)
        except EngineError as error:
            return error
        return None

    async def _lease(self) -> Worker:
        if not self._started or self._closed:
            raise EngineError(self._engine, "its workers are not running")
        try:
            async with asyncio.timeout(self._wait_s):
                worker = await self._free.get()
        except TimeoutError:
            raise EngineError(self._engine, f"all {self._size} workers were busy for {self._wait_s:g} s") from None
        if worker is not None and worker.alive:
            return worker
        try:
            return await self._replacement(worker)
        except BaseException:
            self._free.put_nowait(None)
            raise

    async def _recycle(self, worker: Worker, done: bool) -> None:
        """Makes the worker's place free again, with a new worker if this one is of no more use."""
        place: Worker | None = None
        try:
            if not done and worker.alive:
                try:
                    await worker.finish_job()
                except TimeoutError:
                    await worker.kill("did not stop its job")
                except EngineError:
                    pass  # it has died, which shows below
            place = worker if worker.alive else await self._replacement(worker)
        except EngineError as error:
            _log.error("%s", error)
        finally:
            self._free.put_nowait(place)

    async def _replacement(self, worker: Worker | None) -> Worker:
        if worker is not None:
            await worker.kill()
            if worker in self._workers:
                self._workers.discard(worker)
                _log.warning("%s: a worker process %s; another takes its place", self._engine, worker.cause_of_death)
        return await self._hire()

    async def _hire(self) -> Worker:
        worker = await Worker.started(self._engine, self._module, self._arguments, network=self._network)
        if self._closed:
            await worker.kill()
            raise EngineError(self._engine, "its workers are not running")
        self._workers.add(worker)
        return worker

    async def _close_workers(self) -> None:
        await asyncio.gather(*(worker.close() for worker in self._workers))
        self._workers.clear()
