"""Where models' services are, and how long connections to them are waited for and kept."""

from __future__ import annotations

import ssl
from functools import cache

import httpx

OPENAI_ADDRESS = "https://api.openai.com/v1"

NO_KEY = "none"
"""Sent where no key is needed: the openai SDK would otherwise look for one in the environment."""

CONNECT_S = 5.0
"""A service that can be reached answers a handshake within a second; a host that drops packets never does."""

KEEP_S = 240.0
"""How long an idle connection is kept, so that a turn needn't wait for handshakes (two or three round trips).

The clients' own 5 s is less than a turn lasts. Some routers forget idle connections after 5 minutes.
"""


def as_http(address: str) -> str:
    """An address given as that of a websocket, as clients want it."""
    return f"http{address.removeprefix('ws')}" if address.startswith("ws") else address


@cache
def tls() -> ssl.SSLContext:
    """For all connections. Reading the certificates blocks for 50 ms; websockets would do so for each connection."""
    return httpx.create_ssl_context()
