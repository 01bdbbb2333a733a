"""A "no" in ASGI: a short JSON answer, on a websocket before it is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send


class Reason(StrEnum):
    """Why somebody was refused, for operators."""

    NO_LOGIN = "no_login"
    """No password was sent: also what a browser does before it asks its user."""
    WRONG_LOGIN = "wrong_login"
    GUESSING = "guessing"
    HOST = "host"
    """The request went to a name that is not this server's."""
    ORIGIN = "origin"
    CONNECTIONS = "connections"
    """Too many connections were open: this one was closed, or was for a probe only."""
    TIMEOUT = "timeout"
    """A request did not come in time, or its answer was not read in time."""
    BODY = "body"
    """The request was too long."""
    REQUEST = "request"
    """What was asked for made no sense."""
    RATE = "rate"
    """Too many attempts from one address."""
    FULL = "full"
    ADDRESS = "address"
    """Too many sessions from one address."""
    DAY = "day"
    """The bot's turns of the day, or the address's minutes, are used up."""
    ENGINES = "engines"
    """No engine of some stage can work."""
    STORE = "store"
    """The kept conversations can't be reached."""


class RefusalCounter(Protocol):
    """Counts who was refused, for operators."""

    def count_refusal(self, reason: Reason) -> None:
        """Counts one refusal."""
        ...


async def refuse(
    scope: Scope, receive: Receive, send: Send, status: int, message: str, headers: Mapping[str, str] | None = None
) -> None:
    """Answers with {"error": message}. Where a websocket's handshake can't be answered it is closed, which is a 403."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": message})
        return
    await JSONResponse({"error": message}, status, dict(headers or {}))(scope, receive, send)
