"""Splits a text into phrases of known kinds, in whole words."""

from __future__ import annotations

from functools import cached_property

from voicebot.languages.lexicon import Lexicon, PhraseKind
from voicebot.languages.spoken import spoken_words

MAX_WORDS = 40
"""A longer text is never a backchannel: only the first words are looked at."""

Kinds = frozenset[PhraseKind]


class Phrases:
    """The words of a text, and the kinds of phrases that begin at each of them."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self.words = spoken_words(text)
        self._lexicon = lexicon

    def __len__(self) -> int:
        return len(self.words)

    def made_of(self, kinds: Kinds) -> bool:
        """Returns True when the text consists of phrases of these kinds only, in any order. An empty text does not."""
        return 0 < len(self) <= MAX_WORDS and len(self) in self._reach(kinds)[0]

    def includes(self, kinds: Kinds, others: Kinds) -> bool:
        """Returns True when the text has at least one phrase of `kinds`, and otherwise only phrases of `others`."""
        ends = {end for at in self.cuts(others) for end, found in self._spans(at) if not found.isdisjoint(kinds)}
        return len(self) <= MAX_WORDS and any(len(self) in self._reach(kinds | others, end)[0] for end in ends)

    def after(self, kinds: Kinds) -> int:
        """Returns the index of the word up to which the text consists of phrases of these kinds."""
        return self.cuts(kinds)[-1]

    def cuts(self, kinds: Kinds) -> list[int]:
        """Returns the indices of words, 0 included, before which the text consists of phrases of these kinds."""
        return sorted(self._reach(kinds)[0])

    def is_one(self, word: str, kinds: Kinds) -> bool:
        """Returns True when this single word is of one of these kinds."""
        return not self._lexicon.kinds(self._lexicon.key(word)).isdisjoint(kinds)

    def starting(self, kinds: Kinds, at: int = 0) -> str:
        """Returns the longest phrase of these kinds that begins at word `at`; an empty string if none does."""
        ends = [end for end, found in self._spans(at) if not found.isdisjoint(kinds)]
        return " ".join(self.words[at : max(ends)]) if ends else ""

    def may_become(self, kinds: Kinds) -> bool:
        """Returns True when the text could consist of these kinds once more words have come."""
        free, opened = self._reach(kinds)
        count = len(self)
        return count in opened or any(
            self._lexicon.may_begin("".join(self._keys[start:]))
            for start in free
            if 0 < count - start < self._lexicon.longest_phrase
        )

    @cached_property
    def _keys(self) -> list[str]:
        return [self._lexicon.key(word) for word in self.words[:MAX_WORDS]]

    @cached_property
    def _found(self) -> list[list[tuple[int, Kinds]]]:
        """For each word, the ends and kinds of the phrases that begin there."""
        return [self._phrases_at(start) for start in range(len(self._keys))]

    def _spans(self, at: int) -> list[tuple[int, Kinds]]:
        return self._found[at] if at < len(self._keys) else []

    def _phrases_at(self, start: int) -> list[tuple[int, Kinds]]:
        ends = range(start + 1, min(start + self._lexicon.longest_phrase, len(self._keys)) + 1)
        found = ((end, self._lexicon.kinds("".join(self._keys[start:end]))) for end in ends)
        return [(end, kinds) for end, kinds in found if kinds]

    def _reach(self, kinds: Kinds, start: int = 0) -> tuple[set[int], set[int]]:
        """Returns the words before which the text may be split, and those that an evaluation still has to follow.

        An evaluation is an evaluating word after an opener ("how nice", "that's so funny") or before its theme ("great
        idea").
        """
        free, opened, evaluated = {start}, set[int](), set[int]()
        evaluations, whole = PhraseKind.EVALUATION in kinds, kinds - EVALUATING
        for at in range(start, len(self._keys)):
            for end, found in self._found[at] if at in free or at in opened or at in evaluated else ():
                if at in free and not found.isdisjoint(whole):
                    free.add(end)
                if not evaluations:
                    continue
                if (at in evaluated and PhraseKind.THEME in found) or (at in opened and PhraseKind.EVALUATION in found):
                    free.add(end)
                if PhraseKind.EVALUATION in found:
                    evaluated.add(end)
                if PhraseKind.DEGREE in found or (at in free and PhraseKind.OPENER in found):
                    opened.add(end)
        return free, opened | evaluated


EVALUATING = frozenset({PhraseKind.OPENER, PhraseKind.DEGREE, PhraseKind.EVALUATION, PhraseKind.THEME})
