"""Floods of connections and slow clients are ended, while honest visitors and health probes get in."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from tests.integration.access.own_server import own_app
from tests.support.refusals import Refusals
from tests.support.unsignalled import UnsignalledBounded
from voicebot.access.refusal import Reason
from voicebot.runtime import limits
from voicebot.web import server
from voicebot.web.connection_slots import ConnectionSlot, ConnectionSlots, SlotHolder
from voicebot.web.http_server import ConnectionRules
from voicebot.web.port import bind

GET = b"GET /health HTTP/1.1\r\nHost: bot\r\n\r\n"
POST = b"POST /preflight HTTP/1.1\r\nHost: bot\r\n"


class CountingSlots(ConnectionSlots):
    entered = 0
    """The number of connections so far."""

    def take_slot(self, address: str, holder: SlotHolder) -> ConnectionSlot | None:
        self.entered += 1
        return super().take_slot(address, holder)


class Running:
    def __init__(self, port: int, slots: CountingSlots, refused: Refusals, worked: list[int]) -> None:
        self.port = port
        self.slots = slots
        self.refused = refused
        self.worked = worked

    async def open(
        self, sent: bytes = b"", host: str = "127.0.0.1"
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(host, 0))
        writer.write(sent)
        await writer.drain()
        return reader, writer

    async def status(self, sent: bytes, host: str = "127.0.0.1") -> int:
        reader, writer = await self.open(sent, host)
        async with asyncio.timeout(10):
            line = await reader.readline()
        writer.close()
        return int(line.split()[1]) if line else 0

    async def count(self, wanted: int) -> None:
        async with asyncio.timeout(10):
            while len(self.slots) != wanted:  # noqa: ASYNC110 (the end of a connection has no event)
                await asyncio.sleep(0.01)


def add_slow_routes(app: FastAPI, worked: list[int]) -> None:
    async def download(_: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(400):
                yield b"x" * 65_536

        return StreamingResponse(pieces())

    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.send_text(await websocket.receive_text())

    async def work(_: Request) -> Response:
        worked.append(1)
        until_s = time.thread_time() + 0.002
        while time.thread_time() < until_s:
            pass
        return Response("done")

    app.add_route("/work", work)
    app.add_route("/download", download)
    app.add_websocket_route("/talk", talk)


@asynccontextmanager
async def running(most: int = 20, most_each: int = 20, probes: int = 4, **settings: Any) -> AsyncIterator[Running]:
    refused = Refusals()
    slots = CountingSlots(most, most_each, probes)
    app = own_app(**settings, allowed_hosts="bot")
    worked: list[int] = []
    add_slow_routes(app, worked)
    rules = ConnectionRules(slots, refused)
    web = UnsignalledBounded(app, rules, **server.UVICORN, timeout_graceful_shutdown=1)
    listener = bind("127.0.0.1", 0)
    serve = asyncio.create_task(web.serve(sockets=[listener]))
    while not web.started:  # noqa: ASYNC110 (it has no event)
        await asyncio.sleep(0)
    try:
        yield Running(listener.getsockname()[1], slots, refused, worked)
    finally:
        web.should_exit = True
        await serve


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Shortens time limits."""

    def shorten(**seconds: float) -> None:
        for name, value in seconds.items():
            monkeypatch.setattr(limits, name, value)

    return shorten


# Slow clients ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("sent", [b"G", GET[:-2], b"POST / HTTP/1.1\r\nx: " + b"y" * 5_000])
async def test_an_incomplete_request_head_is_answered_with_408(
    hurry: Callable[..., None], sent: bytes, locked: bool
) -> None:
    hurry(HEAD_S=0.3)
    login: dict[str, Any] = {"app_username": "ann", "app_password": "horse"} if locked else {}
    async with running(**login) as bot:
        assert await bot.status(sent) == 408
        await bot.count(0)
        assert bot.refused[Reason.TIMEOUT] == 1


async def test_a_trickling_request_head_gets_no_extra_time(hurry: Callable[..., None]) -> None:
    hurry(HEAD_S=0.5)
    async with running() as bot:
        reader, writer = await bot.open()
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        answer = asyncio.create_task(reader.read())
        for byte in b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 1_000:
            if answer.done():
                break
            writer.write(bytes([byte]))
            await asyncio.wait([answer], timeout=0.02)
        assert (await answer).startswith(b"HTTP/1.1 408")
        assert 0.4 < loop.time() - began_s < 2
        writer.close()


