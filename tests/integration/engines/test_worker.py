"""Worker processes: they work side by side, can be cancelled and killed, and none is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest

from tests.support.paths import PROJECT
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.worker.frames import Kind, Message
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


async def echo(pool: WorkerPool, *pieces: bytes, do: str | None = None) -> list[bytes]:
    async with pool.job(Message(Kind.START, {"do": do})) as job:
        for piece in pieces:
            await job.send(Message(Kind.DATA, body=piece))
        await job.send(Message(Kind.END))
        answers = []
        while (message := await job.receive()) is not None:
            answers.append(message.body)
        return answers


async def test_messages_of_any_size_come_back_from_a_worker_unchanged(pool: WorkerPool) -> None:
    assert await echo(pool, b"one", b"", b"x" * 300_000) == [b"one", b"", b"x" * 300_000]


async def test_more_jobs_than_workers_wait_for_their_turn(pool: WorkerPool) -> None:
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
    async with pool.job(Message(Kind.START)) as job:
        killed = children()
        for worker in killed:
            worker.kill()
        with pytest.raises(EngineError, match=r"was killed by SIGKILL \(out of memory\?\)"):
            await job.receive()
    assert await asyncio.gather(*(echo(pool, b"a") for _ in range(4))) == [[b"a"]] * 4
    others = {worker.pid for worker in children()} - {worker.pid for worker in killed}
    assert len(others) == len(killed) == 2


async def test_the_pool_serves_jobs_after_one_that_does_not_stop_when_cancelled(pool: WorkerPool) -> None:
    async with pool.job(Message(Kind.START, {"do": "hang"})) as job:
        assert (message := await job.receive()) is not None
        assert message.text("text") == "hanging"
    assert await asyncio.gather(*(echo(pool, b"a") for _ in range(4))) == [[b"a"]] * 4


async def test_the_log_names_the_signal_that_killed_a_worker(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten times: the true status must not be lost to a race with asyncio's watcher, which then says 255."""
    for _ in range(10):
        caplog.clear()
        async with pool.job(Message(Kind.START)) as job:
            for worker in children():
                worker.kill()
            with pytest.raises(EngineError):
                await job.receive()
        assert await echo(pool, b"a") == [b"a"]
        await until(lambda: "killed by SIGKILL (out of memory?); another takes its place" in caplog.text)
        assert "255" not in caplog.text


async def test_hung_workers_are_replaced_and_the_next_jobs_are_done(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    """All are stopped while nobody watches: the next jobs find out."""
    hung = children()
    for worker in hung:
        worker.suspend()
    begun_s = time.monotonic()
    assert await asyncio.gather(*(echo(pool, b"a") for _ in range(4))) == [[b"a"]] * 4
    assert time.monotonic() - begun_s < 5
    assert "was killed, as it did not take up a job within 2 s; another takes its place" in caplog.text
    assert not {worker.pid for worker in hung} & {worker.pid for worker in children()}


async def test_a_job_has_time_limits_for_its_first_and_each_further_message(pool: WorkerPool) -> None:
    with pytest.raises(EngineError, match=r"gave nothing within 0.3 s") as late:
        async with pool.job(Message(Kind.START), first_s=0.3) as job:
            await job.receive()
    assert late.value.fault is Fault.TIMEOUT
    async with pool.job(Message(Kind.START, {"do": "hang"}), first_s=5, next_s=0.4) as job:
        assert await job.receive() is not None
        with pytest.raises(EngineError, match=r"gave nothing within 0.4 s"):
            await job.receive()
    assert await asyncio.gather(*(echo(pool, b"a") for _ in range(4))) == [[b"a"]] * 4
    assert len(children()) == 2


async def test_workers_inherit_only_the_environment_variables_that_they_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "secret")
    monkeypatch.setenv("ANYTHING_ELSE", "secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:password@proxy.invalid")
    for network in (False, True):
        pool = WorkerPool("echo", MODULE, 1, network=network)
        await pool.start()
        async with pool.job(Message(Kind.START, {"do": "environment"})) as job:
            message = await job.receive()
            assert message is not None
            names = message.text("names").split()
        (worker,) = children()
        assert "secret" not in str(worker.environ())
        await pool.close()
        assert "PATH" in names
        assert not {"GROQ_API_KEY", "ANYTHING_ELSE"} & set(names)
        assert ("HTTPS_PROXY" in names) == network


@asynccontextmanager
async def confined() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool("confined", CONFINED, 1)
    await pool.start()
    yield pool
    await pool.close()


async def told(pool: WorkerPool, do: str = "") -> dict[str, Any]:
    async with pool.job(Message(Kind.START, {"do": do})) as job:
        message = await job.receive()
        assert message is not None
        return dict(message.fields)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep to these limits")
async def test_a_confined_worker_fails_a_job_that_exceeds_its_resource_limits() -> None:
    inherited = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(inherited, True)
    async with confined() as pool:
        usual = {"niceness": min(os.nice(0) + 10, 19), "descriptors": 5, "core": 0}
        assert await told(pool) == usual
        for do, cause in (
            ("eat", "ended with status 1: MemoryError"),
            ("spin", r"was killed by SIGPROF \(it had used up its processor time\)"),
            ("write", "No usable temporary directory"),
        ):
            with pytest.raises(EngineError, match=cause):
                await told(pool, do)
            assert await told(pool) == usual
    os.close(inherited)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a stopped process with its parent")
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


async def until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not so():  # noqa: ASYNC110 (it has no event)
            await asyncio.sleep(0.01)


async def test_a_worker_that_cannot_start_reports_the_reason() -> None:
    pool = WorkerPool("echo", MODULE, 1, ("unfit",))
    with pytest.raises(EngineError, match="this worker is not fit for work"):
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
