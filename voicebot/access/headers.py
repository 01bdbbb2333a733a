"""What every answer tells the browser, for its user's safety."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicebot.settings.config import Settings

FRAMES = "'self'"
FRAMES_OF_A_SPACE = f"{FRAMES} https://huggingface.co https://*.hf.space"
"""Who may show the page in a frame: Hugging Face shows Spaces so, and lends the frame the visitor's microphone."""

_POLICY = "frame-ancestors {frames}; base-uri 'self'; object-src 'none'; form-action 'self'"

HEADERS = {
    "X-Content-Type-AvailablePreferences": "nosniff",
    # Other sites learn nothing of where the user came from; ours gets `Origin`, which "no-referrer" would make null
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    # Gradio's page is made of inline scripts, styles and eval: no policy on those that would protect lets it work
    "Content-Security-Policy": _POLICY.format(frames=FRAMES),
}
SPACE_HEADERS = HEADERS | {"Content-Security-Policy": _POLICY.format(frames=FRAMES_OF_A_SPACE)}


class SecureHeaders:
    """ASGI middleware, the outermost: it is on refusals too, and on the answer to a fault, which it gives itself."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._headers = HEADERS if settings.space_id is None else SPACE_HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        started = False

        async def send_secured(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_secured)
        except Exception:  # the edge of all routes: whatever went wrong, the client gets an answer, and uvicorn logs it
            if scope["type"] == "http" and not started:
                fault = JSONResponse({"error": "Something went wrong inside the server. Its log says more."}, 500)
                await fault(scope, receive, send_secured)
            raise
