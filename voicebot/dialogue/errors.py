"""What goes wrong in a session: a code for programs, and a message for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ErrorCode(StrEnum):
    """The kind of an error, as far as it matters for what to do about it."""

    CREDENTIALS = "credentials"
    """An engine's key or account is refused. Only the operator can mend that."""
    UNAVAILABLE = "unavailable"
    """An engine cannot be reached, is overloaded, or is too slow. It may work again in a moment."""
    ENGINE = "engine"
    """An engine failed in another way."""
    INTERNAL = "internal"
    """Something went wrong in the bot itself."""
    MESSAGE = "message"
    """The client's message cannot be understood, or asks for what is not available."""
    PLAYBACK = "playback"
    """The client no longer acknowledges clips, so the reply is given up."""
    CONVERSATION = "conversation"
    """The conversation that the client asked for cannot be continued, or is not kept."""


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """One error. The message is safe to show: it holds no key."""

    code: ErrorCode
    message: str
