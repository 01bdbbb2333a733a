"""By which names the server may be called."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from voicebot.access.refusal import Reason, RefusalCounter, refuse
from voicebot.settings.config import Settings


class OwnNames:
    """The server's names: this machine's own, those in the settings, and those that it gets while it runs."""

    def __init__(self, settings: Settings) -> None:
        origins = (urlsplit(origin).hostname for origin in settings.allowed_origins)
        names = (*settings.allowed_hosts, *origins, settings.space_host)
        self._names = {name.strip("[]").lower() for name in names if name}

    def add(self, name: str) -> None:
        self._names.add(name.lower())

    def has(self, host: str) -> bool:
        """Whether a `Host` header, with a port or without, names this server."""
        try:
            parts = urlsplit(f"//{host}")
            name = (parts.hostname or "").removesuffix(".")
            _ = parts.port
        except ValueError:
            return False
        if parts.netloc != host or "@" in host:
            return False
        return is_loopback(name) or name in self._names


class HostCheck:
    """ASGI middleware: refuses requests whose `Host` is not one of the server's own names.

    It stands where the server can only be reached from its own machine and has no lock: then a page from anywhere could
    let its own name point to 127.0.0.1 (DNS rebinding), and the browser of whoever looks at it would take the server's
    answers for that page's. `X-Forwarded-Host` does not count, since such a page may send what it likes to what its
    browser takes for its own server. Without `Host`, as in HTTP/1.0, it is no browser.
    """

    def __init__(self, app: ASGIApp, names: OwnNames, counter: RefusalCounter) -> None:
        self._app = app
        self._names = names
        self._counter = counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = Headers(scope=scope).getlist("host") if scope["type"] in ("http", "websocket") else []
        if all(self._names.has(host) for host in hosts):
            await self._app(scope, receive, send)
            return
        self._counter.count_refusal(Reason.HOST)
        message = "Host: this server does not go by this name. If it should, put the name into ALLOWED_HOSTS."
        await refuse(scope, receive, send, 421, message)


def needs_host_check(settings: Settings) -> bool:
    return settings.app_username is None and is_loopback(settings.gradio_server_name)


def is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
