"""Thread pools for one kind of work each, so that none delays the others."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import ParamSpec, TypeVar, cast

from voicebot.runtime.contained import BrokenOffError

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A pool of at most `most` threads, which start when they are needed. Their names begin with `name`.

    `asyncio.to_thread` uses one pool for everything, which jobs of unbounded length from strangers could fill.

    Python code in a thread slows down the event loop. To limit that, a thread pauses before its next job, for `rest`
    times the processor time of the last one.
    """

    def __init__(self, name: str, most: int, rest: float = 0.0) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)
        self._rest = rest
        self._thread = threading.local()
        self._closing = threading.Event()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `work` in a thread and returns its result.

        A cancellation waits until work that has begun is done, so that the caller does not close a file that the
        thread still uses.
        """

        def job() -> T:
            with self._throttled():
                return work(*args, **kwargs)

        begun = self._pool.submit(job)
        done = asyncio.wrap_future(begun)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            if not begun.cancel():
                await asyncio.wait({done})
                done.exception()  # marks it as retrieved, or asyncio would log it
            raise

    def close(self) -> None:
        """Drops work that has not begun. Does not wait for work that has."""
        self._closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def _throttled(self) -> Iterator[None]:
        """Lets this thread pause before a job, and measures the processor time of the job."""
        ready_s: float = getattr(self._thread, "ready_s", 0.0)
        self._closing.wait(max(0.0, ready_s - time.monotonic()))
        began_s = time.thread_time()
        try:
            yield
        finally:
            self._thread.ready_s = time.monotonic() + self._rest * (time.thread_time() - began_s)


class DaemonThreads:
    """Runs work that may never end, such as the functions of strangers, in at most `most` threads.

    A cancellation leaves the thread running, and the process ends without waiting for it.
    """

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)

    async def run(self, name: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `work` in a thread called `name`, with the caller's context variables; returns its result.

        What it raises that is no Exception, such as SystemExit, is a BrokenOffError here.
        """
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        context = copy_context()

        def finish(result: T | None, error: Exception | None) -> None:
            self._free.release()
            if done.done():
                how = "ended" if error is None else f"failed ({type(error).__name__})"
                logger.info("%s has %s, though nobody waits for it any more", name, how)
                return
            if error is None:
                done.set_result(cast("T", result))
            else:
                done.set_exception(error)

        def job() -> None:
            result: T | None = None
            failure: Exception | None = None
            try:
                result = context.run(work, *args, **kwargs)
            except StopIteration as error:  # a future takes every exception but this one
                failure = RuntimeError(f"{error!r} was raised")
            except Exception as error:  # noqa: BLE001 - it is raised where the work is awaited
                failure = error
            except BaseException as error:  # noqa: BLE001 - there, it would end the event loop
                failure = BrokenOffError(error)
            with suppress(RuntimeError):  # the event loop is closed: nobody waits any more
                loop.call_soon_threadsafe(finish, result, failure)

        threading.Thread(target=job, name=name, daemon=True).start()
        return await done
