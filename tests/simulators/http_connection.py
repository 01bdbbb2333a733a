"""The server's end of an HTTP/1.1 connection, which can be cut at any byte."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import h11


@dataclass
class Received:
    """A request as received."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    gone: asyncio.Future[float]
    """The time on the loop's clock at which the client hung up before the end of the answer."""


class HttpConnection:
    """A connection that speaks HTTP/1.1 by h11. Each answer has the `headers` of the server."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: Mapping[str, str] | None = None
    ) -> None:
        self._reader, self._writer = reader, writer
        self._headers = dict(headers or {})
        self._http = h11.Connection(h11.SERVER)

    async def request(self) -> Received | None:
        """Returns the next request, or None if the client has left."""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            match self._http.next_event():
                case h11.NEED_DATA:
                    self._http.receive_data(await self._reader.read(65_536))
                case h11.Request() as head:
                    pass
                case h11.Data(data=data):
                    body += data
                case h11.EndOfMessage():
                    assert head is not None
                    return Received(
                        method=head.method.decode(),
                        path=head.target.decode(),
                        headers={name.decode(): value.decode() for name, value in head.headers},
                        body=json.loads(body) if body else None,
                        gone=asyncio.get_running_loop().create_future(),
                    )
                case _:
                    return None

    async def while_connected(self, answer: Coroutine[Any, Any, None], gone: asyncio.Future[float]) -> None:
        """Runs `answer` until it ends or the client hangs up, and sets the time of that in `gone`."""
        answering = asyncio.create_task(answer)
        watching = asyncio.create_task(self._hung_up())
        try:
            await asyncio.wait({answering, watching}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                await answering
            else:
                gone.set_result(watching.result())
                raise ConnectionAbortedError
        finally:
            for task in (answering, watching):
                task.cancel()
            await asyncio.wait({answering, watching})

    async def _hung_up(self) -> float:
        with suppress(ConnectionError):
            data = await self._reader.read(1)
            assert not data, "a client sent a request before the last one was answered"
        return asyncio.get_running_loop().time()

    def next(self) -> bool:
        """Prepares for the next request. Returns True if the connection takes one."""
        if self._writer.is_closing() or self._http.our_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    async def json(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        await self.text(status, json.dumps(body), {"Content-Type": "application/json", **(headers or {})})

    async def text(self, status: int, text: str, headers: dict[str, str]) -> None:
        body = text.encode()
        await self.head(status, {"Content-Length": str(len(body)), **headers})
        await self.piece(body)
        await self.end()

    async def head(self, status: int, headers: dict[str, str]) -> None:
        await self._send(h11.Response(status_code=status, headers=[*self._headers.items(), *headers.items()]))

    async def piece(self, data: bytes) -> None:
        await self._send(h11.Data(data=data))

    async def end(self) -> None:
        await self._send(h11.EndOfMessage())

    async def _send(self, event: h11.Event) -> None:
        self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()

    def abort(self) -> None:
        self._writer.transport.abort()

    def reset(self) -> None:
        """Resets the connection (TCP RST)."""
        reset(self._writer.transport)

    def stop_reading(self) -> None:
        """Stops reading, so that not even the client's hanging up is noticed."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's own transports have it


def reset(transport: asyncio.BaseTransport) -> None:
    """Resets a connection (TCP RST), as a service does that was killed."""
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()  # type: ignore[attr-defined]  # asyncio's own transports have it
