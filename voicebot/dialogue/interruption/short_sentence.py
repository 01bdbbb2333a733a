"""The short sentences of a listener: "it does", "no, they don't", "do you?".

They have a pronoun and an auxiliary verb, and the rest of them is what the bot has just said. So it depends on the
bot's words whether they agree, contradict or ask back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from voicebot.dialogue.interruption.heard_context import HeardContext
from voicebot.languages.lexicon import Lexicon, PhraseKind, WordRole

MAX_WORDS = 7


@dataclass(frozen=True, slots=True)
class BotWords:
    """What a short sentence of the user's may refer to in the last words of the bot."""

    negated: bool = False
    """Whether the last clause has a negation: then "no" agrees."""
    speaks_of_itself: bool = False
    addresses_user: bool = False
    keys: frozenset[str] = frozenset()

    @classmethod
    def heard_in(cls, heard: HeardContext, lexicon: Lexicon) -> BotWords:
        keys = frozenset(map(lexicon.key, heard.words()))
        clause = heard.clause(lexicon.words(WordRole.CONJUNCTION))
        roles = frozenset(role for key in keys for role in lexicon.roles(key))
        return cls(
            negated=any(WordRole.NEGATION in lexicon.roles(lexicon.key(word)) for word in clause),
            speaks_of_itself=WordRole.SPEAKER in roles,
            addresses_user=WordRole.ADDRESSEE in roles,
            keys=keys,
        )


_CODES = (
    (frozenset({WordRole.AUXILIARY, WordRole.NEGATION}), "N"),
    (frozenset({WordRole.MODAL, WordRole.NEGATION}), "M"),
    (frozenset({WordRole.AUXILIARY}), "a"),
    (frozenset({WordRole.MODAL}), "m"),
    (frozenset({WordRole.NEGATION}), "n"),
    (frozenset({WordRole.PRONOUN}), "p"),
    (frozenset({WordRole.SPEAKER}), "s"),
    (frozenset({WordRole.ADDRESSEE}), "u"),
    (frozenset({WordRole.QUESTION_PARTICLE}), "q"),
)
"""The letter of a word by its roles; the first that applies. A word of degree has "e" if it may agree by itself
("certainly"), else "d" ("so"). Any other word that the bot has said has "b"."""

_STATEMENT = re.compile("(?:[psu]|e)[de]*[aNmM][nde]*")
_QUESTION = re.compile("[aNmM]n?[pu]n?[de]*")
_BEGINNING = re.compile("[psu][de]*")
_FREE_STATEMENT = re.compile("n?[psu]{0,4}[nde]*[aNmM]{1,2}[psu]?[nde]*|nb{1,2}")
"""Spanish "no lo es", German "das ist es", Hindi "है तो"."""
_FREE_QUESTION = re.compile("n?[aNmMb]{1,3}[pu]{1,2}n?|n?[psu]?[deb]*[aNmM]{1,3}q")
"""German "macht sie?", Hindi "खुलती है क्या?"."""

_STATED = frozenset({PhraseKind.AGREEMENT, PhraseKind.REACTION})
_SURPRISED = frozenset({PhraseKind.SOUND, PhraseKind.YES_SOUND, PhraseKind.REACTION})


class ShortSentences:
    """Finds short sentences in words that are given by their keys."""

    def __init__(self, keys: Sequence[str], lexicon: Lexicon, bot: BotWords) -> None:
        self._keys, self._lexicon, self._bot = keys, lexicon, bot
        self._codes = "".join(map(self._code, keys))
        self._statement = _FREE_STATEMENT if lexicon.free_order else _STATEMENT
        self._question = _FREE_QUESTION if lexicon.free_order else _QUESTION

    def starting(self, at: int) -> Iterator[tuple[int, PhraseKind]]:
        """Yields where the short sentences that begin at word `at` end, and what they do."""
        for end in range(at + 2, min(at + MAX_WORDS, len(self._codes)) + 1):
            codes = self._codes[at:end]
            if self._question.fullmatch(codes):
                if self._asks_back(at, codes):
                    yield end, PhraseKind.ECHO_QUESTION
            elif self._statement.fullmatch(codes) and (kind := self._statement_kind(codes)) is not None:
                yield end, kind

    def may_begin(self, at: int) -> bool:
        """Returns True when more words can make a short sentence of all words from `at` on."""
        return _BEGINNING.fullmatch(self._codes, at) is not None

    def _code(self, key: str) -> str:
        roles = self._lexicon.roles(key)
        if (code := next((code for needed, code in _CODES if needed <= roles), "")) != "":
            return code
        kinds = self._lexicon.kinds(key)
        if PhraseKind.DEGREE in kinds:
            return "d" if kinds.isdisjoint(_STATED) else "e"
        return "b" if key in self._bot.keys else "-"

    def _statement_kind(self, codes: str) -> PhraseKind | None:
        if "s" in codes and not self._bot.addresses_user:
            return None
        if "u" in codes and not (self._bot.speaks_of_itself or self._bot.addresses_user):
            return None
        negated = not set("NMn").isdisjoint(codes)
        return PhraseKind.ECHO_STATEMENT if negated is self._bot.negated else PhraseKind.NO

    def _asks_back(self, at: int, codes: str) -> bool:
        """Returns False for what is rather the beginning of a question or of a request, such as "can you"."""
        if "n" in codes and not self._bot.negated:
            return False
        if codes[0] in "mM" and self._keys[at] not in self._bot.keys:
            return False
        surprised = at > 0 and not self._lexicon.kinds(self._keys[at - 1]).isdisjoint(_SURPRISED)
        return "u" not in codes or self._bot.speaks_of_itself or surprised or codes[-1] in "de"
