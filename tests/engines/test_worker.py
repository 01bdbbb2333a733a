"""Worker processes: they work side by side, can be cancelled and killed, and none is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psutil
import pytest

from voicebot.engines.base import EngineError
from voicebot.engines.worker.frames import FrameBuffer, Kind, Message
from voicebot.engines.worker.pool import WorkerPool

MODULE = "tests.engines.echo_worker"


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


async def test_what_goes_in_comes_out(pool: WorkerPool) -> None:
    assert await echo(pool, b"one", b"", b"x" * 300_000) == [b"one", b"", b"x" * 300_000]


async def test_more_jobs_than_workers_wait_for_their_turn(pool: WorkerPool) -> None:
    answers = await asyncio.gather(*(echo(pool, str(number).encode()) for number in range(20)))
    assert answers == [[str(number).encode()] for number in range(20)]
    assert len(children()) == 2


async def test_what_a_library_prints_does_not_get_between_the_messages(pool: WorkerPool) -> None:
    assert await echo(pool, b"fine", do="print") == [b"fine"]


async def test_a_worker_that_dies_fails_its_job_only(pool: WorkerPool) -> None:
    with pytest.raises(EngineError, match="echo: its worker process ended"):
        await echo(pool, b"lost", do="die")
    for _ in range(3):
        assert await echo(pool, b"next") == [b"next"]
    assert len(children()) == 2


async def test_a_worker_killed_in_mid_job_is_replaced(pool: WorkerPool) -> None:
    async with pool.job(Message(Kind.START)) as job:
        workers = children()
        for worker in workers:
            worker.kill()
        psutil.wait_procs(workers, timeout=5)
        with pytest.raises(EngineError):
            await job.receive()
    assert await asyncio.gather(*(echo(pool, b"a") for _ in range(4))) == [[b"a"]] * 4


async def test_a_job_that_does_not_stop_when_cancelled_loses_its_worker(pool: WorkerPool) -> None:
    async with pool.job(Message(Kind.START, {"do": "hang"})) as job:
        assert (message := await job.receive()) is not None
        assert message.text("text") == "hanging"
    assert await asyncio.gather(*(echo(pool, b"a") for _ in range(4))) == [[b"a"]] * 4


async def test_a_worker_that_can_not_start_says_why() -> None:
    pool = WorkerPool("echo", MODULE, 1, ("unfit",))
    with pytest.raises(EngineError, match="this worker is not fit for work"):
        await pool.start()
    await pool.close()
    assert children() == []


async def test_a_pool_that_is_not_running_says_so() -> None:
    pool = WorkerPool("echo", MODULE, 1)
    with pytest.raises(EngineError, match="not running"):
        await echo(pool, b"x")
    await pool.start()
    await pool.start()
    assert len(children()) == 1
    await pool.close()
    await pool.close()
    assert children() == []


def test_messages_survive_any_cut() -> None:
    messages = [
        Message(Kind.START, {"text": "héllo", "n": 3}),
        Message(Kind.DATA, body=b"\x00" * 50),
        Message(Kind.END),
    ]
    stream = b"".join(message.encoded() for message in messages)
    for size in (1, 2, 7, 1000):
        buffer = FrameBuffer()
        got = []
        for start in range(0, len(stream), size):
            buffer.push(stream[start : start + size])
            got += list(buffer.messages())
        assert got == messages