async def test_closes_a_connection_that_sends_nothing(hurry: Callable[..., None]) -> None:
    hurry(HEAD_S=0.3)
    async with running() as bot:
        reader, writer = await bot.open()
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


async def test_a_trickling_second_request_on_an_open_connection_is_refused(hurry: Callable[..., None]) -> None:
    hurry(HEAD_S=0.5)
    async with running() as bot:
        reader, writer = await bot.open(GET)
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(4)
        answer = asyncio.create_task(reader.read())
        while not answer.done():
            writer.write(b"G" if len(bot.slots) else b"")
            await asyncio.wait([answer], timeout=0.05)
        assert answer.result().startswith((b"HTTP/1.1 408", b"HTTP/1.1 400"))
        writer.close()


@pytest.mark.parametrize("header", [b"Content-Length: 90000", b"Transfer-Encoding: chunked"])
async def test_a_body_that_trickles_is_answered_with_408(hurry: Callable[..., None], header: bytes) -> None:
    hurry(BODY_S=0.4)
    async with running() as bot:
        reader, writer = await bot.open(POST + header + b"\r\n\r\n")
        answer = asyncio.create_task(reader.read())
        for _ in range(100):
            if answer.done():
                break
            writer.write(b"1\r\nx\r\n")
            await asyncio.wait([answer], timeout=0.05)
        assert (await answer).startswith(b"HTTP/1.1 408")
        writer.close()
        await bot.count(0)


async def test_a_steadily_sent_body_may_exceed_the_body_time_limit(hurry: Callable[..., None]) -> None:
    """At the least rate each piece earns 0.6 s, and it comes 0.1 s after the one before."""
    hurry(BODY_S=0.3, BODY_BYTES_PER_S=10_000)
    async with running() as bot:
        reader, writer = await bot.open(POST + b"Content-Length: 36000\r\n\r\n")
        for _ in range(6):
            writer.write(b"x" * 6_000)
            await asyncio.sleep(0.1)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_a_refused_client_that_keeps_sending_gets_its_refusal_and_is_cut_off(hurry: Callable[..., None]) -> None:
    hurry(REFUSED_BODY_S=0.5)
    async with running() as bot:
        for head in (
            b"POST /nowhere HTTP/1.1\r\nHost: bot\r\nContent-Length: 900000\r\n\r\n",
            b"POST /nowhere HTTP/1.1\r\nHost: bot\r\nConnection: close\r\nContent-Length: 900000\r\n\r\n",
            POST + b"Content-Length: 9000000\r\n\r\n",
        ):
            reader, writer = await bot.open(head)
            writer.write(b"x" * 400_000)
            await writer.drain()
            assert (await reader.readline()).split()[1] in (b"404", b"413")
            await reader.read()
            writer.close()
            await bot.count(0)


async def test_a_client_that_does_not_read_is_cut_off(hurry: Callable[..., None]) -> None:
    hurry(UNREAD_S=0.5)
    async with running() as bot:
        _, writer = await bot.open(b"GET /download HTTP/1.1\r\nHost: bot\r\n\r\n")
        await bot.count(1)
        await bot.count(0)
        assert bot.refused[Reason.TIMEOUT] == 1
        writer.close()


async def test_a_slowly_read_download_is_not_cut_off(hurry: Callable[..., None]) -> None:
    hurry(UNREAD_S=1.0, HEAD_S=0.3, CLOSING_S=0.3)
    async with running() as bot:
        slow = socket.create_connection(("127.0.0.1", bot.port))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
        reader, writer = await asyncio.open_connection(sock=slow)
        writer.write(b"GET /download HTTP/1.1\r\nHost: bot\r\nConnection: close\r\n\r\n")
        came = 0
        loop = asyncio.get_running_loop()
        until_s = loop.time() + 1.2 * limits.UNREAD_S
        while loop.time() < until_s:
            came += len(await reader.read(65_536))
            await asyncio.sleep(0.1)
        assert came < 400 * 65_536, "the limit passed before the whole download was read"
        while piece := await reader.read(1 << 20):
            came += len(piece)
        assert came > 400 * 65_536
        writer.close()


