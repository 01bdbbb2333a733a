"""Middleware that checks a request before a route sees it: its host, its origin, its path and its body.

Starlette's TrustedHostMiddleware does not fit: it splits `[::1]:7860` at the first colon, looks at one of several
`Host` headers, refuses requests without one, and knows no names that are added later. Nothing in Starlette or uvicorn
limits the length of a body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicebot.access.address import forwarded_values
from voicebot.access.basic_auth import OPEN_FOLDER
from voicebot.access.refusal import Reason, RefusalCounter, refuse
from voicebot.runtime import limits
from voicebot.settings.config import Settings

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
"""These methods change nothing, and no page of another site can read their answers."""

NOTHING_HERE = "There is nothing here."


# Host -----------------------------------------------------------------------------------------------------------------


class OwnNames:
    """The names of this server: those of this machine, those in the settings, and those that it gets while it runs."""

    def __init__(self, settings: Settings) -> None:
        origins = (urlsplit(origin).hostname for origin in settings.allowed_origins)
        names = (*settings.allowed_hosts, *origins, settings.space_host)
        self._names = {name.strip("[]").lower() for name in names if name}

    def add(self, name: str) -> None:
        self._names.add(name.lower())

    def has(self, host: str) -> bool:
        """Returns whether a `Host` header, with or without a port, names this server."""
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
    """ASGI middleware that refuses requests whose `Host` is not one of the server's names.

    It prevents DNS rebinding where the server has no login and can only be reached from its own machine. There, a page
    could let its own name point to 127.0.0.1, and its visitor's browser would let the page read our answers.
    `X-Forwarded-Host` does not count, as such a page can set it. A request without `Host` (HTTP/1.0) does not come from
    a browser.
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


# Origin ---------------------------------------------------------------------------------------------------------------


class OriginCheck:
    """ASGI middleware that keeps pages of other sites from using a visitor's browser to get in.

    Websockets, and requests that change something, must come from our own page or from an origin in ALLOWED_ORIGINS.
    Browsers say in `Origin` which page makes a request, and no page can change that. A page is ours if its origin names
    the host that the request went to:

    - That is `Host`, and `X-Forwarded-Host` as far as TRUSTED_PROXIES wrote it. A page can't send that header itself,
      as it would need a preflight, which is refused.
    - On a Space it is also SPACE_HOST. `X-Forwarded-Host` does not count there, as the edge allows every preflight.
    - Schemes are not compared, as the server does not see the visitor's scheme behind a proxy.

    `Origin: null` (a file, a sandboxed frame) is not our page. A request without the header comes from a program, which
    could write anything there: the login is for those. This does not stop DNS rebinding: see HostCheck.
    """

    def __init__(self, app: ASGIApp, settings: Settings, counter: RefusalCounter) -> None:
        self._app = app
        self._counter = counter
        self._allowed = frozenset(settings.allowed_origins)
        self._own_name = settings.space_host or ""
        self._trusted_proxies = settings.trusted_proxies if settings.space_id is None else 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _must_be_checked(scope) and not self._is_ours(scope):
            self._counter.count_refusal(Reason.ORIGIN)
            message = "Origin: pages of other sites may not connect here (see ALLOWED_ORIGINS)"
            await refuse(scope, receive, send, 403, message)
            return
        await self._app(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        origins = headers.getlist("origin")
        if not origins:
            return True
        origin = origins[0].lower()
        if len(origins) > 1 or "://" not in origin:
            return False
        if origin in self._allowed:
            return True
        forwarded = forwarded_values(scope, "x-forwarded-host", self._trusted_proxies)
        hosts = [headers.get("host", ""), *forwarded, self._own_name]
        ours = _host_and_port(origin)
        return ours is not None and ours in [_host_and_port(f"//{host.lower()}") for host in hosts]


def _must_be_checked(scope: Scope) -> bool:
    """Returns False for requests that change nothing. A preflight asks whether other requests are allowed."""
    if scope["type"] != "http":
        return bool(scope["type"] == "websocket")
    if scope["method"] == "OPTIONS":
        return "access-control-request-method" in Headers(scope=scope)
    return scope["method"] not in SAFE_METHODS


def _host_and_port(url: str) -> tuple[str, int | None] | None:
    """Returns host and port, where the default ports of HTTP and HTTPS are None; None for an invalid address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or parts.path or parts.query or "@" in parts.netloc:
        return None
    return parts.hostname, None if port in (80, 443) else port


# Path -----------------------------------------------------------------------------------------------------------------


class KnownRoutes:
    """ASGI middleware that answers 404 to every method and path without a route, before it reads any of the body.

    A known path with another method gets the same 404. Paths are compared as they came, after percent-decoding: no
    slash is added, dropped or merged, and case counts.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = scope["type"] not in ("http", "websocket") or any(
            route.matches(scope)[0] is Match.FULL for route in self._routes
        )
        if known:
            await self._app(scope, receive, send)
        else:
            await refuse(scope, receive, send, 404, NOTHING_HERE)


# Body -----------------------------------------------------------------------------------------------------------------


class _BodyTooLongError(Exception):
    pass


class BodyLimit:
    """ASGI middleware that answers 413 to a body longer than `max_bytes`, whether announced or received.

    Below `OPEN_FOLDER`, where strangers need no login, a body may have `limits.SAY_BYTES`.

    It reads the whole body before the request goes on, so that no route sees half of one. It reads at most
    `limits.LONG_BODIES` long bodies at the same time.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, counter: RefusalCounter) -> None:
        self._app = app
        self._counter = counter
        self._max_bytes = max_bytes
        self._long_bodies = asyncio.Semaphore(limits.LONG_BODIES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        max_bytes = limits.SAY_BYTES if scope["path"].startswith(OPEN_FOLDER) else self._max_bytes
        try:
            if announced.isdecimal() and int(announced) > max_bytes:
                raise _BodyTooLongError
            body = await self._read_body(receive, max_bytes)
        except _BodyTooLongError:
            await self._refuse(scope, receive, send, f"long: {max_bytes} bytes")
            return
        if body is None:
            return
        if body.count(b"{") + body.count(b"[") > limits.MAX_PARTS:
            await self._refuse(scope, receive, send, f"complex: {limits.MAX_PARTS} objects and lists")
            return
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, replay, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, limit: str) -> None:
        self._counter.count_refusal(Reason.BODY)
        message = f"the request is too {limit} are allowed"
        await refuse(scope, receive, send, 413, message, {"Connection": "close"})

    async def _read_body(self, receive: Receive, max_bytes: int) -> bytes | None:
        """Returns the whole body, or None if the client left before its end."""
        body = bytearray()
        async with AsyncExitStack() as turn:
            is_long = False
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                body += message.get("body", b"")
                if len(body) > max_bytes:
                    raise _BodyTooLongError
                if not message.get("more_body", False):
                    return bytes(body)
                if len(body) > limits.SHORT_BYTES and not is_long:
                    is_long = True
                    await turn.enter_async_context(self._long_bodies)
