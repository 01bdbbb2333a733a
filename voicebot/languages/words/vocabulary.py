"""How the words of a language are listed, and what kinds a phrase is of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import Enum, auto

from voicebot.languages.spoken import collapsed, drawn_out, spoken_words

MAX_KEY = 60
"""No phrase has more letters."""


class Kind(Enum):
    """What a phrase does in a conversation."""

    SOUND = auto()
    YES_SOUND = auto()
    LAUGHTER = auto()
    AGREEMENT = auto()
    REACTION = auto()
    OPENER = auto()
    DEGREE = auto()
    EVALUATION = auto()
    THEME = auto()
    GO_ON = auto()
    FILLER = auto()
    FRAGMENT = auto()
    POLITE = auto()
    AROUND = auto()
    NO = auto()
    STOP = auto()
    QUESTION = auto()
    REQUEST = auto()


@dataclass(frozen=True, slots=True)
class Words:
    """One language's phrases by kind, separated by commas. Spelled as usual: accents, case and hyphens do not matter.

    Sounds and laughter are much the same everywhere: those that `sound_kind` knows need not be listed.
    """

    sound: str = ""
    """Listening sounds only this language has."""
    laughter: str = ""
    agreement: str = ""
    """Means "go on" over a statement and is an answer to a question."""
    reaction: str = ""
    """Surprise, sympathy, praise: says that the user follows."""
    opener: str = ""
    """Begins an evaluation: "that's", "how"."""
    degree: str = ""
    """May stand before the evaluating word: "so", "very"."""
    evaluation: str = ""
    """Only words that do not complain: "funny", "sad", but not "wrong", "boring"."""
    theme: str = ""
    """May follow the evaluating word: "(a great) idea", "(that's good) to hear"."""
    go_on: str = ""
    """Asks the bot to go on; with these even "no" does not interrupt ("no, don't stop")."""
    filler: str = ""
    """Keeps or takes the turn without saying anything yet."""
    fragment: str = ""
    """Words that say nothing by themselves: articles, prepositions."""
    polite: str = ""
    """"please", and what the bot is called."""
    around: str = ""
    """What else may stand around a stop word or a wish to go on without being a message."""
    no: str = ""
    stop: str = ""
    question: str = ""
    """Asks for more than yes or no: "what", "how many"."""
    request: str = ""
    """Begins a wish or a question: "tell me", "can you"."""
    respelled: tuple[tuple[str, str], ...] = ()
    """Spellings of a language that is written by ear: each left side is taken as its right side."""


class Vocabulary:
    """A language's phrases, ready for look-up by key: letters run together, so that "uhhuh" is "uh huh"."""

    def __init__(self, *languages: Words) -> None:
        self._respelled = tuple(pair for words in languages for pair in words.respelled)
        self._kinds: dict[str, frozenset[Kind]] = {}
        self._collapsed: dict[str, frozenset[Kind]] = {}
        begun = set()
        self.longest = 1
        """How many words the longest phrase has."""
        for words in languages:
            for kind, phrase in _phrases(words):
                keys = [self.key(word) for word in phrase]
                self.longest = max(self.longest, len(keys))
                key = "".join(keys)
                for table, entry in ((self._kinds, key), (self._collapsed, collapsed(key))):
                    table[entry] = table.get(entry, frozenset()) | {kind}
                if kind not in _NOT_WAITED_FOR:
                    begun |= {"".join(keys[:count]) for count in range(1, len(keys))}
        self._begun = frozenset(begun)

    def key(self, word: str) -> str:
        for spelling, usual in self._respelled:
            word = word.replace(spelling, usual)
        return word

    def kinds(self, key: str) -> frozenset[Kind]:
        """All that the phrase of this key may be; empty for a phrase that is not known."""
        if len(key) > MAX_KEY:
            return frozenset()
        known = self._kinds.get(key, frozenset())
        if not known and drawn_out(key):
            known = self._collapsed.get(collapsed(key), frozenset())
        sound = sound_kind(key)
        return known if sound is None else known | {sound}

    def begins(self, key: str) -> bool:
        """May this become a backchannel with the next word?"""
        return key in self._begun


_NOT_WAITED_FOR = {Kind.STOP, Kind.QUESTION, Kind.REQUEST, Kind.AROUND, Kind.NO, Kind.POLITE}

_YES_SOUND = re.compile(r"[uh]?mhu?[mh]|[ua]h?huh?|h?umhu?m|hmhm")
_SOUND = re.compile(r"h?mh?|huh|hum|uhum|[ao]h|a?ha|aham|o[hi]?ho|eh|aw|ugh|phew|pf|tsk|whoa|woah")
_HESITATION = re.compile(r"u[hm]|uhm|e[mr]|ehm|erm|ahm|ohm|euh?")
_LAUGHTER = re.compile(r"[ae]?h?(?:h[aei]){2,}h?|lol|hah?|heh")


def sound_kind(key: str) -> Kind | None:
    """Is this a sound of listening, laughter or hesitation? However long drawn out, in one word or two."""
    key = collapsed(key)
    if _YES_SOUND.fullmatch(key):
        return Kind.YES_SOUND
    if _LAUGHTER.fullmatch(key):
        return Kind.LAUGHTER
    if _HESITATION.fullmatch(key):
        return Kind.FILLER
    return Kind.SOUND if _SOUND.fullmatch(key) else None


def _phrases(words: Words) -> Iterator[tuple[Kind, tuple[str, ...]]]:
    for field in fields(words):
        listed = getattr(words, field.name)
        if isinstance(listed, str):
            yield from (
                (Kind[field.name.upper()], spoken_words(phrase)) for phrase in listed.split(",") if phrase.strip()
            )
