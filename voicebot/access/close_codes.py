"""Why a session closes: a code for programs, and a reason for its user."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from voicebot.dialogue.facts import ConversationEnded


class CloseCode(StrEnum):
    """Why a session was closed.

    After `fault`, `media`, `moving` and `shutdown` a client should connect again at once.
    """

    BYE = "bye"
    """The client hung up."""
    IDLE = "idle"
    """Nobody said anything for a long time."""
    TIME = "time"
    """The session reached its time limit."""
    DAY = "day"
    """The bot's turns of the day, or the address's minutes of the day, are used up."""
    ELSEWHERE = "elsewhere"
    """A newer session took the conversation over."""
    FLOOD = "flood"
    """The client sent far too many messages."""
    SLOW = "slow"
    """The client does not read what it is sent."""
    MEDIA = "media"
    """No sound came from the client for a while."""
    GONE = "gone"
    """The connection broke."""
    FAULT = "fault"
    """Something went wrong in the bot."""
    MOVING = "moving"
    """The process that carries the session ends. Another one, or its successor, goes on with the conversation."""
    SHUTDOWN = "shutdown"
    """The server shuts down."""


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """A session's end. `reason` is a sentence for its user."""

    code: CloseCode
    reason: str

    @classmethod
    def from_fact(cls, end: ConversationEnded) -> SessionClosed:
        return cls(CloseCode(end.cause.value), end.reason)


LAST_WORDS = frozenset({CloseCode.BYE, CloseCode.IDLE, CloseCode.TIME, CloseCode.DAY, CloseCode.FLOOD})
"""After these, the next session of the conversation does not go on with a reply that was cut off."""

FAULT = SessionClosed(CloseCode.FAULT, "Something went wrong inside the bot. Please connect again.")
HUNG_UP = SessionClosed(CloseCode.BYE, "You hung up.")
TAKEN_OVER = SessionClosed(CloseCode.ELSEWHERE, "This conversation goes on elsewhere.")
MOVING = SessionClosed(CloseCode.MOVING, "The server is restarting. The conversation goes on in a moment.")
SHUTDOWN = SessionClosed(CloseCode.SHUTDOWN, "The server is shutting down.")
