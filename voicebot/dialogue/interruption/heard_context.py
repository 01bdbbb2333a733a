"""What the user has just heard of a reply: the question it asked, and the words that may come back as an echo."""

from __future__ import annotations

import re
from collections.abc import Container

from voicebot.languages.spoken import spoken_words

FEW_WORDS = 3
"""A question still waits for its answer while the user has heard at most this many words after it."""

AHEAD_WORDS = 3
"""The playback position is an estimate: the user may have heard this many words more."""

CLAUSE_WORDS = 5
"""A clause with fewer words is taken together with the one before it."""

_QUESTION = re.compile(r"[?？؟]+[!)\]*]*$")
_CLAUSE_END = re.compile(r"[;:.!…。।?？؟]$")
_COMMAS = (",", "،", "，")
_STATEMENT = re.compile(r"[.!…。।?？؟][\"”“’»)\]*]*$")
"""A question mark before a closing quotation mark is somebody else's question."""


class HeardContext:
    """The last sentence heard with the one before it, up to the word the user has heard."""

    def __init__(self, sentence: str, previous: str, words_heard: int) -> None:
        words = re.sub(r"\s+([?!？؟»]+)", r"\1", sentence).split()
        before = re.sub(r"\s+([?!？؟»]+)", r"\1", previous).split() if words else []
        if not words_heard and not before:
            words_heard = len(words)
        self._words = [*before, *words]
        self._count = min(len(before) + max(words_heard, 0), len(self._words))

    @property
    def anything(self) -> bool:
        return bool(self._words)

    def question(self) -> str:
        """Returns the question that waits for an answer: at least half of it was heard, and not much after it.

        Returns an empty string if there is none.
        """
        start = 0
        for end, word in enumerate(self._words, 1):
            if not _STATEMENT.search(word):
                continue
            asked = _QUESTION.search(word) is not None
            if asked and 2 * (self._count - start) >= end - start and self._count - end <= FEW_WORDS:
                return " ".join(self._words[start:end])
            start = end
        return ""

    def last(self, count: int) -> tuple[str, ...]:
        """Returns the last `count` words heard, and the few after them that may have been heard."""
        first = max(self._count - count, 0)
        return spoken_words(" ".join(self._words[first : self._count + AHEAD_WORDS]))

    def words(self) -> tuple[str, ...]:
        """Returns the words heard of both sentences."""
        return spoken_words(" ".join(self._words[: self._count]))

    def clause(self, conjunctions: Container[str]) -> tuple[str, ...]:
        """Returns the words heard of the last main clause, and of the one before it if they are too few.

        A main clause begins after the end of a sentence, and with one of the `conjunctions` after a comma.
        """
        words = [spoken_words(word) for word in self._words[: self._count]]
        for start in range(self._count - CLAUSE_WORDS, 0, -1):
            before = self._words[start - 1]
            joined = before.endswith(_COMMAS) and bool(words[start]) and words[start][0] in conjunctions
            if joined or _CLAUSE_END.search(before):
                return tuple(word for each in words[start:] for word in each)
        return self.words()
