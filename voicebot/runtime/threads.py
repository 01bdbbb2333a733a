"""Threads for one kind of work, so that much of it delays nothing else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """At most `most` threads, named after `name`, which start when they are needed.

    `asyncio.to_thread` has one pool for everything: work that strangers can make long does not belong there.

    The event loop gets less done while a thread runs Python code. So that many jobs in a row do not hold it up, a
    thread rests before its next job, for `rest` times as long as the last one has computed.
    """

    def __init__(self, name: str, most: int, rest: float = 0.0) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)
        self._rest = rest
        self._thread = threading.local()
        self._closing = threading.Event()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work` in a thread. Who is cancelled meanwhile waits for its end, if it has begun: nobody closes a file
        that the thread still uses."""

        def job() -> T:
            with self._rested():
                return work(*args, **kwargs)

        begun = self._pool.submit(job)
        done = asyncio.wrap_future(begun)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            if not begun.cancel():
                await asyncio.wait({done})
                done.exception()  # nobody else asks for it
            raise

    def close(self) -> None:
        """Work that has not begun is dropped; work under way ends by itself."""
        self._closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def _rested(self) -> Iterator[None]:
        """Lets this thread rest before a job, and measures how long the job computes."""
        rested_s: float = getattr(self._thread, "rested_s", 0.0)
        self._closing.wait(max(0.0, rested_s - time.monotonic()))
        began_s = time.thread_time()
        try:
            yield
        finally:
            self._thread.rested_s = time.monotonic() + self._rest * (time.thread_time() - began_s)
