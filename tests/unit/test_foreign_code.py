"""An operator's code can neither end the event loop nor use up the threads that the bot needs."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import NoReturn

import pytest

from voicebot.runtime.foreign_code import (
    ExitRaisedError,
    contained,
    enter_foreign_code,
    raised_by_code,
)
from voicebot.runtime.limits import GRAPH_THREADS


class PanicError(BaseException):
    """Like the panics of packages that are written in Rust."""


def stop() -> NoReturn:
    sys.exit(3)


async def test_an_exit_in_a_task_or_a_thread_is_an_error_there_with_its_place() -> None:
    async def stop_in_task() -> None:
        await asyncio.sleep(0)
        stop()

    enter_foreign_code()
    for work in (asyncio.create_task(stop_in_task()), asyncio.to_thread(stop)):
        with pytest.raises(ExitRaisedError, match="SystemExit was raised") as caught:
            await work
        assert isinstance(raised_by_code(caught.value), SystemExit)
        assert caught.traceback[-1].name == "stop"


async def test_an_exit_in_a_task_that_a_task_has_started_is_contained_too() -> None:
    async def outer() -> None:
        await asyncio.create_task(inner())

    async def inner() -> None:
        stop()

    enter_foreign_code()
    with pytest.raises(ExitRaisedError):
        await asyncio.create_task(outer())


def test_a_panic_is_contained_and_what_ends_a_task_by_right_is_not() -> None:
    with pytest.raises(ExitRaisedError, match="PanicError was raised"), contained():
        raise PanicError
    for error in (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit, ValueError):
        with pytest.raises(error), contained():
            raise error
    usual = ValueError()
    assert raised_by_code(usual) is usual


async def test_tasks_can_still_be_cancelled_before_and_while_they_work() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    enter_foreign_code()
    early, late = asyncio.create_task(work()), asyncio.create_task(work())
    early.cancel()
    await asyncio.sleep(0)
    late.cancel()
    await asyncio.wait([early, late])
    assert early.cancelled()
    assert late.cancelled()
    assert ended.is_set()


async def test_functions_that_never_end_keep_only_others_of_the_operator_waiting() -> None:
    release = threading.Event()

    async def call() -> None:
        enter_foreign_code()
        await asyncio.to_thread(release.wait)

    stuck = [asyncio.create_task(call()) for _ in range(GRAPH_THREADS + 1)]
    await asyncio.sleep(0)
    assert await asyncio.to_thread(lambda: "at once") == "at once"
    stuck[1].cancel()
    release.set()
    ended = await asyncio.gather(*stuck, return_exceptions=True)
    assert [type(each) for each in ended if each is not None] == [asyncio.CancelledError]
