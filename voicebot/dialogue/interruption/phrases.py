"""Splits a text into phrases of known kinds, in whole words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from voicebot.dialogue.interruption.short_sentence import BotWords, ShortSentences
from voicebot.languages.lexicon import Lexicon, PhraseKind, WordRole
from voicebot.languages.spoken import spoken_words

MAX_WORDS = 40
"""A longer text is never a backchannel: only the first words are looked at."""

MAX_REPEATED = 4
"""A speaker says at most this many words again."""

Kinds = frozenset[PhraseKind]


class Phrases:
    """The words of a text, and the kinds of phrases that begin at each of them."""

    def __init__(self, text: str, lexicon: Lexicon, bot: BotWords | None = None) -> None:
        """`bot` has the bot's last words, on which it depends what "no" and "it does" mean."""
        self.words = spoken_words(text)
        self._lexicon = lexicon
        self._bot = bot or BotWords()

    def __len__(self) -> int:
        return len(self.words)

    def made_of(self, kinds: Kinds) -> bool:
        """Returns True when the text consists of phrases of these kinds only, in any order. An empty text does not."""
        return 0 < len(self) <= MAX_WORDS and self._ends_free(self._reach(kinds, 0))

    def includes(self, kinds: Kinds, others: Kinds, start: int = 0) -> bool:
        """Returns True when the text from word `start` on has a phrase of `kinds`, and otherwise only `others`."""
        ends = {end for at in self.cuts(others, start) for end, found in self._spans(at) if not found.isdisjoint(kinds)}
        return len(self) <= MAX_WORDS and bool(ends) and self._ends_free(self._reach(kinds | others, *ends))

    def after(self, kinds: Kinds) -> int:
        """Returns the index of the word up to which the text consists of phrases of these kinds."""
        return self.cuts(kinds)[-1]

    def cuts(self, kinds: Kinds, start: int = 0) -> list[int]:
        """Returns the indices of words, `start` included, up to which the text from there consists of these kinds."""
        if start >= len(self._keys):
            return [start]
        return [at for at, state in enumerate(self._reach(kinds, start)) if state & _State.FREE]

    def is_one(self, word: str, kinds: Kinds) -> bool:
        """Returns True when this single word is of one of these kinds."""
        return not self._lexicon.kinds(self._lexicon.key(word)).isdisjoint(kinds)

    def starting(self, kinds: Kinds, at: int = 0) -> str:
        """Returns the longest phrase of these kinds that begins at word `at`; an empty string if none does."""
        ends = [end for end, found in self._spans(at) if not found.isdisjoint(kinds)]
        return " ".join(self.words[at : max(ends)]) if ends else ""

    def may_become(self, kinds: Kinds) -> bool:
        """Returns True when the text could consist of these kinds once more words have come."""
        reached, count = self._reach(kinds, 0), len(self)
        if count < len(reached) and reached[count]:
            return True
        return any(
            self._lexicon.may_begin("".join(self._keys[start:])) or self._sentences.may_begin(start)
            for start, state in enumerate(reached)
            if state & (_State.FREE | _State.STANCED) and 0 < count - start < self._lexicon.longest_phrase
        )

    def ending(self, kinds: Kinds, end: int | None = None) -> tuple[int, Kinds]:
        """Returns the longest phrase that ends before word `end`, or the text: its first word and all its kinds.

        The text before it consists of these kinds.
        """
        end = len(self) if end is None else end
        for at in self.cuts(kinds):
            for until, found in self._spans(at):
                if until == end and not found.isdisjoint(kinds):
                    return at, found
        return end, frozenset()

    def has_role(self, at: int, role: WordRole) -> bool:
        """Returns True when the single word `at` may have this role."""
        return role in self._lexicon.roles(self._keys[at])

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
        phrases = {end: self._agreeing(kinds) for end, kinds in found if kinds}
        for end, kind in self._sentences.starting(start):
            phrases[end] = phrases.get(end, frozenset()) | {kind}
        return list(phrases.items())

    def _agreeing(self, kinds: Kinds) -> Kinds:
        """Returns the kinds of a phrase. A denial agrees with a negative statement."""
        return kinds | {PhraseKind.AGREEMENT} if PhraseKind.DENIAL in kinds and self._bot.negated else kinds

    @cached_property
    def _sentences(self) -> ShortSentences:
        return ShortSentences(self._keys, self._lexicon, self._bot)

    def _ends_free(self, reached: list[int]) -> bool:
        return bool(reached[len(self)] & _State.FREE)

    def _reach(self, kinds: Kinds, *starts: int) -> list[int]:
        """Returns for each word, and for the end, what the text of these kinds from any of `starts` up to it may be.

        Some phrases have several parts: an evaluating word after an opener ("how nice", "that's so funny"), after a
        sound ("oh, cute") or before its theme ("great idea"), and an agreement or an evaluation after the speaker's
        stance ("I guess so", "I'm sure that's true"). Words said twice count once ("that's, that's true").
        """
        reached = [0] * (len(self._keys) + 1)
        for start in starts:
            reached[start] = _State.FREE
        for at in range(min(starts), len(self._keys)):
            if not (state := reached[at]):
                continue
            for again in self._repetitions[at]:
                reached[again] |= state
            for end, found in self._found[at]:
                reached[end] |= self._after(state, found, kinds, article=self.has_role(end - 1, WordRole.ARTICLE))
        return reached

    @staticmethod
    def _after(state: int, found: Kinds, kinds: Kinds, *, article: bool) -> int:
        """Returns what the text is after a phrase that is `found` in this state. An article may end the phrase."""
        after, complete = 0, _State.FREE | _State.SAID
        if PhraseKind.ECHO_QUESTION in found:
            complete |= _State.ASKED
        elif state & _State.ASKED and PhraseKind.CLOSING not in found and not found.isdisjoint(_QUALIFYING):
            return after
        if state & _State.FREE and not found.isdisjoint(kinds - COMPOSED):
            after |= complete if found.isdisjoint(_SURPRISED) else complete | _State.SURPRISED
        if PhraseKind.EVALUATION not in kinds:
            return after
        opened = state & (_State.OPENED | _State.OPENED_NOUN)
        if PhraseKind.FILLER in found:
            after |= opened | (state & _State.STANCED)
        if state & _State.SAID and PhraseKind.CLOSING in found:
            after |= complete
        if state & _State.STANCED and not found.isdisjoint(_STATED):
            after |= complete
        if state & (_State.FREE | _State.STANCED) and PhraseKind.STANCE in found:
            after |= _State.STANCED
        if (opened or state & (_State.FREE | _State.STANCED)) and PhraseKind.OPENER in found:
            after |= _State.OPENED_NOUN if article else _State.OPENED
        if PhraseKind.DEGREE in found:
            after |= _State.OPENED | (state & _State.OPENED_NOUN)
        if PhraseKind.EVALUATION in found:
            after |= _State.EVALUATED
            if opened or state & _State.SURPRISED:
                after |= complete
        if PhraseKind.THEME in found and state & (_State.EVALUATED | _State.OPENED_NOUN):
            after |= complete
        return after

    @cached_property
    def _repetitions(self) -> list[list[int]]:
        return [list(self._repeated(at)) for at in range(len(self._keys))]

    def _repeated(self, at: int) -> Iterator[int]:
        """Yields the places where the words from `at` on are said again, also after "um" or as "that, that's"."""
        keys = self._keys
        for count in range(1, MAX_REPEATED + 1):
            for again in (at + count, at + count + 1):
                said_again = keys[again : again + count] == keys[at : at + count] and again + count <= len(keys)
                if said_again and (again == at + count or PhraseKind.HESITATION in self.kinds_of(again - 1)):
                    yield again
        if at + 1 < len(keys) and keys[at + 1].startswith(keys[at]) and len(keys[at + 1]) <= len(keys[at]) + 2:
            yield at + 1

    def kinds_of(self, at: int) -> Kinds:
        """Returns the kinds of the single word `at`."""
        return self._lexicon.kinds(self._keys[at])


