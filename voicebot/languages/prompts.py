"""The sentences that the bot says of its own accord, without asking the agent."""

from __future__ import annotations

import math

from voicebot.languages.loader import language_of

HOUR_S = 3_600


def ask_again(language: str) -> str:
    """Returns what is said when the user spoke but no words were recognised."""
    return language_of(language).prompts.ask_again


def apology(language: str) -> str:
    """Returns what is said in place of an answer, or of its rest, when the agent fails."""
    return language_of(language).prompts.apology


def still_there(language: str) -> str:
    """Returns the question that is asked when nobody has said anything for a while."""
    return language_of(language).prompts.still_there


def goodbye(language: str) -> str:
    """Returns what is said when nobody answered that question."""
    return language_of(language).prompts.goodbye


def no_answers_left(language: str, back_in_s: float) -> str:
    """Returns what is said in place of an answer when the day's turns are used up."""
    return language_of(language).prompts.no_answers_left.format(time=duration_in_words(language, back_in_s))


def duration_in_words(language: str, duration_s: float) -> str:
    """Returns a duration in words, rounded up to whole hours: somebody may wait for its end."""
    prompts = language_of(language).prompts
    if duration_s <= HOUR_S:
        return prompts.under_an_hour
    return prompts.hours.format(hours=math.ceil(duration_s / HOUR_S))
