"""Separate thread pools for work that takes long."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

import pytest

from voicebot.runtime.threads import DaemonThreads, Threads


async def test_work_runs_in_a_thread_named_after_its_pool_and_its_errors_are_raised() -> None:
    threads = Threads("zips", 1)
    assert (await threads.run(lambda: threading.current_thread().name)).startswith("zips")
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    threads.close()


async def test_a_busy_pool_delays_neither_another_pool_nor_asyncio() -> None:
    busy, free, go_on = Threads("busy", 1), Threads("free", 1), threading.Event()
    waiting = [asyncio.create_task(busy.run(go_on.wait)) for _ in range(40)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(free.run(lambda: 1), 5) == 1
    assert await asyncio.wait_for(asyncio.to_thread(lambda: 2), 5) == 2
    go_on.set()
    await asyncio.gather(*waiting)
    busy.close()
    free.close()


async def test_a_cancelled_caller_waits_for_work_that_has_begun_and_drops_work_that_has_not() -> None:
    threads, begun, go_on, done = Threads("one", 1), threading.Event(), threading.Event(), []

    def work(number: int) -> None:
        begun.set()
        go_on.wait(10)
        done.append(number)

    first, second = (asyncio.create_task(threads.run(work, number)) for number in (1, 2))
    await asyncio.to_thread(begun.wait)
    second.cancel()
    await asyncio.wait({second})
    first.cancel()
    _, pending = await asyncio.wait({first}, timeout=0.05)
    assert pending == {first}
    go_on.set()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    assert first.cancelled()
    assert done == [1]
    threads.close()


async def test_a_thread_rests_after_computing_before_its_next_job() -> None:
    threads = Threads("resting", 1, rest=4)

    def compute() -> None:
        until_s = time.thread_time() + 0.05
        while time.thread_time() < until_s:
            pass

    began_s = time.perf_counter()
    await threads.run(compute)
    await threads.run(lambda: None)
    assert time.perf_counter() - began_s >= 0.05 * 5
    threads.close()


async def test_the_simulated_clock_of_the_tests_waits_for_a_tool_in_a_thread() -> None:
    async with asyncio.timeout(30):
        await DaemonThreads(1).run("slow tool", time.sleep, 0.1)
