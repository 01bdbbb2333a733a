"""Middleware that sets response headers: security headers, and CORS."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicebot.settings.config import Settings

_FRAMES = "'self'"
_SPACE_FRAMES = f"{_FRAMES} https://huggingface.co https://*.hf.space"
"""Hugging Face shows a Space's page in a frame, and lends the frame the visitor's microphone."""

_POLICY = "frame-ancestors {frames}; base-uri 'self'; object-src 'none'; form-action 'self'"

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Other sites do not learn where the user came from. "no-referrer" would make our own page's `Origin` null.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    # Gradio's page needs inline scripts, inline styles and eval, so a stricter policy would break it.
    "Content-Security-Policy": _POLICY.format(frames=_FRAMES),
}
SPACE_HEADERS = HEADERS | {"Content-Security-Policy": _POLICY.format(frames=_SPACE_FRAMES)}


class SecureHeaders:
    """ASGI middleware that adds security headers to every answer, and answers 500 to an exception.

    It is the outermost middleware, so refusals carry the headers too.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._headers = HEADERS if settings.space_id is None else SPACE_HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:  # the boundary of all routes: the client gets an answer, and uvicorn logs the exception
            if scope["type"] == "http" and not started:
                fault = JSONResponse({"error": "Something went wrong inside the server. Its log says more."}, 500)
                await fault(scope, receive, send_with_headers)
            raise


class CrossOrigin:
    """ASGI middleware that lets pages of ALLOWED_ORIGINS read our answers (CORS), and no page of another site.

    It is outside the login, as browsers send preflights without credentials. A preflight is answered here, from the
    setting alone. The request that follows must pass the login. CORS headers of Gradio, which would let any site read
    its answers, are removed.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._allowed = frozenset(settings.allowed_origins)
        self._app = _without_cors_headers(app)
        self._cors = CORSMiddleware(
            self._app,
            allow_origins=settings.allowed_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization",),
            allow_credentials=settings.app_username is not None,
            expose_headers=("Retry-After",),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shared = scope["type"] == "http" and Headers(scope=scope).get("origin") in self._allowed
        await (self._cors if shared else self._app)(scope, receive, send)


def _without_cors_headers(app: ASGIApp) -> ASGIApp:
    """Wraps `app` so that its answers carry no CORS headers."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_stripped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in {name for name in headers if name.startswith("access-control-")}:
                    del headers[name]
            await send(message)

        await app(scope, receive, send_stripped if scope["type"] == "http" else send)

    return answer
