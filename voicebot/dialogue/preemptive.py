"""Tells whether a reply that was begun on earlier words still answers the words as they are now."""

from __future__ import annotations

from functools import cache

from voicebot.languages.loader import language_of
from voicebot.languages.spoken import spoken_words


def asks_the_same(earlier: str, now: str, language: str) -> bool:
    """Returns True when the texts differ only in case, punctuation, accents, apostrophes and hesitations ("um")."""
    return earlier == now or _content_words(earlier, language) == _content_words(now, language)


def _content_words(text: str, language: str) -> tuple[str, ...]:
    hesitations = _hesitations(language)
    return tuple(word for word in spoken_words(text) if word not in hesitations)


@cache
def _hesitations(language: str) -> frozenset[str]:
    return frozenset(word for each in language_of(language).end_of_turn.hesitations for word in spoken_words(each))
