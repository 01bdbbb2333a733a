"""Keeps an operator's code, such as a graph, from ending the event loop or using up the threads that it needs."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet

from voicebot.runtime.limits import GRAPH_THREADS

P = ParamSpec("P")
T = TypeVar("T")

_is_foreign: ContextVar[bool] = ContextVar("voicebot_is_foreign", default=False)
"""True in the tasks and threads of an operator's code."""

_prepared: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
"""The event loops in which such code has run."""


class ExitRaisedError(RuntimeError):
    """An operator's code raised what is no Exception, such as SystemExit, which would end the event loop.

    What it raised is the cause.
    """


def raised_by_code(error: BaseException) -> BaseException:
    """Returns what an operator's code raised: the error itself, or the one that was contained."""
    return error.__cause__ or error if isinstance(error, ExitRaisedError) else error


@contextmanager
def contained() -> Iterator[None]:
    """Raises ExitRaisedError, with the place, instead of an exception that would end more than the code inside."""
    try:
        yield
    except (Exception, asyncio.CancelledError, GeneratorExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise ExitRaisedError(f"{type(error).__name__} was raised").with_traceback(error.__traceback__) from error


def enter_foreign_code() -> None:
    """Notes that what the current task does from now on is an operator's code, with all tasks and threads it starts.

    These tasks can then not end the event loop. Functions that they have run in threads get threads of their own, so
    that those that never end do not keep the bot's from running.
    """
    loop = asyncio.get_running_loop()
    if loop not in _prepared:
        loop.set_default_executor(_LoopThreads(GRAPH_THREADS))
        loop.set_task_factory(_task)
        _prepared.add(loop)
    _is_foreign.set(True)


class _LoopThreads(ThreadPoolExecutor):
    """The default executor of an event loop. Jobs of operators' code run in at most `most` threads beside it.

    Those are daemon threads, so that the process can end before them.
    """

    def __init__(self, most: int) -> None:
        super().__init__(thread_name_prefix="asyncio")
        self._most = most
        self._lock = threading.Lock()
        self._foreign = 0
        """How many threads of operators' code there are."""
        self._jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if not _is_foreign.get():
            return super().submit(fn, *args, **kwargs)
        done: Future[T] = Future()
        with self._lock:
            self._jobs.append((done, partial(fn, *args, **kwargs)))
            if self._foreign == self._most:
                return done
            self._foreign += 1
        threading.Thread(target=self._work, name="node of a graph", daemon=True).start()
        return done

    def _work(self) -> None:
        """Runs jobs until none waits."""
        while True:
            with self._lock:
                if not self._jobs:
                    self._foreign -= 1
                    return
                done, job = self._jobs.popleft()
            if not done.set_running_or_notify_cancel():
                continue
            try:
                with contained():
                    done.set_result(job())
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
                done.set_exception(error)
            del done, job


class _ContainedCoroutine(Coroutine[Any, Any, Any]):
    """A coroutine that raises no exception which would end the event loop."""

    def __init__(self, inner: Coroutine[Any, Any, Any]) -> None:
        self._inner = inner
        self.__name__ = getattr(inner, "__name__", type(inner).__name__)
        self.__qualname__ = getattr(inner, "__qualname__", self.__name__)

    def send(self, value: Any) -> Any:
        with contained():
            return self._inner.send(value)

    def throw(self, *error: Any) -> Any:
        with contained():
            return self._inner.throw(*error)

    def close(self) -> None:
        with contained():
            self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        with contained():
            return (yield from self._inner.__await__())


def _task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    if _is_foreign.get() and asyncio.iscoroutine(work):
        work = _ContainedCoroutine(work)
    return asyncio.Task(work, loop=loop, **options)
