"""The phrases that people say while somebody else speaks, ready for look-up by what they do in the conversation."""

from __future__ import annotations

import re
from enum import StrEnum

from voicebot.languages.schema import LexiconTable
from voicebot.languages.spoken import collapsed, drawn_out, spoken_words

MAX_KEY_LETTERS = 60
"""No phrase has more letters."""


class PhraseKind(StrEnum):
    """What a phrase does in a conversation. Each value but those of `_UNLISTED` is a key of the table [lexicon]."""

    SOUND = "sound"
    YES_SOUND = "yes_sound"
    LAUGHTER = "laughter"
    AGREEMENT = "agreement"
    REACTION = "reaction"
    ECHO_QUESTION = "echo_question"
    ECHO_STATEMENT = "echo_statement"
    OPENER = "opener"
    DEGREE = "degree"
    EVALUATION = "evaluation"
    THEME = "theme"
    STANCE = "stance"
    CLOSING = "closing"
    GO_ON = "go_on"
    FILLER = "filler"
    HESITATION = "hesitation"
    STALL = "stall"
    FRAGMENT = "fragment"
    POLITE = "polite"
    AROUND = "around"
    NO = "no"
    CORRECTION = "correction"
    DENIAL = "denial"
    STOP = "stop"
    QUESTION = "question"
    REQUEST = "request"


_UNLISTED = {
    PhraseKind.YES_SOUND,
    PhraseKind.HESITATION,
    PhraseKind.ECHO_QUESTION,
    PhraseKind.ECHO_STATEMENT,
}


class WordRole(StrEnum):
    """What a word does in a short sentence such as "it does". Each value is a key of the table [lexicon]."""

    PRONOUN = "pronoun"
    SPEAKER = "speaker"
    ADDRESSEE = "addressee"
    AUXILIARY = "auxiliary"
    MODAL = "modal"
    NEGATION = "negation"
    QUESTION_PARTICLE = "question_particle"
    ARTICLE = "article"
    CONJUNCTION = "conjunction"


class Lexicon:
    """The phrases of one or several tables. The key of a phrase is its letters run together: "uhhuh" is "uh huh"."""

    def __init__(self, *tables: LexiconTable) -> None:
        """Raises ValueError for a phrase that no speech can match."""
        self._tables = tables
        self._respelled = tuple(pair for table in tables for pair in table.respelled.items())
        self._kinds: dict[str, frozenset[PhraseKind]] = {}
        self._collapsed: dict[str, frozenset[PhraseKind]] = {}
        self._beginnings: set[str] = set()
        self._roles: dict[str, frozenset[WordRole]] = {}
        self.free_order = any(table.free_order for table in tables)
        self.longest_phrase = 1
        """How many words the longest phrase has."""
        for kind in PhraseKind:
            for phrase in self.phrases(kind):
                self._add(kind, phrase)
        for role in WordRole:
            for word in (word for table in tables for word in getattr(table, role)):
                key = "".join(self.key(each) for each in spoken_words(word))
                self._roles[key] = self.roles(key) | {role}

    def phrases(self, kind: PhraseKind) -> list[str]:
        """Returns the phrases of a kind as the files have them; those that match `sound_kind` need not be listed."""
        if kind in _UNLISTED:
            return []
        return [phrase for table in self._tables for phrase in getattr(table, kind)]

    def key(self, word: str) -> str:
        """Returns what a word of `spoken_words` adds to the key of a phrase."""
        for spelling, usual in self._respelled:
            word = word.replace(spelling, usual)
        return word

    def kinds(self, key: str) -> frozenset[PhraseKind]:
        """Returns all kinds of the phrase with this key; none for a phrase that is not known."""
        if len(key) > MAX_KEY_LETTERS:
            return frozenset()
        known = self._kinds.get(key, frozenset())
        if not known and drawn_out(key):
            known = self._collapsed.get(collapsed(key), frozenset())
        sound = sound_kind(key)
        if sound is PhraseKind.HESITATION:
            return known | {sound, PhraseKind.FILLER}
        return known if sound is None else known | {sound}

    def roles(self, key: str) -> frozenset[WordRole]:
        """Returns what the word with this key may be in a short sentence."""
        return self._roles.get(key, frozenset())

    def may_begin(self, key: str) -> bool:
        """Tells whether more words can make this the phrase of a listener."""
        return key in self._beginnings

    def words(self, role: WordRole) -> frozenset[str]:
        """Returns the keys of the words that may have this role."""
        return frozenset(key for key, roles in self._roles.items() if role in roles)

    def _add(self, kind: PhraseKind, phrase: str) -> None:
        keys = [self.key(word) for word in spoken_words(phrase)]
        key = "".join(keys)
        if not 0 < len(key) <= MAX_KEY_LETTERS:
            raise ValueError(f"lexicon.{kind}: {phrase!r} must have 1 to {MAX_KEY_LETTERS} letters, and has {len(key)}")
        self.longest_phrase = max(self.longest_phrase, len(keys))
        for table, entry in ((self._kinds, key), (self._collapsed, collapsed(key))):
            table[entry] = table.get(entry, frozenset()) | {kind}
        if kind not in _NOT_WAITED_FOR:
            self._beginnings.update("".join(keys[:count]) for count in range(1, len(keys)))


_NOT_WAITED_FOR = {
    PhraseKind.STOP,
    PhraseKind.STALL,
    PhraseKind.CLOSING,
    PhraseKind.QUESTION,
    PhraseKind.REQUEST,
    PhraseKind.AROUND,
    PhraseKind.NO,
    PhraseKind.CORRECTION,
    PhraseKind.POLITE,
}

_YES_SOUND = re.compile(r"[uh]?mhu?[mh]|[ua]h?huh?|h?umhu?m|hmhm")
_SOUND = re.compile(r"h?mh?|huh|hum|uhum|[ao]h|a?ha|aham|o[hi]?ho|eh|aw|ugh|phew|pf|tsk|whoa|woah")
_HESITATION = re.compile(r"u[hm]|uhm|e[mr]|ehm|erm|ahm|ohm|euh?")
_LAUGHTER = re.compile(r"[ae]?h?(?:h[aei]){2,}h?|lol|hah?|heh")


def sound_kind(key: str) -> PhraseKind | None:
    """Returns the kind of a sound of listening, laughter or hesitation; None for anything else.

    These are much the same in all languages. They may be drawn out, and written as one word or two.
    """
    key = collapsed(key)
    if _YES_SOUND.fullmatch(key):
        return PhraseKind.YES_SOUND
    if _LAUGHTER.fullmatch(key):
        return PhraseKind.LAUGHTER
    if _HESITATION.fullmatch(key):
        return PhraseKind.HESITATION
    return PhraseKind.SOUND if _SOUND.fullmatch(key) else None
