"""What pages of other sites may read of our answers."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicebot.settings.config import Settings


class CrossOrigin:
    """ASGI middleware: pages of `ALLOWED_ORIGINS` may read our answers and refusals (CORS), those of other sites none.

    It is outside the lock, as a browser asks for leave (a preflight) without the credentials that it has: that question
    is answered here, from the setting alone, and goes no further. What then comes has to pass the lock like all else;
    with a lock the browser may send what its user has logged in with. Gradio would let any site read: its answers are
    stripped of that.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._allowed = frozenset(settings.allowed_origins)
        self._app = _silent(app)
        self._sharing = CORSMiddleware(
            self._app,
            allow_origins=settings.allowed_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization",),
            allow_credentials=settings.app_username is not None,
            expose_headers=("Retry-After",),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shared = scope["type"] == "http" and Headers(scope=scope).get("origin") in self._allowed
        await (self._sharing if shared else self._app)(scope, receive, send)


def _silent(app: ASGIApp) -> ASGIApp:
    """`app`, whose answers allow no page of another site anything."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_silently(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in {name for name in headers if name.startswith("access-control-")}:
                    del headers[name]
            await send(message)

        await app(scope, receive, send_silently if scope["type"] == "http" else send)

    return answer