async def test_a_websocket_is_exempt_from_the_http_time_limits(hurry: Callable[..., None]) -> None:
    hurry(HEAD_S=0.1, BODY_S=0.1, UNREAD_S=0.1, CLOSING_S=0.1)
    async with running() as bot, connect(f"ws://127.0.0.1:{bot.port}/talk", proxy=None) as websocket:
        for _ in range(2):
            await asyncio.sleep(0.2)  # The limits pass.
            await websocket.send("still here")
            assert await websocket.recv() == "still here"
    await bot.count(0)


async def test_tiny_chunks_and_newline_floods_are_refused_but_ordinary_chunks_are_not() -> None:
    async with running() as bot:
        head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
        assert await bot.status(head + b"1\r\nx\r\n" * 3_000) == 400
        assert await bot.status(head + (b"400\r\n" + b"\n" * 1_024 + b"\r\n") * 20 + b"0\r\n\r\n") == 400
        assert await bot.status(head + (b"400\r\n" + b"x" * 1_024 + b"\r\n") * 500 + b"0\r\n\r\n") == 200


async def test_long_bodies_wait_for_a_slot_while_short_ones_are_received(
    monkeypatch: pytest.MonkeyPatch, hurry: Callable[..., None]
) -> None:
    hurry(BODY_S=1.0)
    monkeypatch.setattr(limits, "LONG_BODIES", 2)
    async with running() as bot:
        head = POST + b"Content-Length: 900000\r\n\r\n"
        slow = [await bot.open(head + b"x" * 1_000) for _ in range(2)]
        waiting = asyncio.create_task(bot.status(head + b"x" * 900_000))
        assert await bot.status(POST + b"Content-Length: 30000\r\n\r\n" + b"x" * 30_000) == 200, (
            "a short body is received at once"
        )
        assert not waiting.done()
        slow[0][1].close()
        assert await waiting == 200
        for reader, _ in slow[1:]:
            assert (await reader.readline()).startswith(b"HTTP/1.1 408"), "the slow body loses its slot in the end"
        assert await bot.status(head + b"x" * 900_000) == 200
        for _, writer in slow:
            writer.close()


# Many connections -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", GET[:20], GET, POST + b"Content-Length: 9\r\n\r\nx"])
async def test_connections_that_are_idle_or_sent_half_a_request_make_room_for_new_ones(sent: bytes) -> None:
    async with running(most=20) as bot, AsyncExitStack() as stack:
        for _ in range(60):
            _, writer = await bot.open(sent)
            stack.callback(writer.close)
        for path in (b"/", b"/health", b"/metrics"):
            assert await bot.status(b"GET " + path + b" HTTP/1.1\r\nHost: bot\r\n\r\n") == 200
        assert len(bot.slots) <= 20
        assert bot.refused[Reason.CONNECTIONS] >= 40


async def test_the_address_with_most_connections_makes_room_for_others() -> None:
    async with running(most=20) as bot:
        honest = await bot.open(b"", "127.0.0.2")
        flood = [await bot.open(b"", "127.0.0.3") for _ in range(60)]
        assert await bot.status(GET, "127.0.0.4") == 200
        honest[1].write(GET)
        async with asyncio.timeout(5):
            assert (await honest[0].readline()).startswith(b"HTTP/1.1 200"), (
                "the connection from before the flood stays"
            )
        for _, writer in (honest, *flood):
            writer.close()


async def test_an_address_at_its_limit_makes_room_with_its_own_connections() -> None:
    async with running(most=40, most_each=10) as bot:
        others = [await bot.open(b"", "127.0.0.2") for _ in range(10)]
        flood = [await bot.open(b"", "127.0.0.3") for _ in range(50)]
        assert await bot.status(GET, "127.0.0.3") == 200
        await bot.count(20)
        for reader, writer in others:
            assert not reader.at_eof()
            writer.write(GET)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        for _, writer in (*others, *flood):
            writer.close()


