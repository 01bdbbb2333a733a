"""A refused or broken WebSocket handshake is not logged as an error, unless the app itself fails."""

from __future__ import annotations

import asyncio
import base64
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr
from starlette.responses import JSONResponse

from tests.integration.access.own_server import own_server
from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import LiveServer, serving
from tests.support.unsignalled import Unsignalled
from voicebot.settings import config
from voicebot.web import server
from voicebot.web.port import bind

LOGIN: dict[str, Any] = {"app_username": "ann", "app_password": SecretStr("horse")}
RIGHT = f"Authorization: Basic {base64.b64encode(b'ann:horse').decode()}\r\n"
WRONG = f"Authorization: Basic {base64.b64encode(b'ann:mule').decode()}\r\n"
FOREIGN = "Origin: https://evil.example\r\n"
UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

App = Callable[[Any, Any, Any], Awaitable[None]]


def request(headers: str) -> bytes:
    return f"GET /ws HTTP/1.1\r\nHost: bot.example\r\n{headers}\r\n".encode()


async def status(host: str, headers: str) -> str:
    """Sends a request, and returns the status line of the answer once the server has closed the connection."""
    reader, writer = await asyncio.open_connection(*host.split(":"))
    writer.write(request(headers))
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.split(b"\r\n")[0].decode()


def loud(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{each.levelname} {each.name}: {each.getMessage()}" for each in caplog.records if each.levelno > 20]


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        (UPGRADE + KEY, "HTTP/1.1 401 Unauthorized"),
        (UPGRADE + KEY + WRONG, "HTTP/1.1 401 Unauthorized"),
        (UPGRADE + KEY + RIGHT + FOREIGN, "HTTP/1.1 403 Forbidden"),
        (UPGRADE + RIGHT, "HTTP/1.1 400 Bad Request"),
        ("Connection: close\r\n", "HTTP/1.1 401 Unauthorized"),
        ("Connection: close\r\n" + RIGHT, "HTTP/1.1 404 Not Found"),
    ],
    ids=["no login", "wrong login", "foreign origin", "no key in the handshake", "plain GET, no login", "plain GET"],
)
async def test_a_refused_client_is_not_logged_as_an_error(
    caplog: pytest.LogCaptureFixture, headers: str, answer: str
) -> None:
    caplog.set_level(logging.DEBUG)
    async with own_server(**LOGIN) as host:
        assert await status(host, headers) == answer
    assert loud(caplog) == []


@asynccontextmanager
async def live() -> AsyncIterator[LiveServer]:
    engines = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    async with serving(engines, config.load(**LOGIN)) as running:
        yield running


def break_off(port: int, sent: bytes, *, reset: bool) -> None:
    """Connects, sends data and leaves. With `reset`, the connection is reset, as that of a client that crashed."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(sent)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def test_a_client_that_breaks_off_its_handshake_is_not_logged_as_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with live() as running:
        port = int(running.url.rsplit(":", 1)[1])
        for headers in (UPGRADE + KEY + RIGHT, UPGRADE + KEY, UPGRADE + KEY + RIGHT + FOREIGN):
            whole = request(headers)
            for sent in (whole[:40], whole[:-2], whole):
                for reset in (False, True):
                    break_off(port, sent, reset=reset)
        # The server answers clients in the order in which they came, so it has seen all of them by now.
        assert await status(f"127.0.0.1:{port}", UPGRADE + KEY) == "HTTP/1.1 401 Unauthorized"
        async with asyncio.timeout(10):
            while running.services.admission.sessions:  # noqa: ASYNC110 (the end of a session has no event)
                await asyncio.sleep(0.01)
    assert loud(caplog) == []


async def _silent(scope: Any, receive: Any, send: Any) -> None:
    """Gives no answer."""


async def _half(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.http.response.start", "status": 401, "headers": []})


async def _broken(scope: Any, receive: Any, send: Any) -> None:
    raise ZeroDivisionError


async def _refusing_then_broken(scope: Any, receive: Any, send: Any) -> None:
    await JSONResponse({}, 401)(scope, receive, send)
    raise ZeroDivisionError


@pytest.mark.parametrize("app", [_silent, _half, _broken, _refusing_then_broken])
async def test_an_app_that_fails_in_a_handshake_is_logged_as_an_error(
    caplog: pytest.LogCaptureFixture, app: App
) -> None:
    listener = bind("127.0.0.1", 0)
    options = server.UVICORN | {"lifespan": "off", "timeout_graceful_shutdown": 1}
    web = Unsignalled(uvicorn.Config(app, **options))
    serve = asyncio.create_task(web.serve(sockets=[listener]))
    await status(f"127.0.0.1:{listener.getsockname()[1]}", UPGRADE + KEY)
    web.should_exit = True
    await serve
    assert [each.levelname for each in caplog.records if each.levelno > logging.INFO] == ["ERROR"]
