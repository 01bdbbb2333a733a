"""The pool replaces workers that die or hang, withholds keys and resources from them, and leaves none behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import psutil
import pytest

from tests.support.paths import PROJECT
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.worker.messages import WorkerMessage
from voicebot.engines.worker.pool import WorkerPool

MODULE = "tests.integration.engines.echo_worker"
CONFINED = "tests.integration.engines.confined_worker"


def children() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if MODULE in each.cmdline()]


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool("echo", MODULE, 2)
    await pool.start()
    yield pool
    await pool.close()
    assert children() == [], "a worker was left behind"


def hung() -> WorkerMessage:
    return WorkerMessage({"do": "hang"})


async def echo(pool: WorkerPool, *pieces: bytes, do: str | None = None, retry: bool = False) -> list[bytes]:
    request = WorkerMessage({"do": do}, b"|".join(pieces))
    async with aclosing(pool.answers(request, limit_s=0.5, retry=retry)) as answers:
        return [answer.body async for answer in answers]


async def test_messages_of_any_size_come_back_from_a_worker_unchanged(pool: WorkerPool) -> None:
    long = [b"x" * 900_000] * 10
    assert await echo(pool, b"one", b"", *long) == [b"one", b"", *long]


async def test_more_requests_than_workers_wait_for_their_turn(pool: WorkerPool) -> None:
    answers = await asyncio.gather(*(echo(pool, str(number).encode()) for number in range(20)))
    assert answers == [[str(number).encode()] for number in range(20)]
    assert len(children()) == 2


async def test_printed_output_of_a_library_does_not_corrupt_the_messages(pool: WorkerPool) -> None:
    assert await echo(pool, b"fine", do="print") == [b"fine"]


async def test_a_worker_that_dies_fails_only_its_own_job(pool: WorkerPool) -> None:
    with pytest.raises(EngineError, match="echo: its worker process ended with status 3"):
        await echo(pool, b"lost", do="die")
    for _ in range(3):
        assert await echo(pool, b"next") == [b"next"]
    assert len(children()) == 2


async def test_a_worker_killed_in_mid_job_is_replaced(pool: WorkerPool) -> None:
    async with aclosing(pool.answers(hung(), limit_s=5)) as answers:
        await anext(answers)
        killed = children()
        for worker in killed:
            worker.kill()
        with pytest.raises(EngineError, match=r"was killed by SIGKILL \(out of memory\?\)"):
            await anext(answers)
    assert await asyncio.gather(*(echo(pool, b"a", retry=True) for _ in range(4))) == [[b"a"]] * 4
    others = {worker.pid for worker in children()} - {worker.pid for worker in killed}
    assert len(others) == len(killed) == 2


async def test_a_job_that_nobody_waits_for_is_finished_by_its_worker(pool: WorkerPool) -> None:
    before = {worker.pid for worker in children()}
    for _ in range(4):
        async with aclosing(pool.answers(WorkerMessage({"do": "long"}), limit_s=5)) as answers:
            await anext(answers)
    assert await asyncio.gather(*(echo(pool, b"a") for _ in range(4))) == [[b"a"]] * 4
    assert {worker.pid for worker in children()} == before


async def test_a_worker_that_does_not_finish_such_a_job_is_replaced(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    async with aclosing(pool.answers(hung(), limit_s=5)) as answers:
        assert (await anext(answers)).text("text") == "hanging"
    assert await asyncio.gather(*(echo(pool, b"a") for _ in range(4))) == [[b"a"]] * 4
    await until(lambda: pool.free == 2)
    assert len(children()) == 2
    assert "another takes its place" in caplog.text


async def test_a_worker_that_sends_too_much_is_replaced(pool: WorkerPool) -> None:
    with pytest.raises(EngineError, match="sent an invalid message"):
        await echo(pool, do="flood")
    assert await asyncio.gather(*(echo(pool, b"a") for _ in range(4))) == [[b"a"]] * 4


async def test_the_log_names_the_signal_that_killed_a_worker(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    """The test tries ten times, because asyncio's child watcher reports 255 if it loses a race."""
    for _ in range(10):
        caplog.clear()
        async with aclosing(pool.answers(hung(), limit_s=5)) as answers:
            await anext(answers)
            for worker in children():
                worker.kill()
            with pytest.raises(EngineError):
                await anext(answers)
        assert await echo(pool, b"a", retry=True) == [b"a"]
        await until(lambda: "killed by SIGKILL (out of memory?); another takes its place" in caplog.text)
        assert "255" not in caplog.text


