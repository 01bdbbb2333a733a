"""A reverse proxy on a real socket, like the one before a Space or at the other end of a share link."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

Headers = list[tuple[str, str]]


class PublicProxy:
    """Forwards the one request of each connection to `upstream`, and then all bytes both ways (also WebSockets).

    `visitor` is the address that the proxy appends to `X-Forwarded-For`. `sets` holds the headers that it overwrites.
    """

    def __init__(self, upstream: str, *, visitor: str, sets: dict[str, str]) -> None:
        parts = urlsplit(upstream)
        assert parts.hostname is not None
        assert parts.port is not None
        self._upstream = (parts.hostname, parts.port)
        self._visitor = visitor
        self._sets = {name.lower(): value for name, value in sets.items()}
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[PublicProxy]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)
            await server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._serving.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        to_reader, to_writer = await asyncio.open_connection(*self._upstream)
        try:
            to_writer.write(self._passed_on(head.decode("latin-1")))
            async with asyncio.TaskGroup() as group:
                group.create_task(_pipe(reader, to_writer))
                group.create_task(_pipe(to_reader, writer))
        finally:
            to_writer.close()
            with contextlib.suppress(ConnectionError):
                await to_writer.wait_closed()

    def _passed_on(self, head: str) -> bytes:
        request, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        headers: Headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        came = [value for name, value in headers if name.lower() == "x-forwarded-for"]
        sets = self._sets | {"x-forwarded-for": ", ".join([*came, self._visitor])}
        if not any(name.lower() == "upgrade" for name, _ in headers):
            sets["connection"] = "close"
        kept = [*((name, value) for name, value in headers if name.lower() not in sets), *sets.items()]
        return "\r\n".join([request, *(f"{name}: {value}" for name, value in kept), "", ""]).encode("latin-1")


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
