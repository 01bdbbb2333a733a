"""Tells whether a reply that was begun on earlier words still answers the words as they are now."""

from __future__ import annotations

import re
from functools import cache
from unicodedata import category

from voicebot.languages.loader import language_of
from voicebot.languages.spoken import spoken_words

_HYPHEN = re.compile(r"(?<=[^\W\d])[-‐‑–—](?=[^\W\d])")
_PUNCTUATION = frozenset(".,;:!?…\"“”„«»¿¡'’‘`´()[]{}—–_।॥")


def asks_the_same(earlier: str, now: str, language: str) -> bool:
    """Returns True when the texts differ only in case, punctuation, accents, apostrophes and hesitations ("um")."""
    same_words = _content_words(earlier, language) == _content_words(now, language)
    return earlier == now or (same_words and _figures_and_signs(earlier) == _figures_and_signs(now))


def says_something(text: str, language: str) -> bool:
    """Returns True when the text has a word that is no hesitation and no mark of noise."""
    return bool(_content_words(text, language))


def _content_words(text: str, language: str) -> tuple[str, ...]:
    known = hesitations(language)
    return tuple(word for word in spoken_words(text) if word not in known)


def _figures_and_signs(text: str) -> tuple[str, ...]:
    """Returns the digits, and the signs such as + and $, also those in brackets. A hyphen between letters is none."""
    parts = _HYPHEN.sub(" ", text)
    return tuple(sign for sign in parts if not (sign.isspace() or sign in _PUNCTUATION or category(sign)[0] in "LM"))


@cache
def hesitations(language: str) -> frozenset[str]:
    """Returns the words of hesitation of a language, as `spoken_words` returns them."""
    return frozenset(word for each in language_of(language).end_of_turn.hesitations for word in spoken_words(each))
