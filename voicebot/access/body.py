"""How much may be sent in one request."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicebot.access.origin import SAFE_METHODS
from voicebot.access.refusal import Reason, RefusalCounter, refuse
from voicebot.runtime import limits


class BodyLimit:
    """ASGI middleware: a body longer than `max_bytes` is refused with a 413, by what it announces or by what comes.

    It is read whole before the request goes on, so that no route sees half of one. Of long ones, no more than
    `limits.LONG_BODIES` are read at the same time.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, counter: RefusalCounter) -> None:
        self._app = app
        self._counter = counter
        self._max_bytes = max_bytes
        self._long = asyncio.Semaphore(limits.LONG_BODIES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > self._max_bytes:
            await self._refuse(scope, receive, send, f"long: {self._max_bytes} bytes")
            return
        try:
            body = await self._read(receive)
        except _TooLongError:
            await self._refuse(scope, receive, send, f"long: {self._max_bytes} bytes")
            return
        if body is None:
            return
        if _parts(body) > limits.MAX_PARTS:
            await self._refuse(scope, receive, send, f"intricate: {limits.MAX_PARTS} objects and lists")
            return
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, replay, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, most: str) -> None:
        self._counter.count_refusal(Reason.BODY)
        message = f"the request is too {most} are allowed"
        await refuse(scope, receive, send, 413, message, {"Connection": "close"})

    async def _read(self, receive: Receive) -> bytes | None:
        """The whole body, or None if the client has gone before its end."""
        body = bytearray()
        async with AsyncExitStack() as turn:
            is_long = False
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                body += message.get("body", b"")
                if len(body) > self._max_bytes:
                    raise _TooLongError
                if not message.get("more_body", False):
                    return bytes(body)
                if len(body) > limits.SHORT_BYTES and not is_long:
                    is_long = True
                    await turn.enter_async_context(self._long)


class _TooLongError(Exception):
    pass


def _parts(body: bytes) -> int:
    return body.count(b"{") + body.count(b"[")
