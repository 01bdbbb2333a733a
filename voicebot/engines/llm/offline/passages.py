"""Jokes and stories, and how far the user has heard them, which is read off the conversation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from voicebot.engines.llm.offline.words import bare_words, capitalized

RESUMED = "Where was I?"
"""Said before the rest of a passage that was interrupted."""

FEWEST_WORDS = 2
"""This many words of a passage must match to recognise it, except at the beginning of a message."""

_CLAUSE_END = re.compile(r"[,;:.!?][\"']?\s+")


@dataclass(frozen=True, slots=True)
class Passage:
    """A joke or a story. `topic` is the topic that asks for it, and `words` are its words without punctuation."""

    topic: str
    text: str
    words: tuple[str, ...]

    def clause_start(self, heard: int) -> tuple[int, int]:
        """Returns where the clause with the first unheard word begins, in characters and in words."""
        starts = [0, *(match.end() for match in _CLAUSE_END.finditer(self.text))]
        clauses = [(start, len(bare_words(self.text[:start]))) for start in starts]
        return max(clause for clause in clauses if clause[1] <= heard)


@dataclass(frozen=True, slots=True)
class ToldPassage:
    """A passage that was told, and how many of its words the user has heard."""

    passage: Passage
    heard: int

    @property
    def is_finished(self) -> bool:
        return self.heard >= len(self.passage.words)

    @property
    def rest(self) -> str:
        """The text from the beginning of the clause that was interrupted."""
        return capitalized(self.passage.text[self.passage.clause_start(self.heard)[0] :])


def told_passages(messages: Iterable[str]) -> list[ToldPassage]:
    """Returns the passages that the assistant's messages have told, each once, the latest last."""
    told: list[ToldPassage] = []
    for message in messages:
        _, mark, rest = message.partition(RESUMED)
        if mark and told and not told[-1].is_finished:
            told[-1] = _resumed(told[-1], bare_words(rest))
            continue
        for new in _begun(bare_words(message)):
            told = [*(other for other in told if other.passage is not new.passage), new]
    return told


def next_passage(topic: str, told: Sequence[ToldPassage], first: int = 0) -> Passage:
    """Returns a passage that was not told yet, counting from number `first`, or else the one told longest ago."""
    all_of_topic = passages(topic)
    first %= len(all_of_topic)
    heard = [each.passage for each in told]
    for passage in (*all_of_topic[first:], *all_of_topic[:first]):
        if passage not in heard:
            return passage
    return next(passage for passage in heard if passage.topic == topic)


@cache
def passages(topic: str) -> tuple[Passage, ...]:
    """Returns all passages of "joke" or "story", in the order of their file. Titles in brackets part the stories."""
    name, end = ("jokes.txt", r"\n") if topic == "joke" else ("stories.txt", r"^\[.*\]$")
    text = re.sub(r"^#.*\n", "", (files(__package__) / name).read_text("utf-8"), flags=re.MULTILINE)
    texts = [part.strip() for part in re.split(end, text, flags=re.MULTILINE) if part.strip()]
    return tuple(Passage(topic, text, tuple(bare_words(text))) for text in texts)


def _resumed(last: ToldPassage, words: Sequence[str]) -> ToldPassage:
    _, start = last.passage.clause_start(last.heard)
    count = _overlap(words, last.passage.words[start:])
    return ToldPassage(last.passage, max(last.heard, start + count))


def _begun(words: Sequence[str]) -> Iterable[ToldPassage]:
    by_first_word = {passage.words[0]: passage for topic in ("joke", "story") for passage in passages(topic)}
    at = 0
    while at < len(words):
        passage = by_first_word.get(words[at])
        count = _overlap(words[at:], passage.words) if passage else 0
        if passage and (count >= FEWEST_WORDS or (count and at == 0)):
            yield ToldPassage(passage, count)
        at += max(1, count)


def _overlap(words: Sequence[str], passage: Sequence[str]) -> int:
    """Returns how many words both begin with, if that is all of one of them; else 0."""
    count = min(len(words), len(passage))
    return count if tuple(words[:count]) == tuple(passage[:count]) else 0
