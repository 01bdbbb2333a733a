"""A fixed set of worker processes, shared by all sessions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from voicebot.engines.base import EngineError
from voicebot.engines.worker.frames import Kind, Message
from voicebot.engines.worker.process import Worker

_log = logging.getLogger(__name__)

_WAIT_S = 20.0
"""How long a job may wait for a free worker."""


class Job:
    """One piece of work under way in a worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.done = False

    async def send(self, message: Message) -> None:
        await self._worker.send(message)

    async def receive(self) -> Message | None:
        """The job's next message, None once it is done. EngineError if its worker died."""
        if self.done:
            return None
        message = await self._worker.receive()
        self.done = message.kind is Kind.DONE
        return None if self.done else message


class WorkerPool:
    """A fixed number of workers, each doing one job at a time. It lives on one event loop, and is used once.

    `module` is what the workers run, with `arguments`; errors carry the name `engine`.
    """

    def __init__(self, engine: str, module: str, size: int, arguments: tuple[str, ...] = ()) -> None:
        if size < 1:
            raise ValueError(f"a pool needs at least one worker, not {size}")
        self._engine = engine
        self._module = module
        self._size = size
        self._arguments = arguments
        # One entry per place; None where the worker has died and could not be replaced yet.
        self._free: asyncio.Queue[Worker | None] = asyncio.Queue()
        self._workers: set[Worker] = set()
        self._recycling: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self._started = False
        self._closed = False

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
    async def job(self, start: Message) -> AsyncIterator[Job]:
        """A worker that has been sent `start`. Leaving before the job is done cancels it, without waiting for that.

        Raises EngineError if no worker comes free in time, or none can be started.
        """
        worker = await self._lease()
        job = Job(worker)
        try:
            await job.send(start)
            yield job
        finally:
            if not self._closed:
                task = asyncio.create_task(self._recycle(worker, job.done), name=f"{self._engine} worker recycling")
                self._recycling.add(task)
                task.add_done_callback(self._recycling.discard)

    async def _lease(self) -> Worker:
        if not self._started or self._closed:
            raise EngineError(self._engine, "its workers are not running")
        try:
            async with asyncio.timeout(_WAIT_S):
                worker = await self._free.get()
        except TimeoutError:
            raise EngineError(self._engine, f"all {self._size} workers were busy for {_WAIT_S:g} s") from None
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
            try:
                if not done:
                    await worker.finish_job()
                place = worker if worker.alive else await self._replacement(worker)
            except (EngineError, TimeoutError):
                _log.warning("%s: a worker died, or did not stop its job, and is replaced", self._engine)
                place = await self._replacement(worker)
        except EngineError as error:
            _log.error("%s", error)
        finally:
            self._free.put_nowait(place)

    async def _replacement(self, worker: Worker | None) -> Worker:
        if worker is not None:
            await worker.kill()
            self._workers.discard(worker)
        return await self._hire()

    async def _hire(self) -> Worker:
        worker = await Worker.started(self._engine, self._module, self._arguments)
        if self._closed:
            await worker.kill()
            raise EngineError(self._engine, "its workers are not running")
        self._workers.add(worker)
        return worker

    async def _close_workers(self) -> None:
        await asyncio.gather(*(worker.close() for worker in self._workers))
        self._workers.clear()
