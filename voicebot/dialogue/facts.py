"""Facts: what a step of the machine has brought about, so that observers need not compare states.

A fact names the utterance or the reply that it is about, and carries no state.
"""

from __future__ import annotations

from dataclasses import dataclass

from voicebot.dialogue.errors import ErrorReport
from voicebot.dialogue.events import EndCause, Stage
from voicebot.dialogue.state import Phase, Turn, VerdictRecord
from voicebot.dialogue.tool_calls import CallRecord, ConfirmationRequest


@dataclass(frozen=True, slots=True)
class TranscriptChanged:
    """The interim words of an utterance have changed."""

    utterance: int
    text: str


@dataclass(frozen=True, slots=True)
class TranscriptCompleted:
    """The words of an utterance are final; `text` is empty if there are none."""

    utterance: int
    text: str


@dataclass(frozen=True, slots=True)
class WordsAccepted:
    """Words wait for an answer: those of an utterance, or typed ones if `utterance` is None."""

    utterance: int | None


@dataclass(frozen=True, slots=True)
class VerdictGiven:
    """There is a verdict on speech over a reply."""

    record: VerdictRecord


@dataclass(frozen=True, slots=True)
class ReplyBegun:
    """The bot has begun to make a reply."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyCommitted:
    """The turn is over, and this reply answers it. A preemptive reply is committed later than it is begun."""

    reply: int
    preemptive: bool = False


@dataclass(frozen=True, slots=True)
class ReplyTextAdded:
    """The next piece of a committed reply's text has come. Joined as they are, the pieces make the whole text."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class SentenceDropped:
    """A sentence of a reply will not be spoken, as too many wait for the synthesizer."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplyTextCompleted:
    """The whole text of a committed reply is known."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class TurnAnswered:
    """The first audio of an answer has been played."""

    reply: int
    turn: Turn


@dataclass(frozen=True, slots=True)
class ReplyCancelled:
    """A reply has been cancelled: it is silent from now on, and `ReplyFinished` follows."""

    reply: int


@dataclass(frozen=True, slots=True)
class WrongStartRepaired:
    """The user was not done when a reply began to play: the history keeps nothing of it, and the message goes on."""

    reply: int
    heard: str
    """The words of the reply that were played."""


@dataclass(frozen=True, slots=True)
class ReplyFinished:
    """Nothing of a reply is being made or played any more."""

    reply: int
    unheard: str
    """The words that were not played."""
    interrupted: bool
    """Whether the history holds it as an answer that was cut short."""
    cancelled: bool
    """Whether it was cancelled before it was played to its end."""
    committed: bool
    """Whether it was the answer to a turn that is over, and not a discarded preemptive reply."""
    started: bool
    """Whether any of it was played."""
    tokens_discarded: int = 0
    """How many tokens the model had sent for it, if it is a preemptive reply that was discarded; else 0."""
    heard: str = ""
    """The words that were played."""


@dataclass(frozen=True, slots=True)
class HistoryChanged:
    """The messages of the history have changed."""


@dataclass(frozen=True, slots=True)
class ToolCallChanged:
    """The call of a tool with effects has begun or ended, was not confirmed, or its end was reported to the user."""

    record: CallRecord


@dataclass(frozen=True, slots=True)
class ConfirmationPending:
    """The user has heard the whole question whether a tool may be called. Their next words answer it."""

    request: ConfirmationRequest


@dataclass(frozen=True, slots=True)
class ToolCallConfirmed:
    """The user's turn is over, and was a clear yes. `reply` makes the call now."""

    reply: int
    call: CallRecord


@dataclass(frozen=True, slots=True)
class TurnLeftToPerson:
    """The user's turn is over, and the bot does not answer it, as the conversation was handed over to a person."""

    text: str


@dataclass(frozen=True, slots=True)
class EngineChanged:
    """Another engine works for a stage now. `reasons` say why each engine that is preferred to it does not."""

    stage: Stage
    engine: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ErrorRaised:
    """Something went wrong that the user is told about."""

    error: ErrorReport


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """The conversation is in another phase now."""

    phase: Phase


@dataclass(frozen=True, slots=True)
class ConversationEnded:
    """The bot ends the session. `reason` is a sentence for the user."""

    reason: str
    cause: EndCause = EndCause.IDLE


Fact = (
    TranscriptChanged
    | TranscriptCompleted
    | WordsAccepted
    | VerdictGiven
    | ReplyBegun
    | ReplyCommitted
    | ReplyTextAdded
    | SentenceDropped
    | ReplyTextCompleted
    | TurnAnswered
    | ReplyCancelled
    | WrongStartRepaired
    | ReplyFinished
    | HistoryChanged
    | ToolCallChanged
    | ConfirmationPending
    | ToolCallConfirmed
    | TurnLeftToPerson
    | EngineChanged
    | ErrorRaised
    | PhaseChanged
    | ConversationEnded
)
