"""A recording that another worker sends is passed on as it comes, and is never taken for complete if it breaks off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import LiveServer, serving
from voicebot.settings import config
from voicebot.workers.place import WorkerPlace

PATH = f"/recordings/{'A' * 32}.zip"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nConnection: close\r\n"
CHUNK = b"4000\r\n" + bytes(0x4000) + b"\r\n"

Sends = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def beside_a_sibling(folder: Path, sends: Sends) -> AsyncIterator[LiveServer]:
    """Runs a worker whose only sibling has every recording, and sends it with `sends`, chunk by chunk."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if request.startswith(b"GET /recordings/"):
            writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            await sends(writer)
        else:
            writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
        writer.close()

    place = WorkerPlace(folder, 0, 2)
    sibling = await asyncio.start_unix_server(answer, WorkerPlace(folder, 1, 2).process_socket(1))
    engines = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    async with sibling, serving(engines, config.load(), place=place) as server:
        yield server


async def test_a_download_breaks_off_with_the_worker_that_sends_it(tmp_path: Path) -> None:
    async def dies(writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNK)
        await writer.drain()

    async with beside_a_sibling(tmp_path, dies) as server, httpx.AsyncClient(trust_env=False) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(server.url + PATH)


async def test_a_client_that_reads_slowly_makes_the_sibling_wait(tmp_path: Path) -> None:
    sent, stalled, closed = 0, asyncio.Event(), asyncio.Event()

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        try:
            while True:
                writer.write(CHUNK)
                sent += len(CHUNK)
                try:
                    await asyncio.wait_for(asyncio.shield(writer.drain()), 1)
                except TimeoutError:
                    stalled.set()
                    await writer.wait_closed()
        except ConnectionError:
            closed.set()

    async with beside_a_sibling(tmp_path, endless) as server, httpx.AsyncClient(trust_env=False) as http:
        async with http.stream("GET", server.url + PATH) as answer, asyncio.timeout(20):
            assert answer.status_code == 200
            await stalled.wait()
        assert sent < 5_000_000, "what the client does not read is not held in memory"
        async with asyncio.timeout(10):
            await closed.wait()
