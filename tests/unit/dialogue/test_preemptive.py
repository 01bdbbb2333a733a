"""Which changes of the words leave a reply right that was begun on the earlier words."""

from __future__ import annotations

import pytest

from voicebot.dialogue.preemptive import asks_the_same


@pytest.mark.parametrize(
    ("earlier", "now", "language"),
    [
        ("what's the time", "What’s the time?", "en"),
        ("call me at five", "Um, call me at, er, five.", "en"),
        ("a well known song", "a well-known song", "en"),
        ("wie spät ist es", "Ähm, wie spät ist es?", "de"),
        ("quelle heure est il", "Euh, quelle heure est-il ?", "fr"),
        ("qué hora es", "¿Que hora es?", "es"),
        ("समय क्या है", "अं समय क्या है।", "hi"),
    ],
)
def test_case_punctuation_accents_and_hesitations_change_nothing(earlier: str, now: str, language: str) -> None:
    assert asks_the_same(earlier, now, language)
    assert asks_the_same(now, earlier, language)


@pytest.mark.parametrize(
    ("earlier", "now", "language"),
    [
        ("call me at five", "call me at nine", "en"),
        ("call me at five", "call me at 5", "en"),
        ("call five", "call five five", "en"),
        ("it costs 3.5", "it costs 35", "en"),
        ("what is it", "what's it", "en"),
        ("yes", "no", "en"),
        ("is it open", "is it open uh-huh", "en"),
        ("is it open", "", "en"),
        ("what is 5 + 3", "what is 5 - 3", "en"),
        ("that makes 20 €", "that makes 20 $", "en"),
        ("is it 5", "is it -5", "en"),
        ("call (555) 12", "call (556) 12", "en"),
        ("wo ist er", "wo ist", "de"),
        ("समय क्या है", "समय क्यों है", "hi"),
    ],
)
def test_other_words_numbers_and_repetitions_change_the_question(earlier: str, now: str, language: str) -> None:
    assert not asks_the_same(earlier, now, language)
    assert not asks_the_same(now, earlier, language)
