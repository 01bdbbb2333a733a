"""A user's text, typed or misheard, as plain words to match."""

from __future__ import annotations

import re
import unicodedata
from difflib import get_close_matches
from functools import lru_cache

MOST_WORDS = 100
"""Of a longer text only the last words are read: they are the latest, and the work stays short."""


def split_words(text: str) -> tuple[str, ...]:
    """The words of a table written as one text."""
    return tuple(text.split())


_CONTRACTIONS = (
    (re.compile(r"\b(?:wo)n'?t\b"), "will not"),
    (re.compile(r"\b(?:can'?t|cannot)\b"), "can not"),
    (re.compile(r"\b(do|does|did|is|are|was|have|would|could|should)n'?t\b"), r"\1 not"),
    (re.compile(r"\b(what|who|where|how|when|it|that|there)'s\b|\b(what|who|where|how)s\b"), r"\1\2 is"),
    (re.compile(r"\b(what|how|where|who)'d\b"), r"\1 did"),
    (re.compile(r"\b(you|we|they|what|who)'re\b|\b(you)re\b"), r"\1\2 are"),
    (re.compile(r"\bi'?m\b"), "i am"),
    (re.compile(r"\b(\w+)'ll\b"), r"\1 will"),
    (re.compile(r"\b(\w+)'ve\b"), r"\1 have"),
    (re.compile(r"\b(i|you|we|they)'d\b"), r"\1 would"),
    (re.compile(r"(?<=\d),(?=\d{3}\b)|'"), ""),
)
_TOKEN = re.compile(r"\d+(?:\.\d+)?|\.\d+|[^\W\d_]+|\*\*|[-+*/^%()×÷√]")

KEYWORDS = frozenset(
    split_words(
        "another calculate calculator capabilities capital christmas continue divide divided forecast goodbye halloween"
        " headlines interrupt minus multiply multiplied percent question remind reminder repeat repeated square squared"
        " stories story subtract temperature thank thanks time timer times tomorrow translate weather yesterday"
    )
)
"""Words to which a misspelling is mended. Sound-alikes that are words themselves stand in the patterns instead."""
LIKENESS = 0.86
"""difflib's ratio: mends "tommorow" and "storry"; leaves "history", "minutes" and "thinks" alone."""


def words_of(text: str) -> list[str]:
    """The words, numbers and arithmetic signs of `text`, in lower case and with contractions written out."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    for pattern, written_out in _CONTRACTIONS:
        plain = pattern.sub(written_out, plain)
    tokens: list[str] = _TOKEN.findall(plain)
    return [_mended(token) for token in tokens[-MOST_WORDS:]]


def bare_words(text: str) -> list[str]:
    """The words of a text of our own, without punctuation and case: to find again what was heard of it."""
    return re.findall(r"[^\W_]+", text.lower().replace("'", ""))


def capitalized(text: str) -> str:
    """`text` with a capital at its start; the rest is left as it is."""
    return text[:1].upper() + text[1:]


@lru_cache(maxsize=1024)
def _mended(word: str) -> str:
    if len(word) < 5 or not word.isalpha() or word in KEYWORDS:
        return word
    alike = get_close_matches(word, sorted(KEYWORDS), n=1, cutoff=LIKENESS)
    return alike[0] if alike else word