async def test_probes_are_answered_while_all_connections_are_busy() -> None:
    async with running(most=3, probes=2) as bot, AsyncExitStack() as stack:
        for _ in range(3):
            websocket = await stack.enter_async_context(connect(f"ws://127.0.0.1:{bot.port}/talk", proxy=None))
        for _ in range(5):
            _, writer = await bot.open()
            stack.callback(writer.close)
        for path, status in ((b"/health", 200), (b"/metrics", 200), (b"/", 503), (b"/talk", 503)):
            upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n" if path == b"/talk" else b""
            assert await bot.status(b"GET " + path + b" HTTP/1.1\r\nHost: bot\r\n" + upgrade + b"\r\n") == status
        await websocket.send("the sessions mind nothing")
        assert await websocket.recv() == "the sessions mind nothing"


async def test_a_client_that_does_not_read_its_download_makes_room_for_a_new_one(hurry: Callable[..., None]) -> None:
    hurry(STALLED_S=0.1)
    async with running(most=5) as bot, AsyncExitStack() as stack:
        for _ in range(5):
            _, writer = await bot.open(b"GET /download HTTP/1.1\r\nHost: bot\r\n\r\n")
            stack.callback(writer.close)
        await bot.count(5)
        async with asyncio.timeout(10):
            while await bot.status(b"GET / HTTP/1.1\r\nHost: bot\r\n\r\n") != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_a_flood_of_requests_delays_neither_other_addresses_nor_the_event_loop() -> None:
    async with running(most=150, most_each=150) as bot, AsyncExitStack() as stack:
        pipelined = b"GET /work HTTP/1.1\r\nHost: bot\r\n\r\n" * 100
        for _ in range(100):
            _, writer = await bot.open(pipelined, "127.0.0.3")
            stack.callback(writer.close)
        async with asyncio.timeout(10):
            while len(bot.worked) < 50:  # noqa: ASYNC110 (it has no event)
                await asyncio.sleep(0)
        before = len(bot.worked)
        assert await bot.status(GET, "127.0.0.2") == 200
        assert len(bot.worked) - before < 50, "the request did not wait for a hundred others"
        turns = []
        before = len(bot.worked)
        while len(bot.worked) < before + 300:
            began_s = time.thread_time()
            await asyncio.sleep(0)
            turns.append(time.thread_time() - began_s)
        assert sorted(turns)[int(len(turns) * 0.95)] < 0.05, "the event loop runs other tasks in between"


async def test_garbage_is_refused_with_400_counted_and_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture, hurry: Callable[..., None]
) -> None:
    """All servers of a process share the minute, so the first refusal here begins a new one."""
    caplog.set_level(logging.INFO)
    async with running() as bot:
        hurry(LOG_AGAIN_S=0.0)
        assert await bot.status(b"GET\r\n\r\n") == 400
        hurry(LOG_AGAIN_S=60.0)
        for sent in (
            b"\x16\x03\x01\x02\x00" * 9,
            b"GET\r\n\r\n",
            b"nonsense\r\n\r\n",
            POST + b"Content-Length: x\r\n\r\n",
        ):
            for _ in range(5):
                assert await bot.status(sent) == 400
        assert bot.refused[Reason.REQUEST] == 21
    warnings = [each.getMessage() for each in caplog.records if each.levelno > logging.INFO]
    assert warnings == ["Invalid HTTP request received."]


async def test_running_out_of_files_is_logged_once_a_minute_without_a_traceback(
    caplog: pytest.LogCaptureFixture, hurry: Callable[..., None]
) -> None:
    """All servers of a process share the minute, so the first report here begins a new one."""
    refused = {"message": "socket.accept() out of system resource", "exception": OSError(24, "Too many open files")}
    async with running():
        hurry(LOG_AGAIN_S=0.0)
        asyncio.get_running_loop().call_exception_handler(refused)
        hurry(LOG_AGAIN_S=60.0)
        for _ in range(100):
            asyncio.get_running_loop().call_exception_handler(refused)
    (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert "ulimit" in record.getMessage()
    assert record.exc_info is None


async def test_an_httpx_client_with_keep_alive_is_served_and_holds_one_connection() -> None:
    async with running() as bot, httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{bot.port}") as http:
        for _ in range(3):
            answers = [
                await http.get("/health"),
                await http.post("/preflight", content=b"x" * 100_000),
                await http.post("/nowhere", content=b"x" * 900_000),
            ]
            assert [each.status_code for each in answers] == [200, 200, 404]
            assert answers[1].json()["bytes"] == 100_000
        assert bot.slots.entered == 1, "all requests use one connection"
        await bot.count(1)
