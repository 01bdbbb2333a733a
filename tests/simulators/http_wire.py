"""The server's side of HTTP/1.1 (h11 on asyncio), with control over every byte and its time."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

import h11

from tests.simulators.http_connection import reset

Headers = Sequence[tuple[str, str]]


@dataclass(eq=False)
class Request:
    """A request as received. `arrived_s` and `gone_s` are times of `time.monotonic`."""

    number: int
    """Counted from 1. A CONNECT does not count, and has the number 0."""
    method: str
    target: str
    headers: dict[str, str]
    """The names are in lower case."""
    body: bytes
    arrived_s: float
    connection: int
    """The number of the server's connection, from 1. Requests that share a connection need no new handshake."""
    gone_s: asyncio.Future[float] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """The time at which the client closed the connection."""


class Server(Protocol):
    """The part of a server that its connections use."""

    async def answer(self, exchange: Exchange) -> None: ...

    def admit(self, connection: Connection, serving: asyncio.Task[None]) -> int:
        """Registers a new connection and returns its number."""
        ...

    def dismiss(self, connection: Connection) -> None:
        """Removes a closed connection."""
        ...

    def record(self, *, method: str, target: str, headers: dict[str, str], body: bytes, connection: int) -> Request: ...


class Exchange:
    """A request and the means to answer it, well or with a fault."""

    def __init__(self, connection: Connection, request: Request) -> None:
        self._connection = connection
        self.request = request

    async def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """Sends a whole answer."""
        self.start(status, [*headers, ("content-length", str(len(body)))])
        await self.send(body)
        self.end()

    def start(self, status: int, headers: Headers) -> None:
        """Sends status and headers. Without a content-length the body is sent in chunks."""
        self._connection.put(h11.Response(status_code=status, headers=list(headers)))

    async def send(self, data: bytes) -> None:
        self._connection.put(h11.Data(data=data))
        await self._connection.drain()

    def end(self) -> None:
        self._connection.put(h11.EndOfMessage())

    def raw(self, data: bytes) -> None:
        """Sends bytes that need not be HTTP."""
        self._connection.transport.write(data)

    def close(self) -> None:
        """Closes the connection after everything written has been sent."""
        self._connection.transport.close()

    def reset(self) -> None:
        """Resets the connection (TCP RST)."""
        reset(self._connection.transport)

    def stop_reading(self) -> Connection:
        """Stops reading, so that not even the client's hanging up is noticed."""
        self._connection.transport.pause_reading()
        return self._connection

    async def secure(self, context: ssl.SSLContext) -> None:
        """Accepts a CONNECT, and continues in TLS as the requested server, unless the client leaves."""
        await self._connection.secure(context)


class Connection(asyncio.Protocol):
    """A client's connection. Its requests are answered one after the other."""

    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self._server = server
        self._number = 0
        self._h11 = h11.Connection(h11.SERVER)
        self._arriving: h11.Request | None = None
        self._body = bytearray()
        self._requests: asyncio.Queue[Request] = asyncio.Queue()
        self._seen: list[Request] = []
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._task = asyncio.create_task(self._serve(), name="simulator connection")
        self._number = self._server.admit(self, self._task)

    def data_received(self, data: bytes) -> None:
        self._h11.receive_data(data)
        self._parse()

    def eof_received(self) -> None:
        self._leave()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._task.cancel()
        self._server.dismiss(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def put(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        self.transport.write(self._h11.send(event) or b"")

    async def drain(self) -> None:
        await self._writable.wait()

    async def secure(self, context: ssl.SSLContext) -> None:
        self.put(h11.Response(status_code=200, headers=[]))
        self._h11 = h11.Connection(h11.SERVER)
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(self.transport, self, context, server_side=True)
        except (ConnectionError, ssl.SSLError) as error:
            # asyncio tells the protocol nothing about a failed handshake, which ends the connection.
            self.connection_lost(error)
            return
        assert transport is not None
        self.transport = transport

    def _leave(self) -> None:
        for request in self._seen:
            if not request.gone_s.done():
                request.gone_s.set_result(time.monotonic())

    def _parse(self) -> None:
        while True:
            event = self._h11.next_event()
            match event:
                case h11.Request():
                    self._arriving = event
                    self._body.clear()
                case h11.Data():
                    self._body += event.data
                case h11.EndOfMessage():
                    self._requests.put_nowait(self._arrived())
                case _:
                    return

    def _arrived(self) -> Request:
        assert self._arriving is not None
        request = self._server.record(
            method=self._arriving.method.decode(),
            target=self._arriving.target.decode(),
            headers={name.decode().lower(): value.decode() for name, value in self._arriving.headers},
            body=bytes(self._body),
            connection=self._number,
        )
        self._seen.append(request)
        return request

    async def _serve(self) -> None:
        while True:
            request = await self._requests.get()
            await self._server.answer(Exchange(self, request))
            if self.transport.is_closing():
                return
            if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
                self._h11.start_next_cycle()
                self._parse()
