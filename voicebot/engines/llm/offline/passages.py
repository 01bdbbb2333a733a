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
"""So many words must match to recognise a passage that does not stand at the beginning of a message."""

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
        start = self._clause_start(heard)
        return capitalized(self.text[start:])

    def restart(self, heard: int) -> int:
        """How many words come before `rest`."""
        return len(bare_words(self.text[: self._clause_start(heard)]))

    def _clause_start(self, heard: int) -> int:
        starts = [0, *(match.end() for match in _CLAUSE_END.finditer(self.text))]
        return max(start for start in starts if len(bare_words(self.text[:start])) <= heard)


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
    _, count = _overlap(words, last.passage.words[start:])
    return replace(last, heard=max(last.heard, start + count)) if count else None


def _begun(words: Sequence[str]) -> list[Telling]:
    """The passages told from their beginnings in these words, in the words' order."""
    found = [(_overlap(words, passage.words), passage) for kind in Kind for passage in passages(kind)]
    begun: list[Telling] = []
    end = 0
    for (start, count), passage in sorted(found, key=lambda each: each[0]):
        # One passage can break off in words with which another begins.
        if count and start >= end:
            begun.append(Telling(passage, count))
            end = start + count
    return begun


def _overlap(heard: Sequence[str], words: Sequence[str]) -> tuple[int, int]:
    """From where on, and how many of, the first `words` stand in `heard`, either all or up to its end."""
    for start in range(len(heard)):
        count = min(len(heard) - start, len(words))
        if heard[start] == words[0] and tuple(heard[start : start + count]) == tuple(words[:count]):
            return (start, count) if start == 0 or count >= FEWEST_WORDS else (0, 0)
    return (0, 0)
