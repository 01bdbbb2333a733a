"""Collects a stream of tokens into batches that a voice can speak."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

from voicebot.languages.loader import language_of
from voicebot.speech_text.segmentation import SegmentedWord, Segmenter
from voicebot.speech_text.speakable import has_words, named, spoken

MAX_CHARS = 240
FIRST_CLAUSE_CHARS = 24
LEAST_MAX_CHARS = 40
"""The smallest `max_chars`: it leaves room for what is said in place of code."""
_REST_CHARS = 12
"""A first clause is released early only if this much of its sentence follows, so that no single word is left over."""
_CLAUSE_MARKS = ",;:—–，、；：،؛"
_CLOSERS = "\"'”’»)]*_~`"
_ATTACHED = ".,;:!?…।॥"
_NEXT_SENTENCE = " Zq "
"""A word of no language. It begins a sentence, in any language, if the text before it ends one."""
_OPEN_NUMBER = re.compile(r"\d\.$")
"""A number that may continue: "3.14"."""


@dataclass(frozen=True, slots=True)
class SentenceBatch:
    """A text that is spoken in one request: a sentence, or a part of a sentence that is too long.

    `text` is as written, without the space around it. `speech` is what a voice says for it; it is never empty. All
    texts of a reply joined have all its characters except space.
    """

    text: str
    speech: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A word with the space before it, and what a voice says for it."""

    text: str
    speech: str
    said: bool
    """True if `speech` has a letter or digit. Without one it may be left out."""

    @property
    def ends_clause(self) -> bool:
        return self.text.rstrip(_CLOSERS).endswith(tuple(_CLAUSE_MARKS))


