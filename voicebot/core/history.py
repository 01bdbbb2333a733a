"""The conversation as it was heard: immutable messages, edited by pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


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
    """The user said `text`: a new message, or with `merge` more of the last one if no reply was heard since."""
    text = merged([text])
    if not text:
        return history
    if merge and history and history[-1].role is Role.USER:
        return (*history[:-1], replace(history[-1], text=merged([history[-1].text, text])))
    return (*history, Message(Role.USER, text))


def heard(history: History, text: str, *, interrupted: bool = False) -> History:
    """The assistant was heard saying `text`. Nothing heard leaves no trace."""
    text = merged([text])
    if not text:
        return history
    return (*history, Message(Role.ASSISTANT, text, interrupted))


def words_heard(text: str, played: float) -> int:
    """How many words of a sentence were heard when the share `played` (0 to 1) of its sound had been played.

    Words are taken to last in proportion to their letters. A word counts as heard once half of it was played;
    engines that know word times do better than this.
    """
    weights = [len(word) + 1 for word in text.split()]
    position = max(0.0, min(1.0, played)) * sum(weights)
    count, start = 0, 0.0
    for weight in weights:
        if position < start + weight / 2:
            break
        count += 1
        start += weight
    return count


def first_words(text: str, count: int) -> str:
    return " ".join(text.split()[:count])
