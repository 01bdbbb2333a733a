"""On SIGTERM and SIGINT every session, on both transports, is told why it ends before its connection is closed."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.app_process import forked_app
from tests.support.rtc_client import RtcClient


async def last_messages(url: str, query: str, ready: asyncio.Event) -> tuple[list[dict[str, Any]], int | None]:
    """Returns all messages to a client of `/ws` until its connection is closed, and the close code."""
    came: list[dict[str, Any]] = []
    async with connect(f"{url.replace('http', 'ws')}/ws{query}") as socket:
        try:
            while True:
                came.append(json.loads(await socket.recv()))
                if came[-1]["event"] == "state":
                    ready.set()
        except ConnectionClosed as closed:
            return came, None if closed.rcvd is None else closed.rcvd.code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_sigterm_and_sigint_send_each_session_a_shutdown_message(tmp_path: Path, number: signal.Signals) -> None:
    with forked_app(tmp_path) as app:
        async with RtcClient(app.url) as page:
            ready = [asyncio.Event() for _ in range(3)]
            sockets = [asyncio.create_task(last_messages(app.url, "", each)) for each in ready]
            for each in ready:
                await asyncio.wait_for(each.wait(), 10)
            app.process.send_signal(number)
            closed = await page.wait_for_message(lambda message: message["type"] == "closed")
            assert closed["code"] == "shutdown"
            async with asyncio.timeout(10):
                for came, code in await asyncio.gather(*sockets):
                    assert came[-1] == {
                        "event": "closed",
                        "code": "shutdown",
                        "reason": "The server is shutting down.",
                    }
                    assert code == 1000
        assert await asyncio.to_thread(app.process.wait, 10) in (0, None)
        log = app.log.read_text("utf-8")
        assert "Traceback" not in log
        assert "ERROR" not in log
