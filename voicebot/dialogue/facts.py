"""What a step of the machine has brought about, for those who watch a session: they need not compare states.

A fact names the utterance or the reply that it is about, and carries no state.
"""

from __future__ import annotations

from dataclasses import dataclass

from voicebot.dialogue.events import EndCause, Stage
from voicebot.dialogue.state import Phase, Turn, VerdictRecord


@dataclass(frozen=True, slots=True)
class TranscriptChanged:
    """The recogniser shows other words of an utterance than before."""

    utterance: int
    text: str


@dataclass(frozen=True, slots=True)
class TranscriptCompleted:
    """The words of an utterance are final; `text` is empty if there are none."""

    utterance: int
    text: str


@dataclass(frozen=True, slots=True)
class WordsAccepted:
    """The words of an utterance, or with None words that were typed, wait for an answer."""

    utterance: int | None


@dataclass(frozen=True, slots=True)
class VerdictGiven:
    """It was decided whether speech over a reply interrupts it."""

    record: VerdictRecord


@dataclass(frozen=True, slots=True)
class ReplyBegun:
    """A reply is being made."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyCommitted:
    """The user waits for this reply now: it was not begun early, or the turn has ended with the words it answers."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyTextAdded:
    """The next piece of a committed reply's text came. All of them are the text, with the space between words."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class SentenceDropped:
    """A sentence of a reply is left unspoken, as too many wait for the synthesiser."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplyTextCompleted:
    """The whole text of a committed reply is known."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class TurnAnswered:
    """The first sound of an answer was played."""

    reply: int
    turn: Turn


@dataclass(frozen=True, slots=True)
class ReplyCancelled:
    """A reply is given up: it is silent from now on, and `ReplyFinished` follows."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyFinished:
    """Nothing of a reply is being made or played any more."""

    reply: int
    unheard: str
    """The words that were not played."""
    interrupted: bool
    """The history keeps it as an answer that was cut short."""
    cancelled: bool
    """It was given up before it was played to its end."""
    committed: bool
    """The user has waited for it."""
    started: bool
    """Something of it was played."""


@dataclass(frozen=True, slots=True)
class HistoryChanged:
    """The history holds other messages than before."""


@dataclass(frozen=True, slots=True)
class EngineChanged:
    """Another engine of a stage than before does the work; `reasons` say why none before it in the chain does."""

    stage: Stage
    engine: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ErrorRaised:
    """Something went wrong that the user is told about."""

    message: str


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """The conversation has come to another phase."""

    phase: Phase


@dataclass(frozen=True, slots=True)
class ConversationEnded:
    """The bot has said goodbye, and ends the session. `reason` is for the session's user."""

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
    | ReplyFinished
    | HistoryChanged
    | EngineChanged
    | ErrorRaised
    | PhaseChanged
    | ConversationEnded
)
