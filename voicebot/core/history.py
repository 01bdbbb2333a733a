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


def said(history: History, text: str) -> History:
    """The user said `text`: a new message, or more of the last one if the assistant has not been heard since."""
    text = merged([text])
    if not text:
        return history
    if history and history[-1].role is Role.USER:
        return (*history[:-1], replace(history[-1], text=merged([history[-1].text, text])))
    return (*history, Message(Role.USER, text))


def heard(history: History, text: str, *, interrupted: bool = False) -> History:
    """The assistant was heard saying `text`. Nothing heard leaves no trace."""
    text = merged([text])
    if not text:
        return history
    return (*history, Message(Role.ASSISTANT, text, interrupted))


def words_until(text: str, played: float) -> str:
    """The words of a sentence that were heard when the share `played` (0 to 1) of its sound had been played.

    Words are taken to last in proportion to their letters. A word counts as heard once more than half of it was
    played: engines that know word times do better than this.
    """
    words = text.split()
    weights = [len(word) + 1 for word in words]
    position = max(0.0, min(1.0, played)) * sum(weights)
    kept: list[str] = []
    start = 0.0
    for word, weight in zip(words, weights, strict=True):
        if position < start + weight / 2:
            break
        kept.append(word)
        start += weight
    return " ".join(kept)
