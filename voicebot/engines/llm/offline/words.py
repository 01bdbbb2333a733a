"""A user's text, typed or transcribed, as plain words to match."""

from __future__ import annotations

import re
import unicodedata
from difflib import get_close_matches
from functools import lru_cache

from text_to_num import alpha2digit

from voicebot.runtime.limits import OFFLINE_CHARS, OFFLINE_WORDS


def split_words(text: str) -> tuple[str, ...]:
    """The words of a table written as one text."""
    return tuple(text.split())


_CONTRACTIONS = (
    (re.compile(r"\b(?:wo)n'?t\b"), "will not"),
    (re.compile(r"\b(?:can'?t|cannot)\b"), "can not"),
    (re.compile(r"\b(do|does|did|is|are|was|have|would|could|should)n'?t\b"), r"\1 not"),
    (re.compile(r"\b(what|who|where|how|when|it|that|there)'s\b|\b(what|who|where|how|when)s\b"), r"\1\2 is"),
    (re.compile(r"\b(what|how|where|who)'d\b"), r"\1 did"),
    (re.compile(r"\b(you|we|they|what|who)'re\b|\b(you)re\b"), r"\1\2 are"),
    (re.compile(r"\bi'?m\b"), "i am"),
    (re.compile(r"\b(\w+)'ll\b"), r"\1 will"),
    (re.compile(r"\b(\w+)'ve\b"), r"\1 have"),
    (re.compile(r"\b(i|you|we|they)'d\b"), r"\1 would"),
    (re.compile(r"(?<=\d),(?=\d{3}\b)|'"), ""),
    (re.compile(r"(?<=[a-z])-(?=[a-z])"), " "),
)
_ABBREVIATIONS = (
    (re.compile(r"\b([ap])\.\s?m\b\.?"), r"\1m"),
    (re.compile(r"(?<=\d)(?=[ap]m\b)"), " "),
    (re.compile(r"\ban? (?=\d+\b)"), ""),
    (re.compile(r"\b(\d+) and a half\b"), r"\1.5"),
    (re.compile(r"\b(?:(\d+)|an?) dozen\b"), lambda match: str(12 * int(match[1] or 1))),
)
_TOKEN = re.compile(
    r"\d+:\d\d|\d+(?:st|nd|rd|th)s?\b|\d+(?:\.\d+)?|\.\d+|[^\W\d_]+|\*\*|[-+*/^%()×÷√]"
    # The end of a sentence, which is not after an initial, as in "U.S.", nor after one of these abbreviations.
    r"|(?<=\w\w)(?<!\b(?:st|dr|mr))[.?!](?=\s)|(?<=\d)[.?!](?=\s)"
)
END = "."
"""Stands between two sentences."""
_SPOKEN = {"1": "one", "2nd": "second"}
"""Numbers that often mean none, as in "another one" and "wait a second", as they are said."""

KEYWORDS = frozenset(
    split_words(
        "another calculate calculator capabilities capital christmas continue divide divided forecast goodbye halloween"
        " headlines interrupt minus multiply multiplied percent question remainder remind reminder repeat repeated"
        " square squared stories story subtract temperature thank thanks time timer times tomorrow translate weather"
        " yesterday"
    )
)
"""Words to which a misspelling with the same first letter is mended, as people who type misspell them."""
LIKENESS = 0.86
"""difflib's ratio: mends "tommorow" and "storry"; leaves "history", "minutes" and "thinks" alone."""


def words_of(text: str) -> list[str]:
    """The words, numbers and arithmetic signs of `text`, in lower case, with contractions written out.

    Numbers are in digits: "twenty-five" is "25", "the third" is "the 3rd". Between sentences stands a full stop.
    A long text is read from its end only, as what was said last counts most.
    """
    plain = unicodedata.normalize("NFKC", text[-OFFLINE_CHARS:])[-OFFLINE_CHARS:].lower().replace("’", "'")
    plain = " ".join(plain.split()[-OFFLINE_WORDS:])
    for pattern, written_out in _CONTRACTIONS:
        plain = pattern.sub(written_out, plain)
    plain = alpha2digit(plain, "en", threshold=0)
    for pattern, replacement in _ABBREVIATIONS:
        plain = pattern.sub(replacement, plain)
    return [END if token in "?!" else _mended(token) for token in _TOKEN.findall(plain)[-OFFLINE_WORDS:]]


def spoken_again(text: str) -> str:
    """Words from `words_of`, with "1" and "2nd" as words again, as they stand in phrases that mean no number."""
    return " ".join(_SPOKEN.get(word, word) for word in text.split(" "))


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
    alike = get_close_matches(word, sorted(known for known in KEYWORDS if known[0] == word[0]), n=1, cutoff=LIKENESS)
    return alike[0] if alike else word
