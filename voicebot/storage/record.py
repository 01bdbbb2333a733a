"""What is stored of a conversation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from voicebot.dialogue.history import History, Message
from voicebot.dialogue.reply_state import UnfinishedReply
from voicebot.dialogue.tool_calls import CallRecord
from voicebot.runtime.limits import STORED_CALL_BYTES, STORED_MESSAGE_BYTES

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class ConversationRecord:
    """A stored conversation."""

    history: History = ()
    calls: tuple[CallRecord, ...] = ()
    """The calls of tools with effects, the oldest first."""
    unfinished: UnfinishedReply | None = None
    """What the last session still had to say when this was stored."""
    unfinished_at_s: float = 0.0
    """When that was stored, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Tail(Generic[Item]):
    """The items that replace those from index `start` on."""

    start: int
    items: Sequence[Item]


def message_bytes(messages: Iterable[Message]) -> int:
    """Returns the approximate space that these messages take in the database."""
    return sum(STORED_MESSAGE_BYTES + _bytes(message.text) for message in messages)


def call_bytes(calls: Iterable[CallRecord]) -> int:
    """Returns the approximate space that these calls take in the database."""
    return sum(
        STORED_CALL_BYTES + sum(_bytes(text) for text in (call.id, call.tool, call.arguments, call.result))
        for call in calls
    )


def unfinished_bytes(unfinished: UnfinishedReply | None) -> int:
    """Returns the approximate space that the rest of a reply takes in the database."""
    return 0 if unfinished is None else _bytes(unfinished.text)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