async def test_with_retry_a_new_worker_gets_the_request_of_one_that_hangs_before_its_first_answer(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    suspended = children()
    for worker in suspended:
        worker.suspend()
    assert await asyncio.gather(*(echo(pool, b"a", retry=True) for _ in range(4))) == [[b"a"]] * 4
    assert "was killed, as it gave nothing within 0.5 s; another takes its place" in caplog.text
    assert not {worker.pid for worker in suspended} & {worker.pid for worker in children()}


async def test_with_retry_a_new_worker_gets_the_request_of_one_that_dies_before_its_first_answer() -> None:
    pool = WorkerPool("echo", MODULE, 1)
    await pool.start()
    for _ in range(2):
        assert await echo(pool, b"a", do="die at the second job", retry=True) == [b"a"]
    with pytest.raises(EngineError, match="status 3"):
        await echo(pool, b"a", do="die", retry=True)  # There is only one retry.
    await pool.close()


async def test_each_answer_has_a_time_limit(pool: WorkerPool) -> None:
    for do, before in (("hang at once", 0), ("hang", 1)):
        async with aclosing(pool.answers(WorkerMessage({"do": do}), limit_s=0.3)) as answers:
            for _ in range(before):
                await anext(answers)
            with pytest.raises(EngineError, match=r"gave nothing within 0.3 s") as late:
                await anext(answers)
        assert late.value.fault is Fault.TIMEOUT
    assert await asyncio.gather(*(echo(pool, b"a") for _ in range(4))) == [[b"a"]] * 4
    await until(lambda: len(children()) == 2)  # one worker may have given all answers before the other had started


async def test_a_suspended_worker_that_does_not_read_a_long_request_is_replaced(pool: WorkerPool) -> None:
    for worker in children():
        worker.suspend()
    for _ in range(2):
        with pytest.raises(EngineError, match=r"gave nothing within 0.5 s"):
            await echo(pool, b"x" * 3_000_000)
    assert await asyncio.gather(*(echo(pool, b"a") for _ in range(4))) == [[b"a"]] * 4


async def test_workers_inherit_only_the_environment_variables_that_they_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "secret")
    monkeypatch.setenv("ANYTHING_ELSE", "secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:password@proxy.invalid")
    pool = WorkerPool("echo", MODULE, 1)
    await pool.start()
    async with aclosing(pool.answers(WorkerMessage({"do": "environment"}), limit_s=5)) as answers:
        names = (await anext(answers)).text("names").split()
    (worker,) = children()
    variables = str(worker.environ())
    await pool.close()
    assert "secret" not in variables
    assert "password" not in variables
    assert "PATH" in names
    assert not {"GROQ_API_KEY", "ANYTHING_ELSE", "HTTPS_PROXY"} & set(names)


@asynccontextmanager
async def confined() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool("confined", CONFINED, 1)
    await pool.start()
    yield pool
    await pool.close()


async def limits_of(pool: WorkerPool, do: str = "") -> dict[str, Any]:
    async with aclosing(pool.answers(WorkerMessage({"do": do}), limit_s=10)) as answers:
        return dict((await anext(answers)).fields)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not enforce these limits")
async def test_a_confined_worker_fails_a_job_that_exceeds_its_resource_limits() -> None:
    inherited = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(inherited, True)
    async with confined() as pool:
        usual = {"niceness": min(os.nice(0) + 10, 19), "descriptors": 5, "core": 0}
        assert await limits_of(pool) == usual
        for do, cause in (
            ("eat", "ended with status 1: MemoryError"),
            ("spin", r"was killed by SIGPROF \(it had used up its processor time\)"),
            ("write", "No usable temporary directory"),
        ):
            with pytest.raises(EngineError, match=cause):
                await limits_of(pool, do)
            assert await limits_of(pool) == usual
    os.close(inherited)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can end a stopped process with its parent")
@pytest.mark.parametrize("stopped", [False, True])
def test_workers_end_with_a_server_that_is_killed(stopped: bool) -> None:
    server = subprocess.Popen([sys.executable, "-c", textwrap.dedent(SERVER)], stdout=subprocess.PIPE, cwd=PROJECT)
    assert server.stdout is not None
    workers = [psutil.Process(int(pid)) for pid in server.stdout.readline().split()]
    assert len(workers) == 2
    for worker in workers:
        if stopped:
            worker.send_signal(signal.SIGSTOP)
    server.kill()
    server.wait()
    server.stdout.close()
    _, left = psutil.wait_procs(workers, timeout=5)
    for worker in left:
        worker.kill()
    assert not left


SERVER = f"""
    import asyncio, psutil
    from voicebot.engines.worker.pool import WorkerPool

    async def main():
        pool = WorkerPool("echo", "{MODULE}", 2)
        await pool.start()
        print(*(child.pid for child in psutil.Process().children()), flush=True)
        await asyncio.sleep(60)

    asyncio.run(main())
"""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (the condition has no event)
            await asyncio.sleep(0.01)


async def test_a_worker_that_cannot_start_reports_the_reason() -> None:
    pool = WorkerPool("echo", MODULE, 1, ("unfit",))
    with pytest.raises(EngineError, match="this worker cannot start"):
        await pool.start()
    await pool.close()
    assert children() == []


async def test_a_pool_that_is_not_started_refuses_jobs() -> None:
    pool = WorkerPool("echo", MODULE, 1)
    with pytest.raises(EngineError, match="not running"):
        await echo(pool, b"x")
    await pool.start()
    await pool.start()
    assert len(children()) == 1
    await pool.close()
    await pool.close()
    assert children() == []
