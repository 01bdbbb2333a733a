"""MCP over streamable HTTP, by the SDK's client, with limits on what the server sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from voicebot.agent.mcp.traffic import MAX_MESSAGE_BYTES, MAX_STRUCTURE, MESSAGE_BYTES, TrafficLimit, structure
from voicebot.settings.mcp_servers import McpAddress

CONNECT_S = 10.0
"""How long a connection may take, and how long the server may take to read a request."""

LINES_PER_MESSAGE = 3
"""An event has three lines: its name, its data, and an empty one."""


class LastStatus:
    """The status of the server's last answer, if it was 400 or more: the SDK reports most of them alike."""

    def __init__(self) -> None:
        self.code: int | None = None


@asynccontextmanager
async def http_streams(place: McpAddress, limit: TrafficLimit, last: LastStatus) -> AsyncIterator[Any]:
    """Yields the streams of messages that the SDK's client takes."""

    async def bound(response: httpx2.Response) -> None:
        last.code = response.status_code if response.status_code >= 400 else None
        if response.headers.get("content-encoding", "identity") != "identity":
            raise httpx2.DecodingError("the answer is compressed, though this was not asked for")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        is_events = response.headers.get("content-type", "").startswith("text/event-stream")
        response.stream = _BoundedBody(response.stream, limit, httpx2.SSEError if is_events else httpx2.StreamError)

    # An event stream may be silent for as long as it likes: calls and pings have time limits of their own.
    timeout = httpx2.Timeout(CONNECT_S, read=None)
    # Compressed answers could be a thousand times as large as what is counted.
    headers = {"Accept-Encoding": "identity", **place.headers}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=timeout, event_hooks={"response": [bound]}) as client,
        streamable_http_client(place.url, http_client=client, max_sse_event_size=MAX_MESSAGE_BYTES) as streams,
    ):
        yield streams


class _BoundedBody(httpx2.AsyncByteStream):
    """The body of an answer, read no faster than the limit. A message that is too long breaks it off."""

    def __init__(self, body: httpx2.AsyncByteStream, limit: TrafficLimit, error: Callable[[str], Exception]) -> None:
        self._body = body
        self._limit = limit
        self._error = error
        """The error that the SDK takes for the end of this answer alone, and not of the connection."""
        self._size = 0
        self._structure = 0
        self._end = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            for start in range(0, len(chunk), MESSAGE_BYTES):
                piece = chunk[start : start + MESSAGE_BYTES]
                if rest_s := self._limit.take(piece.count(b"\n") / LINES_PER_MESSAGE + len(piece) / MESSAGE_BYTES):
                    await asyncio.sleep(rest_s)
                self._check(piece)
                yield piece

    def _check(self, piece: bytes) -> None:
        """Raises an error if a message, which ends with an empty line or with the body, is too long."""
        self._size += len(piece)
        self._structure += structure(piece)
        if self._size > MAX_MESSAGE_BYTES or self._structure > MAX_STRUCTURE:
            raise self._error("a message is too long")
        text = (self._end + piece).replace(b"\r", b"")
        if b"\n\n" in text:
            last = text.rpartition(b"\n\n")[2]
            self._size, self._structure = len(last), structure(last)
        self._end = text[-1:]

    async def aclose(self) -> None:
        await self._body.aclose()
