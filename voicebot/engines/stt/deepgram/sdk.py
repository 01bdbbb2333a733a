"""The Deepgram SDK, over our own WebSocket and at any address."""

from __future__ import annotations

import warnings

import httpx
from deepgram.environment import DeepgramClientEnvironment

from voicebot.engines.stt.deepgram.websocket import WebSocket

with warnings.catch_warnings():
    # The SDK imports the client of `websockets` that is deprecated, which we replace.
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
    "client",
]


def client(api_key: str, base_url: str | None, http: httpx.AsyncClient) -> AsyncDeepgramClient:
    """`base_url` may begin with http, https, ws or wss; None is Deepgram's own. `http` stays the caller's to close."""
    return AsyncDeepgramClient(api_key=api_key, environment=_environment(base_url), httpx_client=http, max_retries=0)


def _environment(base_url: str | None) -> DeepgramClientEnvironment:
    if base_url is None:
        return DeepgramClientEnvironment.PRODUCTION
    scheme, _, rest = base_url.partition("://")
    secure = scheme in ("https", "wss")
    http, ws = f"{'https' if secure else 'http'}://{rest}", f"{'wss' if secure else 'ws'}://{rest}"
    return DeepgramClientEnvironment(base=http, production=ws, agent=ws, agent_rest=http)
