"""The app as a process: how it starts, why it may refuse to start, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from tests.support.app_process import App, environment, forked_app, running_app
from tests.support.paths import PROJECT
from tests.support.rtc_client import RtcClient
from voicebot.runtime.memory import ROUND_S


def test_an_engine_that_fails_to_start_ends_the_app_with_its_name_and_no_traceback(tmp_path: Path) -> None:
    """`test_refused_start` covers the faults that are found before the engines start."""
    broken = (
        "import runpy, sys\n"
        "from voicebot.engines.errors import EngineError\n"
        "from voicebot.engines.tts.espeak import Espeak\n"
        "async def start(self):\n"
        "    raise EngineError('espeak', 'there is no voice')\n"
        "Espeak.start = start\n"
        "sys.argv = ['app.py', '--port', '0']\n"
        f"runpy.run_path({str(PROJECT / 'app.py')!r}, run_name='__main__')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", broken],
        cwd=tmp_path,
        env=environment(tts_engine="espeak") | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    lines = ended.stderr.strip().splitlines()
    complaint = lines[lines.index("Voice Bot can't start.") + 1 :]
    assert complaint == ["espeak: there is no voice"]
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("signal_sent", "started"),
    [(signal.SIGINT, running_app), (signal.SIGTERM, forked_app), (signal.SIGKILL, forked_app)],
    ids=["SIGINT", "SIGTERM", "SIGKILL"],
)
def test_the_worker_processes_end_with_the_app(
    tmp_path: Path, signal_sent: signal.Signals, started: Callable[[Path], AbstractContextManager[App]]
) -> None:
    with started(tmp_path) as app:
        workers = app.process.children(recursive=True)
        assert workers
        app.process.send_signal(signal_sent)
        _, alive = psutil.wait_procs([app.process, *workers], timeout=10)
        assert alive == []
    if signal_sent is not signal.SIGKILL:
        assert "Traceback" not in app.log.read_text("utf-8")


async def visit(app: App, visitors: int) -> None:
    """Opens this many sessions at once, and returns when all of them have ended."""

    async def talk_briefly() -> None:
        async with RtcClient(app.url) as client:
            client.send({"type": "text", "text": "hello"})
            await client.heard.wait_for_sound()

    await asyncio.gather(*(talk_briefly() for _ in range(visitors)))
    async with asyncio.timeout(10):
        while app.health()["sessions"]:  # noqa: ASYNC110 (another process has no event to wait for)
            await asyncio.sleep(0.05)


async def visits(app: App, rounds: int) -> None:
    for _ in range(rounds):
        await visit(app, 5)


async def settled_mb(app: App) -> float:
    """Returns the memory in MB, once another round of cleaning up frees no more of it."""
    before_mb, now_mb = float("inf"), float(app.process.memory_info().rss) / 1e6
    while now_mb < before_mb - 0.2:
        await asyncio.sleep(1.5 * ROUND_S)
        before_mb, now_mb = now_mb, float(app.process.memory_info().rss) / 1e6
    return now_mb


async def test_memory_stays_flat_over_connections(tmp_path: Path) -> None:
    with forked_app(tmp_path, max_sessions_per_address=0, offers_per_minute=1_000) as app:
        await visits(app, 3)
        files, threads = app.process.num_fds(), app.process.num_threads()
        children = len(app.process.children(recursive=True))
        await visits(app, 3)
        early_mb = await settled_mb(app)
        await visits(app, 8)
        late_mb = await settled_mb(app)
        assert app.process.num_fds() <= files + 2, "two web connections may be kept alive"
        assert app.process.num_threads() <= threads + 2, (
            "the recogniser and the synthesizer may each start a second thread"
        )
        assert len(app.process.children(recursive=True)) == children
        assert late_mb < early_mb + 7, "memory grows by 7 MB or more in 40 connections"
