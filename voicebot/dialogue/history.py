"""The history of a conversation as it was heard: immutable messages, edited by pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate, pairwise

from voicebot.runtime.limits import MAX_MESSAGE_CHARS


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """One message. An assistant's text is what the user heard of it; `interrupted` says that it was cut short."""

    role: Role
    text: str
    interrupted: bool = False


History = tuple[Message, ...]


def merged(texts: Iterable[str]) -> str:
    """Joins several texts into one, with single spaces between words."""
    return " ".join(" ".join(texts).split())


def said(history: History, text: str, *, merge: bool = True) -> History:
    """Adds what the user said: as a new message, or with `merge` to the user's last one if no reply was heard since.

    No text is added to a message that would become longer than `MAX_MESSAGE_CHARS`.
    """
    text = merged([text])
    if not text:
        return history
    last = history[-1] if history else None
    if merge and last and last.role is Role.USER and len(last.text) + len(text) <= MAX_MESSAGE_CHARS:
        return (*history[:-1], replace(history[-1], text=merged([history[-1].text, text])))
    return (*history, Message(Role.USER, text))


def heard(history: History, text: str, *, interrupted: bool = False) -> History:
    """Adds what was heard of the assistant. An empty text adds nothing."""
    text = merged([text])
    if not text:
        return history
    return (*history, Message(Role.ASSISTANT, text, interrupted))


def word_shares(text: str) -> list[float]:
    """Estimates where the words of a sentence start in its audio, as shares from 0 to 1, followed by 1 for the end.

    The estimate gives each word time in proportion to its letters. Engines that know word times do better.
    """
    ends = list(accumulate(len(word) + 1 for word in text.split()))
    return [0.0, *(end / ends[-1] for end in ends)] if ends else [0.0]


def words_heard(bounds: Sequence[float], played: float) -> int:
    """Returns how many words were heard up to `played`. A word counts as heard once half of it was played.

    `bounds` says where each word starts and where the last one ends, in the unit of `played`.
    """
    return sum(played >= (start + end) / 2 for start, end in pairwise(bounds))


def first_words(text: str, count: int) -> str:
    return " ".join(text.split()[:count])
