"""The calls of tools with effects outside: what the model is told of them in later replies, and what a user confirms.

Calls are not messages: the history holds only what was said and heard. A call says at which message it was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ToolTag(StrEnum):
    """What a tool may do before the user's turn is over, and what an interruption does to it.

    LangChain tools have it in their `tags`.
    """

    PURE = "pure"
    """No effects outside: it may run for a preemptive reply, and is cancelled with its reply."""
    EFFECTS = "effects"
    """Effects outside: it starts only when the turn is over, and runs to its end despite an interruption."""
    CONFIRM = "confirm"
    """As EFFECTS, but only after a clear yes to a question that reads its arguments aloud."""


class CallStatus(StrEnum):
    """How far the call of a tool has come."""

    RUNNING = "running"
    """The tool works."""
    DONE = "done"
    """The tool has done what it was asked for."""
    FAILED = "failed"
    """The tool has reported an error."""
    UNKNOWN = "unknown"
    """Its time limit passed, or the bot was stopped: whether the effect happened is not known."""
    NOT_CONFIRMED = "not confirmed"
    """The user was asked and gave no clear yes, or the reply ended before the tool could begin. It did not run."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """The call of a tool with effects outside, as the machine keeps it and a model sees it in later replies."""

    id: str
    """Unique in the conversation."""
    tool: str
    arguments: str
    """A JSON object."""
    status: CallStatus = CallStatus.RUNNING
    result: str = ""
    """What the tool returned, or why there is no result, in words for the model."""
    position: int = 0
    """How many messages of the history come before the call."""
    reported: bool = False
    """The user has heard a reply whose model knew how the call ended."""

    @property
    def ended(self) -> bool:
        return self.status is not CallStatus.RUNNING


@dataclass(frozen=True, slots=True)
class ConfirmationRequest:
    """A call that waits for the user's yes, and the question that reads its arguments aloud."""

    call: CallRecord
    question: str
