"""The server's side of a TCP connection: hand-read HTTP requests, and a WebSocket if the client asks for one.

HTTP is read by hand because a simulator must be able to break off, fall silent or send garbage at any byte.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import State
from websockets.server import ServerProtocol

NO_LOG = logging.Logger("nothing", logging.CRITICAL)
"""A silent logger, since the simulator's own records would hide keys that the engine writes to the log."""


@dataclass(slots=True)
class Head:
    """The head of a request. Header names are in lower case, and `raw` is the head as received."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    raw: bytes = field(repr=False)

    @property
    def wants_websocket(self) -> bool:
        return self.headers.get("upgrade", "").lower() == "websocket"


class Wire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._websocket = ServerProtocol(max_size=None, logger=NO_LOG)

    async def head(self) -> Head | None:
        """Returns the next request, or None if the client has gone."""
        try:
            raw = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        first, *lines = raw.decode("latin-1").strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        parts = urlsplit(target)
        return Head(method, parts.path, parse_qs(parts.query), headers, raw)

    async def body(self, head: Head) -> bytes:
        return await self._reader.readexactly(int(head.headers.get("content-length", 0)))

    async def answer(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        """Sends an HTTP answer with a JSON body."""
        content = json.dumps(body).encode()
        lines = {"Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        await self.write(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{head}\r\n".encode() + content)

    async def write(self, data: bytes) -> None:
        """Sends raw bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def left(self) -> None:
        """Waits until the client has gone, and ignores all that it sends."""
        try:
            while await self._reader.read(65_536):
                pass
        except ConnectionError:
            pass

    async def left_within(self, time_s: float) -> bool:
        """Returns True if the client has gone, or goes within this time."""
        try:
            async with asyncio.timeout(time_s):
                await self.left()
        except TimeoutError:
            return False
        return True

    def stop_reading(self) -> None:
        """Stops reading, so that not even the client's hanging up is noticed."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's own transports have it

    def hang_up(self) -> None:
        """Ends the TCP stream without a close frame."""
        self._writer.close()

    def reset(self) -> None:
        """Resets the TCP connection; data on its way is lost."""
        self._writer.transport.abort()

    # WebSocket ----------------------------------------------------------------------------------------------------

    async def open_websocket(self, head: Head) -> None:
        self._websocket.receive_data(head.raw)
        (handshake,) = self._websocket.events_received()
        assert isinstance(handshake, Handshake)
        self._websocket.send_response(self._websocket.accept(handshake))
        await self._flush()

    async def messages(self) -> AsyncGenerator[str | bytes]:
        """Yields messages until the client has gone or closes the WebSocket."""
        try:
            while data := await self._reader.read(65_536):
                self._websocket.receive_data(data)
                await self._flush()
                for event in self._websocket.events_received():
                    assert isinstance(event, Frame)
                    if event.opcode is Opcode.TEXT:
                        yield bytes(event.data).decode()
                    elif event.opcode is Opcode.BINARY:
                        yield bytes(event.data)
                    elif event.opcode is Opcode.CLOSE:
                        return
        except ConnectionError:
            pass

    async def send(self, message: str | bytes) -> None:
        """Sends a message, unless the WebSocket is being closed."""
        if self._websocket.state is State.OPEN:
            if isinstance(message, str):
                self._websocket.send_text(message.encode())
            else:
                self._websocket.send_binary(message)
            await self._flush()

    async def close_websocket(self, code: int, reason: str = "") -> None:
        if self._websocket.state is State.OPEN:
            self._websocket.send_close(code, reason)
            await self._flush()

    async def _flush(self) -> None:
        for data in self._websocket.data_to_send():
            if data:
                self._writer.write(data)
        await self._writer.drain()
