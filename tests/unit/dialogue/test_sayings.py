"""The bot's fixed sentences, such as its request to repeat, in the language of the session."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from voicebot.languages.prompts import (
    HOURS,
    NO_ANSWERS_LEFT,
    UNDER_AN_HOUR,
    about,
    apology,
    ask_again,
    goodbye,
    no_answers_left,
    still_there,
)

LANGUAGES = ["en", "es", "hi", "de", "fr"]
SAYINGS = [apology, ask_again, still_there, goodbye]


@pytest.mark.parametrize("saying", SAYINGS)
def test_each_language_has_its_own_fixed_sentences(saying: Callable[[str], str]) -> None:
    texts = [saying(language) for language in LANGUAGES]
    assert all(texts)
    assert len(set(texts)) == len(LANGUAGES)


@pytest.mark.parametrize("saying", SAYINGS)
def test_an_unknown_language_falls_back_to_english(saying: Callable[[str], str]) -> None:
    assert saying("it") == saying("en")


@pytest.mark.parametrize(
    ("duration_s", "said"),
    [(0, "less than an hour"), (3_600, "less than an hour"), (3_601, "about 2 hours"), (7_200, "about 2 hours")],
)
def test_a_duration_is_rounded_up_to_whole_hours(duration_s: float, said: str) -> None:
    assert about("en", duration_s) == said


@pytest.mark.parametrize("language", ["en", "es", "hi", "de", "fr"])
def test_the_refusal_says_in_each_language_when_the_bot_is_back(language: str) -> None:
    begin = NO_ANSWERS_LEFT[language].split("{")[0]
    later, soon = no_answers_left(language, 4.2 * 3_600), no_answers_left(language, 600)
    assert later.startswith(begin)
    assert HOURS[language].format(hours=5) in later
    assert UNDER_AN_HOUR[language] in soon
    assert "{" not in later + soon


def test_the_refusal_falls_back_to_english_in_an_unknown_language() -> None:
    assert no_answers_left("it", 3_601) == no_answers_left("en", 7_200)
    assert "about 2 hours" in no_answers_left("it", 3_601)
