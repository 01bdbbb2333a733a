"""What a text is made of: phrases one after the other, in whole words."""

from __future__ import annotations

from functools import cached_property

from voicebot.languages.lexicon import Lexicon, PhraseKind
from voicebot.languages.spoken import spoken_words

MAX_WORDS = 40
"""A longer text is not looked at: it is more than a listener says."""

Kinds = frozenset[PhraseKind]


class Phrases:
    """A text cut into words, and the kinds of phrase that begin at each."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self.words = spoken_words(text)
        self._lexicon = lexicon

    def __len__(self) -> int:
        return len(self.words)

    def made_of(self, kinds: Kinds) -> bool:
        """Is it nothing but these, in whole words and any order? No text is not made of anything."""
        return 0 < len(self) <= MAX_WORDS and len(self) in self._reach(kinds)[0]

    def includes(self, kinds: Kinds, others: Kinds) -> bool:
        """Is it made of at least one phrase of these kinds, and for the rest of the others?"""
        ends = {end for at in self.cuts(others) for end, found in self._spans(at) if not found.isdisjoint(kinds)}
        return len(self) <= MAX_WORDS and any(len(self) in self._reach(kinds | others, end)[0] for end in ends)

    def after(self, kinds: Kinds) -> int:
        """The word up to which it is made of these."""
        return self.cuts(kinds)[-1]

    def cuts(self, kinds: Kinds) -> list[int]:
        """The words before which all is made of these; the first, of which nothing is before, among them."""
        return sorted(self._reach(kinds)[0])

    def is_one(self, word: str, kinds: Kinds) -> bool:
        """Is this single word of one of these kinds?"""
        return not self._lexicon.kinds(self._lexicon.key(word)).isdisjoint(kinds)

    def starting(self, kinds: Kinds, at: int = 0) -> str:
        """The longest phrase of these kinds that begins at a word; empty if none does."""
        ends = [end for end, found in self._spans(at) if not found.isdisjoint(kinds)]
        return " ".join(self.words[at : max(ends)]) if ends else ""

    def may_become(self, kinds: Kinds) -> bool:
        """Could it be made of these with the next word?"""
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
        """For each word the ends and kinds of the phrases that begin there."""
        return [self._phrases_at(start) for start in range(len(self._keys))]

    def _spans(self, at: int) -> list[tuple[int, Kinds]]:
        return self._found[at] if at < len(self._keys) else []

    def _phrases_at(self, start: int) -> list[tuple[int, Kinds]]:
        ends = range(start + 1, min(start + self._lexicon.longest_phrase, len(self._keys)) + 1)
        found = ((end, self._lexicon.kinds("".join(self._keys[start:end]))) for end in ends)
        return [(end, kinds) for end, kinds in found if kinds]

    def _reach(self, kinds: Kinds, start: int = 0) -> tuple[set[int], set[int]]:
        """The words before which it may be cut, and those that an evaluation still has to follow.

        An evaluation is words for it after what begins it or before what it is of: "how nice", "that's so funny",
        "great idea".
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
