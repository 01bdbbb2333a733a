"""Sets up the clients that call the services of models: addresses, time limits, certificates and errors."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import httpx

from voicebot.engines.llm.failures import ClientErrors

OPENAI_ADDRESS = "https://api.openai.com/v1"

NO_KEY = "none"
"""Sent to servers that need no key: without any key the openai SDK takes one from the environment."""

CONNECT_S = 5.0
"""A service that can be reached completes the handshakes within a second; a host that drops packets never does."""

KEEP_S = 240.0
"""How long an idle connection is kept, so that a turn need not wait for handshakes (two or three round trips).

The clients' own 5 s is shorter than a turn. Some routers drop idle connections after 5 minutes.
"""


def as_http(address: str) -> str:
    """Returns the address of a websocket as the SDKs expect it: with http for ws, and https for wss."""
    return f"http{address.removeprefix('ws')}" if address.startswith("ws") else address


@cache
def tls() -> ssl.SSLContext:
    """Returns the TLS context that all connections share, because reading the certificates blocks for 50 ms."""
    return httpx.create_ssl_context()


def client_options(sdk: Any, http: Any, timeout_s: float, **client: Any) -> dict[str, Any]:
    """Returns the options for a client of `sdk`, the module openai or groq, on the HTTP library `http`.

    The client makes no retries of its own, gives up connecting early and keeps its connections. `client` holds further
    options of the HTTP client.
    """
    return {
        "max_retries": 0,
        "timeout": http.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
        "http_client": sdk.DefaultAsyncHttpxClient(verify=tls(), limits=http.Limits(keepalive_expiry=KEEP_S), **client),
    }


def errors_of(engine: str, sdk: Any, http: Any) -> ClientErrors:
    """Returns the errors of `sdk` and of the HTTP library `http`, to be reported in the name of `engine`.

    The same generator makes both SDKs, so that their errors have the same names.
    """
    return ClientErrors(
        engine,
        timeout=(sdk.APITimeoutError, http.TimeoutException),
        answered=(sdk.APIStatusError,),
        unreachable=(sdk.APIConnectionError,),
        streamed=(sdk.APIError,),
        # The SDK does not check what it receives in a stream: any field may be missing or have another type.
        broken=(http.HTTPError, ValueError, LookupError, TypeError, AttributeError),
    )