class _State:
    """What the text up to a word may be: a sum of these values."""

    FREE = 1
    """Complete: another phrase may begin."""
    SAID = 2
    """Complete, and not empty."""
    ASKED = 4
    """Ends with an echo question: what qualifies makes it an ordinary question, as in "is it good"."""
    SURPRISED = 8
    """Ends with a sound or a reaction, as in "oh"."""
    STANCED = 16
    """Ends with a stance, as in "I think"."""
    OPENED = 32
    """Begins an evaluation, as in "that's so"."""
    OPENED_NOUN = 64
    """The same with an article, as in "that's a"."""
    EVALUATED = 128
    """Ends with an evaluating word."""


_STATED = frozenset({PhraseKind.AGREEMENT, PhraseKind.REACTION, PhraseKind.ECHO_STATEMENT})
_SURPRISED = frozenset({PhraseKind.SOUND, PhraseKind.YES_SOUND, PhraseKind.LAUGHTER, PhraseKind.REACTION})
_QUALIFYING = frozenset({PhraseKind.DEGREE, PhraseKind.EVALUATION})

COMPOSED = frozenset(
    {
        *(PhraseKind.OPENER, PhraseKind.DEGREE, PhraseKind.EVALUATION, PhraseKind.THEME),
        *(PhraseKind.STANCE, PhraseKind.CLOSING),
    }
)
"""The phrases that are complete only together with others."""
