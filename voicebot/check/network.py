"""Whether a host can be reached, found out by connecting to it."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from urllib.parse import urlsplit

CONNECT_S = 3.0

PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


async def obstacle(url: str) -> str | None:
    """Why no connection to the host of `url`, or to the proxy before it, can be opened; None if one can."""
    proxy = proxy_of(url)
    parts = urlsplit(proxy or url)
    host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 443)
    who = f"the proxy {host}:{port}" if proxy else "it"
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"{who} does not answer within {CONNECT_S:g} s"
    except (socket.gaierror, UnicodeError):
        return f"the name of {who} can't be looked up" if proxy else "its name can't be looked up"
    except ConnectionRefusedError:
        return f"{who} refuses connections at port {port}"
    except OSError as error:
        return f"{who} can't be reached ({error.strerror or type(error).__name__})"
    writer.transport.abort()
    return None


def proxy_of(url: str) -> str | None:
    """The proxy that the usual variables (`HTTPS_PROXY`, `NO_PROXY`, …) set for this address."""
    parts = urlsplit(url)
    scheme = "https" if PORTS.get(parts.scheme) == 443 else "http"
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    return None if proxy is None or urllib.request.proxy_bypass(parts.hostname or "") else proxy
