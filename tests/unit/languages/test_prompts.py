"""The sentences that the bot says on its own initiative, in the language of the session."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from voicebot.languages.loader import language_of
from voicebot.languages.prompts import apology, ask_again, duration_in_words, goodbye, no_answers_left, still_there

LANGUAGES = ["en", "es", "hi", "de", "fr"]
PROMPTS = [apology, ask_again, still_there, goodbye]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_each_language_has_prompts_of_its_own(prompt: Callable[[str], str]) -> None:
    texts = [prompt(language) for language in LANGUAGES]
    assert all(texts)
    assert len(set(texts)) == len(LANGUAGES)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_language_without_a_file_gets_the_english_prompts(prompt: Callable[[str], str]) -> None:
    assert prompt("it") == prompt("en")


@pytest.mark.parametrize(
    ("duration_s", "words"),
    [(0, "less than an hour"), (3_600, "less than an hour"), (3_601, "about 2 hours"), (7_200, "about 2 hours")],
)
def test_a_duration_is_rounded_up_to_whole_hours(duration_s: float, words: str) -> None:
    assert duration_in_words("en", duration_s) == words


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_refusal_says_in_each_language_when_the_bot_is_back(language: str) -> None:
    prompts = language_of(language).prompts
    begin = prompts.no_answers_left.split("{")[0]
    later, soon = no_answers_left(language, 4.2 * 3_600), no_answers_left(language, 600)
    assert later.startswith(begin)
    assert prompts.hours.format(hours=5) in later
    assert prompts.under_an_hour in soon
    assert "{" not in later + soon


def test_the_refusal_is_english_in_a_language_without_a_file() -> None:
    assert no_answers_left("it", 3_601) == no_answers_left("en", 7_200)
    assert "about 2 hours" in no_answers_left("it", 3_601)
