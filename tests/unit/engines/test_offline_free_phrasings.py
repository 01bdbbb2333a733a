"""The share of questions, written without looking at its rules, that the offline model answers rightly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import assert_never

import pytest
from text_to_num import alpha2digit

from tests.support.free_phrasings import (
    BEYOND_FIFTH,
    BEYOND_FIRST,
    BEYOND_FOURTH,
    BEYOND_SECOND,
    BEYOND_THIRD,
    DROPPED,
    FIFTH,
    FIRST,
    FOURTH,
    NOW,
    SECOND,
    THIRD,
    Clock,
    Day,
    Kind,
    Number,
    Phrase,
    Words,
)
from tests.support.talk import Talk
from voicebot.engines.llm.offline import passages
from voicebot.engines.llm.offline.topics import UNKNOWN_EXAMPLES, topics

LEAST_RIGHT = 0.9

KINDS = {
    "identity": r"voice bot.*not a person",
    "abilities": r"time.*date.*sums.*jokes.*stor",
    "model": r"\bkey\b.*model|model.*\bkey\b",
    "greeting": r"^(good (morning|afternoon|evening)|hello)",
    "thanks": r"welcome",
    "goodbye": r"goodbye",
}
REFUSALS_SAID = {*(topic.reply for topic in topics().values() if topic.is_refusal), *UNKNOWN_EXAMPLES}


def digits(text: str) -> str:
    """Returns the text in lower case with numbers in digits: "the twenty-first" becomes "the 21st"."""
    return str(alpha2digit(text.lower().replace("’", "'"), "en", threshold=0))


def hour_and_minute(text: str) -> set[tuple[int, int]]:
    """Returns all times of day in an answer, such as "ten thirty in the morning" and "noon"."""
    found = {(12, 0)} if re.search(r"\bnoon\b", text) else {(0, 0)} if re.search(r"\bmidnight\b", text) else set()
    for match in re.finditer(
        r"\b(\d{1,2})(?:[: ](?:oh )?(\d{1,2})| o'clock)(?: (in the (?:morning|afternoon|evening)|at night))?",
        digits(text),
    ):
        hour, part = int(match[1]) % 12, match[3]
        is_late = part in ("in the afternoon", "in the evening")
        hour += 12 if is_late or (part == "at night" and hour >= 6) else 0
        found.add((hour, int(match[2] or 0)))
    return found


def is_right(answer: str, phrase: Phrase, before: Sequence[str]) -> bool:
    lower = answer.lower()
    match phrase.want:
        case Clock(hour, minute):
            return (hour, minute) in hour_and_minute(lower)
        case Number(value):
            said = re.sub(r"(?<=\b20) (?=\d\d\b)", "", digits(lower.replace("-", " ")))
            return value in {float(number) for number in re.findall(r"\d+(?:\.\d+)?", said)}
        case Day(options):
            return any(re.search(rf"\b{day.day}(st|nd|rd|th) of {day:%B}".lower(), digits(lower)) for day in options)
        case Words(options):
            return any(option in lower for option in options)
        case Kind("joke" | "story" as kind):
            return any(passage.text in answer for passage in passages.passages(kind))
        case Kind("repeat"):
            return before[-1] in answer
        case Kind(name):
            return re.search(KINDS[name], lower, re.DOTALL) is not None
        case _:
            assert_never(phrase.want)


async def wrong_answers(phrases: Iterable[Phrase]) -> list[str]:
    wrong = []
    for phrase in phrases:
        talk = Talk(NOW)
        before = [await talk.say(text) for text in phrase.before]
        answer = await talk.say(phrase.text)
        if not is_right(answer, phrase, before):
            wrong.append(f"{phrase.text} -> {answer}")
    return wrong


async def guesses(questions: Iterable[str]) -> list[str]:
    """Returns the answers that say anything else than that the question is beyond the model."""
    answers = {question: await Talk(NOW).say(question) for question in questions}
    refusals = re.compile("|".join(map(re.escape, REFUSALS_SAID)))
    return [f"{question} -> {answer}" for question, answer in answers.items() if refusals.sub("", answer).strip()]


@pytest.mark.parametrize(
    "phrases", [FIRST, SECOND, THIRD, FOURTH, FIFTH], ids=["first", "second", "third", "fourth", "fifth"]
)
async def test_the_offline_engine_answers_nine_of_ten_free_phrasings(phrases: Sequence[Phrase]) -> None:
    wrong = await wrong_answers(phrases)
    assert len(wrong) <= (1 - LEAST_RIGHT) * len(phrases), "\n".join(wrong)


@pytest.mark.parametrize(
    "questions",
    [BEYOND_FIRST, BEYOND_SECOND, BEYOND_THIRD, BEYOND_FOURTH, BEYOND_FIFTH, DROPPED],
    ids=["first", "second", "third", "fourth", "fifth", "dropped"],
)
async def test_the_offline_engine_refuses_every_question_beyond_its_abilities(questions: Sequence[str]) -> None:
    assert await guesses(questions) == []
