"""Refusals: their reasons for operators, and the short JSON answer that a refused client gets."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send


class Reason(StrEnum):
    """Why a client was refused, for operators."""

    NO_LOGIN = "no_login"
    """No password was sent. This includes the first request of every browser, which then asks its user."""
    WRONG_LOGIN = "wrong_login"
    GUESSING = "guessing"
    """Too many passwords wait to be compared."""
    HOST = "host"
    """The request went to a name that is not this server's."""
    ORIGIN = "origin"
    """A page of another site made the request."""
    CONNECTIONS = "connections"
    """Too many connections were open, and this one was closed or could only be used for `/health`, `/ready` and
    `/metrics`."""
    TIMEOUT = "timeout"
    """A request did not arrive in time, or its answer was not read in time."""
    BODY = "body"
    """The body was too long."""
    REQUEST = "request"
    """The request was invalid."""
    RATE = "rate"
    """The address made too many attempts."""
    FULL = "full"
    """All places are taken."""
    ADDRESS = "address"
    """The address has too many sessions."""
    DAY = "day"
    """The bot's turns of the day, or the address's minutes of the day, are used up."""
    ENGINES = "engines"
    """No engine of some stage can work."""
    MOVING = "moving"
    """The process takes no new sessions, because it ends."""
    STORE = "store"
    """The stored conversations can't be reached."""


class RefusalCounter(Protocol):
    """Counts refusals for operators."""

    def count_refusal(self, reason: Reason) -> None: ...


async def refuse(
    scope: Scope, receive: Receive, send: Send, status: int, message: str, headers: Mapping[str, str] | None = None
) -> None:
    """Answers with `status` and {"error": message}.

    Where the server can't answer a websocket handshake like this, the handshake is closed, which sends a 403.
    """
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": message})
        return
    await JSONResponse({"error": message}, status, dict(headers or {}))(scope, receive, send)
