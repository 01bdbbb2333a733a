"""Why a session ends: a code for programs, words for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from voicebot.dialogue.facts import ConversationEnded


class CloseCode(StrEnum):
    """Why a session was ended. After `fault`, `media` and `shutdown` it is worth connecting again at once."""

    BYE = "bye"
    """The client said so."""
    IDLE = "idle"
    """Nobody had said anything for long."""
    TIME = "time"
    """The session's time is over."""
    DAY = "day"
    """The bot's turns of the day, or the address's minutes, are used up."""
    ELSEWHERE = "elsewhere"
    """A newer session has taken the conversation over."""
    FLOOD = "flood"
    """Far too many messages."""
    SLOW = "slow"
    """The client does not read what it is sent."""
    MEDIA = "media"
    """No sound has come from the client for a while."""
    GONE = "gone"
    """The connection has ended by itself."""
    FAULT = "fault"
    """Something went wrong in the bot."""
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """`reason` is for the session's user."""

    code: CloseCode
    reason: str

    @classmethod
    def from_fact(cls, end: ConversationEnded) -> SessionClosed:
        return cls(CloseCode(end.cause.value), end.reason)


FAULT = SessionClosed(CloseCode.FAULT, "Something went wrong inside the bot. Please connect again.")
HUNG_UP = SessionClosed(CloseCode.BYE, "You hung up.")
TAKEN_OVER = SessionClosed(CloseCode.ELSEWHERE, "This conversation goes on elsewhere.")
SHUTDOWN = SessionClosed(CloseCode.SHUTDOWN, "The server is shutting down.")
