"""The WebSocket under the Deepgram SDK.

The SDK's own choice is the deprecated client of `websockets`: it knows no proxy, needs up to 20 s to give up an opening
handshake, and with it the SDK hides why a handshake failed. The SDK takes another one (`transport_factory`).
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from functools import cache

import httpx
from websockets.asyncio.client import ClientConnection, connect

CLOSE_TIMEOUT_S = 0.5


@cache
def tls() -> ssl.SSLContext:
    """Whom to trust, as for requests. Takes some 80 ms to make, which would hold up everybody at each connection."""
    return httpx.create_ssl_context()


class WebSocket:
    """Opens when it is first used: the SDK makes it where it can't wait.

    Raises what `websockets` does, such as `InvalidStatus` with the service's whole answer.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url, self._headers = url, headers
        self._connection: ClientConnection | None = None

    async def _opened(self) -> ClientConnection:
        if self._connection is None:
            try:
                self._connection = await connect(
                    self._url,
                    additional_headers=self._headers,
                    compression=None,
                    open_timeout=None,
                    close_timeout=CLOSE_TIMEOUT_S,
                    ssl=tls() if self._url.startswith("wss:") else None,
                )
            except ImportError as missing:  # for a SOCKS proxy
                raise OSError(str(missing)) from missing
        return self._connection

    async def send(self, data: str | bytes) -> None:
        await (await self._opened()).send(data)

    async def recv(self) -> str | bytes:
        return await (await self._opened()).recv()

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        async for message in await self._opened():
            yield message

    async def close(self) -> None:
        if self._connection is not None:
            try:
                await self._connection.close()
            finally:
                self._connection.transport.abort()
