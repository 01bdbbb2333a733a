"""The conversation as it was heard: immutable messages, edited by pure functions."""

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
    """One turn. An assistant's text is what the user heard of it, `interrupted` if that was cut short."""

    role: Role
    text: str
    interrupted: bool = False


History = tuple[Message, ...]


def merged(texts: Iterable[str]) -> str:
    """Several utterances as one text, with single spaces between words."""
    return " ".join(" ".join(texts).split())


def said(history: History, text: str, *, merge: bool = True) -> History:
    """The user said `text`: a new message, or with `merge` more of the last one if no reply was heard since.

    A message that would become longer than `MAX_MESSAGE_CHARS` is left as it is.
    """
    text = merged([text])
    if not text:
        return history
    last = history[-1] if history else None
    if merge and last and last.role is Role.USER and len(last.text) + len(text) <= MAX_MESSAGE_CHARS:
        return (*history[:-1], replace(history[-1], text=merged([history[-1].text, text])))
    return (*history, Message(Role.USER, text))


def heard(history: History, text: str, *, interrupted: bool = False) -> History:
    """The assistant was heard saying `text`. Nothing heard leaves no trace."""
    text = merged([text])
    if not text:
        return history
    return (*history, Message(Role.ASSISTANT, text, interrupted))


def word_shares(text: str) -> list[float]:
    """Where the words of a sentence start in its sound, as shares (0 to 1) of it, and last 1, the end.

    Words are taken to last in proportion to their letters; engines that know word times do better than this.
    """
    ends = list(accumulate(len(word) + 1 for word in text.split()))
    return [0.0, *(end / ends[-1] for end in ends)] if ends else [0.0]


def words_heard(bounds: Sequence[float], played: float) -> int:
    """How many words were heard up to `played`. A word counts as heard once half of it was played.

    `bounds`: where each word starts and where the last one ends, in the unit of `played`.
    """
    return sum(played >= (start + end) / 2 for start, end in pairwise(bounds))


def first_words(text: str, count: int) -> str:
    return " ".join(text.split()[:count])
