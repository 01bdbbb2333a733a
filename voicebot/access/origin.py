"""Pages of other sites may not use a visitor's browser to get in."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from voicebot.access.address import forwarded_values
from voicebot.access.refusal import Reason, RefusalCounter, refuse
from voicebot.settings.config import Settings

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
"""They change nothing, and what they answer no page of another site can read."""


class OriginCheck:
    """ASGI middleware: websockets, and requests that change something, come from our own page or from a listed origin.

    Browsers tell in `Origin` which page makes a request, and no page can change that. It is ours if it names the host
    that the request went to (`Host`). A proxy may put another name into `Host` and the visitor's into
    `X-Forwarded-Host`; that counts only with `TRUSTED_PROXIES`, which overwrite it or add to its right (a page can't
    send it to us either: it would need a preflight that we refuse). Gradio's share link leaves `Host` as the visitor
    wrote it; for a proxy that does neither, the public address must be in `ALLOWED_ORIGINS`. A Space is told its name
    (`SPACE_HOST`): that counts there, and `X-Forwarded-Host` does not, as the edge allows pages of all sites whatever
    they ask for in a preflight.
    Schemes are not compared, as behind a proxy we don't see the visitor's. `Origin: null` (a file, a sandboxed frame)
    is no page of ours. Without the header it is a program, which could write anything there: the lock is for those.

    This does not stop a foreign name that its owner lets point to this machine (DNS rebinding): the lock does.
    """

    def __init__(self, app: ASGIApp, settings: Settings, counter: RefusalCounter) -> None:
        self._app = app
        self._counter = counter
        self._allowed = frozenset(settings.allowed_origins)
        self._own_name = settings.space_host or ""
        self._trusted_proxies = settings.trusted_proxies if settings.space_id is None else 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_to_be_checked(scope) and not self._is_ours(scope):
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
        ours = _host(origin)
        return ours is not None and ours in [_host(f"//{host.lower()}") for host in hosts]


def _is_to_be_checked(scope: Scope) -> bool:
    """Not what changes nothing, but for the question whether more would be allowed (a preflight)."""
    if scope["type"] != "http":
        return bool(scope["type"] == "websocket")
    if scope["method"] == "OPTIONS":
        return "access-control-request-method" in Headers(scope=scope)
    return scope["method"] not in SAFE_METHODS


def _host(url: str) -> tuple[str, int | None] | None:
    """Host and port; the default ports of HTTP and HTTPS are the same as none. None for what is no address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or parts.path or parts.query or "@" in parts.netloc:
        return None
    return parts.hostname, None if port in (80, 443) else port
