"""How much may be sent in one request."""

from __future__ import annotations

from collections.abc import Container

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicebot.doors.origin import SAFE_METHODS
from voicebot.doors.refusal import Count, Reason, refuse

MAX_PARTS = 10_000
"""Objects and lists of JSON, which is parsed on the loop that plays the sound: a megabyte of them takes 0.2 s."""


class BodyLimit:
    """ASGI middleware: a body longer than `max_bytes` is refused with a 413, by what it announces or by what comes.

    It is read whole before the request goes on, so that no route sees half of one. The paths in `streamed` read, and
    limit, what is posted to them by themselves.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, count: Count, streamed: Container[str] = ()) -> None:
        self._app = app
        self._count = count
        self._max_bytes = max_bytes
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS or scope["path"] in self._streamed:
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        too_long = announced.isdecimal() and int(announced) > self._max_bytes
        body = None if too_long else await self._read(receive)
        if body is None or _parts(body.get("body", b"")) > MAX_PARTS:
            self._count(Reason.BODY)
            most = f"long: {self._max_bytes} bytes" if body is None else f"intricate: {MAX_PARTS} objects and lists"
            message = f"the request is too {most} are allowed"
            await refuse(scope, receive, send, 413, message, {"Connection": "close"})
            return
        waiting: list[Message] = [body]

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, replay, send)

    async def _read(self, receive: Receive) -> Message | None:
        """The whole body as one message, or the news that the client has gone; None if it is too long."""
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return message
            body += message.get("body", b"")
            if len(body) > self._max_bytes:
                return None
            if not message.get("more_body", False):
                return {"type": "http.request", "body": bytes(body), "more_body": False}


def _parts(body: bytes) -> int:
    return body.count(b"{") + body.count(b"[")
