"""The app as a process: how it starts, why it refuses to, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.app_process import App, environment, running_app
from tests.support.paths import PROJECT
from tests.support.rtc_client import RtcClient
from voicebot.memory import ROUND_S


def start(folder: Path, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """For starts that fail."""
    command = [sys.executable, str(PROJECT / "app.py"), *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(**settings), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"stt_engine": "whisper"}, "STT_ENGINE: "),
        ({"app_username": "ann"}, "APP_PASSWORD: is missing, with APP_USERNAME set"),
        ({"language": "fr"}, "LANGUAGE: moonshine (STT_ENGINE) does not know 'fr'; it knows en"),
        ({"persona": "pirate"}, "PERSONA: there is no 'pirate'"),
        ({"tts_engine": "espeak", "espeak_voice": "klingonese"}, "espeak: "),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, settings: dict[str, object], line: str) -> None:
    ended = start(tmp_path, "--port", "0", **settings)
    assert ended.returncode == 1
    lines = ended.stderr.strip().splitlines()
    complaint = lines[lines.index("Voice Bot can't start.") + 1]
    assert complaint.startswith(line)
    assert "Traceback" not in ended.stderr


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = start(tmp_path, "--port", str(port))
    assert ended.returncode == 1
    assert f"port {port}" in ended.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_its_workers_end_with_it(tmp_path: Path, how: signal.Signals) -> None:
    with running_app(tmp_path) as app:
        workers = app.process.children(recursive=True)
        assert workers
        app.process.send_signal(how)
        _, alive = psutil.wait_procs([app.process, *workers], timeout=10)
        assert alive == []
    if how is not signal.SIGKILL:
        assert "Traceback" not in app.log.read_text("utf-8")


async def visit(app: App, visitors: int) -> None:
    """At once; and then the app is left alone."""

    async def come_and_go() -> None:
        async with RtcClient(app.url) as client:
            client.send({"type": "text", "text": "hello"})
            await client.heard.wait_for_sound()

    await asyncio.gather(*(come_and_go() for _ in range(visitors)))
    async with asyncio.timeout(10):
        while app.health()["sessions"]:  # noqa: ASYNC110 (another process has no event to wait for)
            await asyncio.sleep(0.05)


async def visits(app: App, rounds: int) -> float:
    """The memory in MB that is left when they are over and the app has tidied up."""
    for _ in range(rounds):
        await visit(app, 5)
    await asyncio.sleep(3 * ROUND_S)
    return float(app.process.memory_info().rss) / 1e6


async def test_memory_stays_flat_over_connections(tmp_path: Path) -> None:
    with running_app(tmp_path, max_sessions_per_address=0, offers_per_minute=1_000) as app:
        await visits(app, 4)
        files, threads = app.process.num_fds(), app.process.num_threads()
        children = len(app.process.children(recursive=True))
        early_mb = await visits(app, 4)
        late_mb = await visits(app, 12)
        assert app.process.num_fds() <= files + 2, "two for web connections that are kept alive"
        assert app.process.num_threads() <= threads + 2, (
            "hearing and speaking each have a second thread when they need it"
        )
        assert len(app.process.children(recursive=True)) == children
        assert late_mb < early_mb + 10, "in 60 connections"
