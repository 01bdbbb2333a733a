"""The Deepgram SDK: its client, the WebSocket under it, and its failures as engine errors.

By default the SDK uses the deprecated client of `websockets`, which knows no proxy and needs up to 20 s to give up an
opening handshake; the SDK then hides why a handshake failed. `WebSocket` replaces it (`transport_factory`). The SDK
itself neither keeps a connection alive nor opens it again (7.17: "no wrapper reconnect layer today").
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import AsyncIterator, Mapping
from functools import cache

import httpx
from deepgram.environment import DeepgramClientEnvironment
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidProxy, InvalidStatus, WebSocketException

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.retry_after import retry_after_s

CLOSE_TIMEOUT_S = 0.5


@cache
def tls_context() -> ssl.SSLContext:
    """Returns the certificates to trust, the same as for HTTP requests.

    Making them takes some 80 ms, in which the event loop does nothing else, so they are made once.
    """
    return httpx.create_ssl_context()


class WebSocket:
    """A WebSocket that opens when it is first used, because the SDK creates it in code that cannot await.

    Its methods raise what `websockets` raises, such as `InvalidStatus` with the service's whole answer.
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
                    ssl=tls_context() if self._url.startswith("wss:") else None,
                )
            except ImportError as missing:  # `websockets` needs a further package for a SOCKS proxy
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


with warnings.catch_warnings():
    # The SDK imports the deprecated client of `websockets` even though `WebSocket` replaces it.
    warnings.simplefilter("ignore", DeprecationWarning)
    from deepgram import AsyncDeepgramClient
    from deepgram.core.api_error import ApiError
    from deepgram.core.parse_error import ParsingError
    from deepgram.listen.v1.media.client import AsyncMediaClient
    from deepgram.listen.v1.socket_client import AsyncV1SocketClient
    from deepgram.listen.v2.socket_client import AsyncV2SocketClient
    from deepgram.transport import install_transport

    install_transport(async_factory=WebSocket)

__all__ = [
    "ApiError",
    "AsyncDeepgramClient",
    "AsyncMediaClient",
    "AsyncV1SocketClient",
    "AsyncV2SocketClient",
    "ParsingError",
]


def client(api_key: str, base_url: str | None, http: httpx.AsyncClient) -> AsyncDeepgramClient:
    """Returns a client of the SDK.

    `base_url` may begin with http, https, ws or wss; None means Deepgram's own service. The caller closes `http`.
    """
    environment = DeepgramClientEnvironment.PRODUCTION
    if base_url is not None:
        scheme, _, rest = base_url.partition("://")
        s = "s" if scheme in ("https", "wss") else ""
        http_url, ws_url = f"http{s}://{rest}", f"ws{s}://{rest}"
        environment = DeepgramClientEnvironment(base=http_url, production=ws_url, agent=ws_url, agent_rest=http_url)
    return AsyncDeepgramClient(api_key=api_key, environment=environment, httpx_client=http, max_retries=0)


# Errors: their texts contain neither the key nor anything that was said -----------------------------------------------

_REASONS = {
    400: "the request was rejected",
    401: "the key is not accepted",
    402: "the account has no credit left",
    403: "the key may not use this service or this model",
    404: "there is no such service at this address",
    413: "the sound is too long",
    429: "too many requests",
}
NOT_DEEPGRAM = "the answer is not one of Deepgram's"


def error_of_status(engine: str, status: int, headers: Mapping[str, str]) -> EngineError:
    """Returns the error for an HTTP status that means no success. `headers` must ignore case."""
    if status < 400:
        return EngineError(engine, f"{NOT_DEEPGRAM} (HTTP {status})", fault=Fault.BROKEN)
    reason = _REASONS.get(status, "the service failed" if status >= 500 else "the request was rejected")
    wait_s = retry_after_s(headers.get("Retry-After"))
    return EngineError(engine, f"{reason} (HTTP {status})", fault=Fault.of_status(status), retry_after_s=wait_s)


def error_of_opening(engine: str, failure: WebSocketException | OSError) -> EngineError:
    """Returns the error for a connection that could not be opened."""
    if isinstance(failure, InvalidStatus):
        return error_of_status(engine, failure.response.status_code, failure.response.headers)
    if isinstance(failure, TimeoutError):
        return EngineError(engine, "the connection did not open in time", fault=Fault.TIMEOUT)
    if isinstance(failure, InvalidProxy):
        return EngineError(engine, "the proxy's address must begin with http://", fault=Fault.UNREACHABLE)
    if isinstance(failure, OSError):
        return EngineError(engine, "no connection", fault=Fault.UNREACHABLE)
    if isinstance(failure.__cause__, EOFError):
        return EngineError(engine, "the connection broke")
    return EngineError(engine, NOT_DEEPGRAM)


def copy_of(error: EngineError) -> EngineError:
    """Returns an equal error. Each waiting caller needs one of its own, as raising an exception changes it."""
    return EngineError(error.engine, error.message, fault=error.fault, retry_after_s=error.retry_after_s)
