"""A fixed number of worker processes that all sessions share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator

from voicebot.engines.errors import EngineError
from voicebot.engines.worker.messages import WorkerMessage
from voicebot.engines.worker.process import Worker

_log = logging.getLogger(__name__)

_WAIT_S = 20.0
"""How long a request waits for a free worker."""


class WorkerPool:
    """A fixed number of workers that run `module` with `arguments`, each with one job at a time.

    A pool belongs to one event loop and is started once. Errors carry the name `engine`. Requests are served in the
    order of their arrival; each waits at most `wait_s` for a free worker.
    """

    def __init__(
        self, engine: str, module: str, size: int, arguments: tuple[str, ...] = (), *, wait_s: float = _WAIT_S
    ) -> None:
        if size < 1:
            raise ValueError(f"a pool needs at least one worker, not {size}")
        self._engine = engine
        self._module = module
        self._size = size
        self._arguments = arguments
        self._wait_s = wait_s
        self._free: asyncio.Queue[Worker | None] = asyncio.Queue()
        """None stands for a worker that has died and could not be replaced yet."""
        self._workers: set[Worker] = set()
        self._recycling: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self._started = False
        self._closed = False

    @property
    def free(self) -> int:
        """The number of idle workers."""
        return self._free.qsize()

    async def start(self) -> None:
        """Starts all workers at the same time. Raises EngineError if one cannot start."""
        async with self._starting:
            if self._started or self._closed:
                return
            results = await asyncio.gather(*(self._add_worker() for _ in range(self._size)), return_exceptions=True)
            for failure in results:
                if isinstance(failure, BaseException):
                    await self._close_workers()
                    raise failure
            for worker in self._workers:
                self._free.put_nowait(worker)
            self._started = True

    async def close(self) -> None:
        """Ends all workers. Unfinished jobs raise EngineError."""
        self._closed = True
        async with self._starting:
            for task in self._recycling:
                task.cancel()
            if self._recycling:
                await asyncio.wait(self._recycling)
            await self._close_workers()

    async def answers(
        self, request: WorkerMessage, *, limit_s: float, retry: bool = False
    ) -> AsyncGenerator[WorkerMessage]:
        """Yields a worker's answers to the request. Each answer must come within `limit_s`.

        If the generator is closed early, the worker has a second to finish its job. With `retry`, if a worker dies or
        hangs before its first answer, its replacement gets the request.

        Raises EngineError if no worker comes free in time, or if the worker dies or hangs. Such a worker is replaced.
        """
        worker = await self._free_worker()
        try:
            try:
                answer = await worker.begin_job(request, limit_s)
            except EngineError:
                if not retry or self._closed:
                    raise
                worker = await self._replacement(worker)
                answer = await worker.begin_job(request, limit_s)
            while answer is not None:
                yield answer
                answer = await worker.receive(limit_s)
        finally:
            if not self._closed:
                task = asyncio.create_task(self._recycle(worker), name=f"{self._engine} worker recycling")
                self._recycling.add(task)
                task.add_done_callback(self._recycling.discard)

    async def _free_worker(self) -> Worker:
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

    async def _recycle(self, worker: Worker) -> None:
        """Makes a worker free again, or replaces it if it is dead."""
        free: Worker | None = None
        try:
            if worker.busy and worker.alive:
                await worker.finish_job()
            free = worker if worker.alive else await self._replacement(worker)
        except EngineError as error:
            _log.error("%s", error)
        finally:
            self._free.put_nowait(free)

    async def _replacement(self, worker: Worker | None) -> Worker:
        if worker is not None:
            await worker.kill()
            if worker in self._workers:
                self._workers.discard(worker)
                _log.warning("%s: a worker process %s; another takes its place", self._engine, worker.cause_of_death)
        return await self._add_worker()

    async def _add_worker(self) -> Worker:
        worker = await Worker.start(self._engine, self._module, self._arguments)
        if self._closed:
            await worker.kill()
            raise EngineError(self._engine, "its workers are not running")
        self._workers.add(worker)
        return worker

    async def _close_workers(self) -> None:
        await asyncio.gather(*(worker.close() for worker in self._workers))
        self._workers.clear()
