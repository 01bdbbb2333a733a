"""On SIGTERM and SIGINT every session, on both transports, is told why it ends before its connection is closed: its
client may go on elsewhere, or the server shuts down."""

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
from voicebot.access.close_codes import MOVING


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


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (signal.SIGTERM, {"code": "moving", "reason": MOVING.reason}),
        (signal.SIGINT, {"code": "shutdown", "reason": "The server is shutting down."}),
    ],
)
async def test_sigterm_and_sigint_tell_each_session_why_it_ends(
    tmp_path: Path, number: signal.Signals, expected: dict[str, str]
) -> None:
    with forked_app(tmp_path) as app:
        async with RtcClient(app.url) as page:
            ready = [asyncio.Event() for _ in range(3)]
            sockets = [asyncio.create_task(last_messages(app.url, "", each)) for each in ready]
            for each in ready:
                await asyncio.wait_for(each.wait(), 10)
            app.process.send_signal(number)
            closed = await page.wait_for_message(lambda message: message["type"] == "closed")
            assert closed["code"] == expected["code"]
            async with asyncio.timeout(10):
                for came, code in await asyncio.gather(*sockets):
                    assert came[-1] == {"event": "closed", **expected}
                    assert code == 1000
        assert await asyncio.to_thread(app.process.wait, 10) in (0, None)
        log = app.log.read_text("utf-8")
        assert "Traceback" not in log
        assert "ERROR" not in log
