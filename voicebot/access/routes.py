"""What is not one of our routes does not exist."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from voicebot.access.refusal import refuse

NOTHING_HERE = "There is nothing here."


class KnownRoutes:
    """ASGI middleware: answers 404 to every method and path that no route has, before anything of a body is read.

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