class SentenceBatcher:
    """Collects a reply's tokens into batches.

    The batches, and the character that releases each of them, do not depend on how the text is divided into tokens. The
    first letter or digit of the next sentence releases a sentence: normally two characters after its full stop. If the
    sentence ends with an abbreviation, the end of the next word releases it.

    The speech of a batch has at most `max_chars` characters. A longer sentence is split after a clause, before a
    conjunction, at a space or, where there is none, inside a word. The first batch of a reply may be a clause of at
    least `first_clause_chars` characters, so that it is heard sooner; with 0 it is a sentence like the others.
    """

    def __init__(
        self, max_chars: int = MAX_CHARS, language: str = "en", first_clause_chars: int = FIRST_CLAUSE_CHARS
    ) -> None:
        if max_chars < LEAST_MAX_CHARS:
            raise ValueError(f"a batch needs room for {LEAST_MAX_CHARS} characters, not {max_chars}")
        self._max_chars = max_chars
        self._first_clause_chars = first_clause_chars
        self._code = language
        self._language = language_of(language)
        self._segmenter = Segmenter(language)
        self._begin()

    def _begin(self) -> None:
        self._parts: list[_Part] = []
        self._chars = 0
        self._is_first = True
        self._clause: tuple[int, int] | None = None

    def push(self, token: str) -> list[SentenceBatch]:
        """Returns the batches that this token releases."""
        return [batch for word in self._segmenter.push(token) for batch in self._take(word)]

    def finish(self) -> list[SentenceBatch]:
        """Returns the batches that are left. The next push begins a new reply."""
        batches = [batch for word in self._segmenter.finish() for batch in self._take(word)]
        if self._chars:
            batches.append(self._release(len(self._parts)))
        elif text := "".join(part.text for part in self._parts).strip():
            batches.append(SentenceBatch(text, self._fitted(named(text))))
        self._begin()
        return batches

    def finish_sentence(self) -> list[SentenceBatch]:
        """Returns the batches that are left if they end with a whole sentence, which no further text can change.

        Otherwise, or if that is not certain, it returns none. The next push continues the reply.
        """
        if not self.held.strip() or _OPEN_NUMBER.search(self.held):
            return []
        trial = SentenceBatcher(self._max_chars, self._code, first_clause_chars=0)
        if not trial.push(self.held + _NEXT_SENTENCE) or trial.held.strip() != _NEXT_SENTENCE.strip():
            return []
        batches = self.finish()
        self._is_first = False
        return batches

    def finish_words(self) -> list[SentenceBatch]:
        """Returns the whole words that are left, even if they are no sentence. The next push continues the reply."""
        held = self.held
        whole = held[: max((at + 1 for at, char in enumerate(held) if char.isspace()), default=0)]
        if not has_words(whole):
            return []
        self.finish()
        batches = [*self.push(whole), *self.finish()]
        self._is_first = False
        return [*batches, *self.push(held[len(whole) :])]

    @property
    def held(self) -> str:
        """The text that has arrived and is in no batch yet."""
        return "".join(part.text for part in self._parts) + self._segmenter.undecided

    def _take(self, word: SegmentedWord) -> Iterator[SentenceBatch]:
        for part in self._parts_of(word):
            while part.said and self._chars and self._chars + 1 + len(part.speech) > self._max_chars:
                yield self._release(self._cut(part))
            self._add(part)
        if word.last and self._chars:
            yield self._release(len(self._parts))
        elif self._is_first and self._first_clause_chars:
            yield from self._early_clause()

    def _parts_of(self, word: SegmentedWord) -> Iterator[_Part]:
        whole = word.is_code or "://" in word.text or len(word.text.strip()) <= self._max_chars
        for text in [word.text] if whole else _pieces(word.text, self._max_chars):
            speech = self._fitted(
                spoken(
                    text.strip(), self._language.spoken_forms, is_code=word.is_code, first_of_line=word.first_of_line
                )
            )
            yield _Part(text, speech, has_words(speech))

    def _fitted(self, speech: str) -> str:
        """Cuts off speech that is too long and cannot be split."""
        return speech if len(speech) <= self._max_chars else speech[: self._max_chars - 1].rstrip() + "…"

    def _add(self, part: _Part) -> None:
        chars = len(part.speech) + bool(self._chars)
        if not part.said and (not self._chars or self._chars + chars > self._max_chars):
            part = replace(part, speech="")
        self._parts.append(part)
        self._chars += chars if part.speech else 0

    def _release(self, count: int) -> SentenceBatch:
        """Returns the first `count` parts as a batch, and keeps the others."""
        released, kept = self._parts[:count], self._parts[count:]
        self._parts, self._chars, self._is_first = [], 0, False
        for part in kept:
            self._add(part)
        return SentenceBatch("".join(part.text for part in released).strip(), _joined(released))

    def _cut(self, following: _Part) -> int:
        """Returns how many parts to release if `following` does not fit: up to a clause, to a conjunction, or all."""
        lengths = [0]
        for part in self._parts:
            lengths.append(lengths[-1] + (len(part.speech) + 1 if part.speech else 0))
        counts = [count for count in range(len(self._parts), 0, -1) if lengths[count] > self._max_chars // 3]
        after = [*self._parts[1:], following]
        for count in counts:
            if self._parts[count - 1].ends_clause:
                return count
        for count in counts:
            if after[count - 1].text.strip().casefold() in self._language.segmentation.conjunctions:
                return count
        return len(self._parts)

    def _early_clause(self) -> Iterator[SentenceBatch]:
        latest = self._parts[-1]
        if self._clause is None:
            if self._chars >= self._first_clause_chars and latest.ends_clause:
                self._clause = len(self._parts), self._chars
        elif latest.said and self._chars - self._clause[1] >= _REST_CHARS:
            yield self._release(self._clause[0])


def _joined(parts: list[_Part]) -> str:
    speech = ""
    for part in parts:
        if speech and part.speech.strip(_ATTACHED):
            speech += " "
        speech += part.speech
    return speech


def _pieces(text: str, most_chars: int) -> Iterator[str]:
    """Splits a word that is too long, or a sentence in a script without spaces, after a clause if possible."""
    start = len(text) - len(text.lstrip())
    space = text[:start]
    while len(text) - start > most_chars:
        limit = start + most_chars
        clause = max(text.rfind(mark, start + most_chars // 3, limit) for mark in _CLAUSE_MARKS)
        end = clause + 1 if clause >= 0 else limit
        while limit - 8 < end and unicodedata.category(text[end])[0] == "M":
            end -= 1  # a letter keeps its marks
        yield space + text[start:end]
        start, space = end, ""
    yield space + text[start:]


def sentences(text: str, language: str = "en") -> list[str]:
    """Returns the sentences of a whole text, as written, without the space around them."""
    segmenter = Segmenter(language)
    found = [""]
    for word in (*segmenter.push(text), *segmenter.finish()):
        found[-1] += word.text
        if word.last:
            found.append("")
    return [sentence.strip() for sentence in found if sentence]
