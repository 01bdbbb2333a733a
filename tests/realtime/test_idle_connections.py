"""The app runs as a process that may open few files: a flood of connections does not keep it from serving others."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.app_process import App, forked_app

MAX_FILES = 256


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """Starts the app as under `ulimit -n 256`, soft and hard."""
    with forked_app(tmp_path, MAX_FILES) as app:
        yield app


async def test_the_app_serves_requests_beside_three_hundred_idle_connections(app: App) -> None:
    port = int(app.url.rsplit(":", 1)[1])
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        async with httpx.AsyncClient(base_url=app.url, trust_env=False, timeout=5) as http:
            for path in ("/health", "/metrics", "/", "/webrtc/config"):
                assert (await http.get(path)).status_code == 200, path
            refusals = (await http.get("/metrics")).text
        assert app.process.num_fds() < MAX_FILES
    counted = [
        line for line in refusals.splitlines() if line.startswith('voicebot_refusals_total{reason="connections"}')
    ]
    assert float(counted[0].split()[1]) > 100
    log = await asyncio.to_thread(app.log.read_text, "utf-8")
    assert "Traceback" not in log
    assert len(log) < 5_000


async def test_long_bodies_for_unknown_routes_take_no_memory(app: App) -> None:
    body = b'{"data": ["' + b"x" * 900_000 + b'"], "fn_index": 0, "session_hash": "1"}'
    async with httpx.AsyncClient(base_url=app.url, trust_env=False, timeout=20) as http:
        before = app.process.memory_info().rss
        for number in range(150):
            path = "/gradio_api/queue/join" if number % 2 else "/gradio_api/upload"
            assert (await http.post(path, content=body)).status_code == 404
    assert app.process.memory_info().rss - before < 10_000_000
