"""Why a session ends: a code for programs, words for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from voicebot.dialogue.facts import ConversationEnded


class Cause(StrEnum):
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
class Ending:
    """`reason` is for the session's user."""

    cause: Cause
    reason: str

    @classmethod
    def by_the_bot(cls, end: ConversationEnded) -> Ending:
        return cls(Cause(end.cause.value), end.reason)


FAULT = Ending(Cause.FAULT, "Something went wrong inside the bot. Please connect again.")
HUNG_UP = Ending(Cause.BYE, "You hung up.")
TAKEN_OVER = Ending(Cause.ELSEWHERE, "This conversation goes on elsewhere.")
SHUTDOWN = Ending(Cause.SHUTDOWN, "The server is shutting down.")
