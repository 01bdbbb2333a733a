"""Real workers under a real supervisor: they share one port, are replaced, and drain when it dies."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.app_process import App, running_app
from tests.support.metrics_page import samples
from tests.support.waiting import until

OPEN = {"max_sessions": 60, "max_sessions_per_address": 0, "offers_per_minute": 600}
"""Sockets are opened until each worker has accepted one, and the system decides which one accepts."""

START_S = 90.0
"""How long a worker may take to start while other tests use the cores."""


def workers(app: App) -> dict[int, psutil.Process]:
    """Returns the newest process of each worker that serves, or has served."""
    lines = re.findall(r"worker (\d) serves \(process (\d+)\)", app.log.read_text("utf-8"))
    return {int(number): psutil.Process(int(process)) for number, process in lines if psutil.pid_exists(int(process))}


def serves(app: App, starts: int) -> Callable[[], bool]:
    """Returns a check whether this many workers have started to serve so far."""
    return lambda: app.log.read_text("utf-8").count(" serves (process ") == starts


def private_folder(process: psutil.Process) -> Path:
    """Returns the folder of the Unix socket on which a worker answers the others."""
    (path,) = {each.laddr for each in process.net_connections("unix") if ".sock" in each.laddr}
    assert isinstance(path, str)
    return Path(path).parent


def has_connection(process: psutil.Process, socket: ClientConnection) -> bool:
    return any(each.raddr and each.raddr.port == socket.local_address[1] for each in process.net_connections("tcp"))


async def session(stack: AsyncExitStack, app: App) -> tuple[ClientConnection, dict[str, Any]]:
    """Returns the socket of a new session, and its first message."""
    socket = await stack.enter_async_context(connect(f"{app.url.replace('http', 'ws')}/ws", max_size=None, proxy=None))
    connected = json.loads(await socket.recv())
    assert connected["event"] == "connected"
    return socket, connected


async def rest(socket: ClientConnection) -> tuple[list[dict[str, Any]], int | None]:
    """Returns all messages until the connection is closed, and the close code; None if it broke."""
    came = []
    try:
        while True:
            came.append(json.loads(await socket.recv()))
    except ConnectionClosed as closed:
        return came, None if closed.rcvd is None else closed.rcvd.code


@pytest.mark.long
async def test_workers_are_replaced_when_they_die_and_at_sighup_and_end_with_their_supervisor(tmp_path: Path) -> None:
    with running_app(tmp_path, workers=2, tts_engine="espeak", llm_engine="offline", **OPEN) as app:
        await until(serves(app, 2), START_S)
        first, second = workers(app).values()
        folder = private_folder(first)
        assert folder.stat().st_mode & 0o777 == 0o700
        async with AsyncExitStack() as stack:
            killed_socket = drained_socket = None
            opened = 0
            async with asyncio.timeout(60):
                while killed_socket is None or drained_socket is None:
                    socket, connected = await session(stack, app)
                    opened += 1
                    if has_connection(first, socket):
                        killed_socket = socket
                    else:
                        assert has_connection(second, socket)
                        drained_socket, recording = socket, f"{app.url}/recordings/{connected['recording']}.zip"

            first.send_signal(signal.SIGKILL)
            came, code = await asyncio.wait_for(rest(killed_socket), 20)
            assert code is None, "nobody could tell it why"
            await drained_socket.send(json.dumps({"type": "text", "text": "hello"}))
            while json.loads(await asyncio.wait_for(drained_socket.recv(), 20))["event"] != "llm.final":
                pass
            await until(serves(app, 3), START_S)

            (tmp_path / ".env").write_text("STUN_URL=stun:127.0.0.1:9\n", "utf-8")
            app.process.send_signal(signal.SIGHUP)
            came, code = await asyncio.wait_for(rest(drained_socket), START_S)
            assert (came[-1]["event"], came[-1].get("code"), code) == ("closed", "moving", 1000)
            await until(serves(app, 5), START_S)
            assert second.is_running(), "it keeps its recording for its siblings"
            async with httpx.AsyncClient(trust_env=False) as http:
                assert (await http.get(f"{app.url}/ready")).json() == {"status": "ready"}
                ice = (await http.get(f"{app.url}/webrtc/config")).json()
                assert ice["iceServers"] == [{"urls": ["stun:127.0.0.1:9"]}], "the settings are read anew"
                archive = await http.get(recording)
                assert (archive.status_code, archive.content[:2]) == (200, b"PK"), "its siblings fetch it"
                async with asyncio.timeout(10):  # the drained worker ends its sessions, and then removes its gauges
                    found = samples((await http.get(f"{app.url}/metrics")).content)
                    while found["voicebot_sessions", "ws"]:
                        await asyncio.sleep(0.1)
                        found = samples((await http.get(f"{app.url}/metrics")).content)
            assert found["voicebot_sessions_started_total", "ws"] == opened, "the counts of dead workers stay"
            assert {key[1] for key in found if key[0] == "process_open_fds"} == {"0", "1"}

            last_socket, _ = await session(stack, app)
            app.process.send_signal(signal.SIGKILL)
            came, code = await asyncio.wait_for(rest(last_socket), 20)
            assert (came[-1]["event"], came[-1].get("code"), code) == ("closed", "moving", 1000)
        log = app.log.read_text("utf-8")
        processes = [int(each) for each in re.findall(r"\(process (\d+)\)", log)]
        assert len(set(processes)) == 5
        await until(lambda: not any(map(psutil.pid_exists, processes)), 40)
        shutil.rmtree(folder)  # as nobody is left who could
        log = app.log.read_text("utf-8")
        assert "Traceback" not in log
        assert [line for line in log.splitlines() if " ERROR " in line] == [
            line for line in log.splitlines() if "was ended by SIGKILL" in line
        ]
