"""Jokes and stories, and how far the user has heard them: read off the conversation, as nothing else is remembered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files

from voicebot.engines.llm.offline.words import bare_words, capitalized

FEWEST_WORDS = 2
"""This many words must match to recognise a passage that does not stand at the beginning of a message."""

_CLAUSE_END = re.compile(r"[,;:.!?][\"']?\s+")


class Kind(StrEnum):
    JOKE = "joke"
    STORY = "story"


@dataclass(frozen=True, slots=True)
class Passage:
    """A text that is told as it stands. `words` are its bare words, by which it is found again."""

    kind: Kind
    text: str
    words: tuple[str, ...]

    def rest(self, heard: int) -> str:
        """The text from the beginning of the clause in which the first word not heard stands."""
        start, _ = _clause(self, heard)
        return capitalized(self.text[start:])

    def restart(self, heard: int) -> int:
        """How many words come before `rest`."""
        _, words_before = _clause(self, heard)
        return words_before


@cache
def _clauses(passage: Passage) -> Sequence[tuple[int, int]]:
    """Returns where each clause begins, in characters and in words."""
    starts = [0, *(match.end() for match in _CLAUSE_END.finditer(passage.text))]
    return [(start, len(bare_words(passage.text[:start]))) for start in starts]


def _clause(passage: Passage, heard: int) -> tuple[int, int]:
    """Returns the beginning of the clause that contains the first word after `heard` words, in characters and words."""
    return max((start, before) for start, before in _clauses(passage) if before <= heard)


@dataclass(frozen=True, slots=True)
class Telling:
    """A passage, and how many of its words the user has heard."""

    passage: Passage
    heard: int

    @property
    def is_finished(self) -> bool:
        return self.heard >= len(self.passage.words)


def tellings(messages: Iterable[str]) -> list[Telling]:
    """What has been told in the assistant's messages, each passage where it was last told, the latest last."""
    told: list[Telling] = []
    for message in messages:
        words = bare_words(message)
        continued = _continued(words, told[-1]) if told else None
        for telling in [continued] if continued else _begun(words):
            told = [other for other in told if other.passage is not telling.passage]
            told.append(telling)
    return told


def next_passage(kind: Kind, told: Sequence[Telling], first: int = 0) -> Passage:
    """One that was not told yet, counting from the `first`; if all were, the one told longest ago."""
    all_of_kind = passages(kind)
    first %= len(all_of_kind)
    heard = [telling.passage for telling in told]
    for passage in (*all_of_kind[first:], *all_of_kind[:first]):
        if passage not in heard:
            return passage
    return next(passage for passage in heard if passage.kind is kind)


@cache
def passages(kind: Kind) -> tuple[Passage, ...]:
    """All passages of a kind, in the order of their file."""
    if kind is Kind.JOKE:
        texts = [line for line in _read("jokes.txt").splitlines() if line]
    else:
        texts = [
            text.strip() for text in re.split(r"^\[.*\]$", _read("stories.txt"), flags=re.MULTILINE) if text.strip()
        ]
    return tuple(Passage(kind, text, tuple(bare_words(text))) for text in texts)


def _read(name: str) -> str:
    text = (files(__package__) / name).read_text("utf-8")
    return re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)


def _continued(words: Sequence[str], last: Telling) -> Telling | None:
    """The last telling, if these words go on with it."""
    if last.is_finished:
        return None
    start = last.passage.restart(last.heard)
    rest = last.passage.words[start:]
    for at, word in enumerate(words):
        count = _overlap(words[at : at + len(rest)], rest) if word == rest[0] else 0
        if count:
            is_it = at == 0 or count >= FEWEST_WORDS
            return replace(last, heard=max(last.heard, start + count)) if is_it else None
    return None


def _begun(words: Sequence[str]) -> list[Telling]:
    """Returns the passages that begin in these words, in the order of the words."""
    begun: list[Telling] = []
    at = 0
    while at < len(words):
        passage = _by_first_word().get(words[at])
        count = _overlap(words[at : at + len(passage.words)], passage.words) if passage else 0
        if passage and count and (at == 0 or count >= FEWEST_WORDS):
            begun = [telling for telling in begun if telling.passage is not passage]
            begun.append(Telling(passage, count))
        # One passage can break off in words with which another begins.
        at += max(1, count)
    return begun


@cache
def _by_first_word() -> dict[str, Passage]:
    """Returns all passages by their first words, which differ."""
    return {passage.words[0]: passage for kind in Kind for passage in passages(kind)}


def _overlap(heard: Sequence[str], words: Sequence[str]) -> int:
    """Returns how many words `heard` and `words` have in common, if one of them begins with the other; else 0."""
    count = min(len(heard), len(words))
    return count if tuple(heard[:count]) == tuple(words[:count]) else 0
