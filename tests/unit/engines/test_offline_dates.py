"""The offline model understands and counts days, and ignores text that is no question about the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.talk import Talk
from voicebot.engines.llm.offline.clock import NO_SUCH_DAY, clock_questions_in
from voicebot.engines.llm.offline.dates import day_named
from voicebot.engines.llm.offline.spoken import cardinal, ordinal, spoken_year
from voicebot.engines.llm.offline.words import clauses_of, words_of

TODAY = date(2026, 3, 11)
"""A Wednesday."""
NOW = datetime(2026, 3, 11, 14, 30, tzinfo=UTC)


def day_of(said: str) -> date | None:
    """Returns the day that `said` names on `TODAY`."""
    named = day_named(" ".join(words_of(said)), TODAY)
    return None if named is None else named.date


@given(st.dates(date(1850, 1, 1), date(2099, 12, 31)), st.booleans(), st.booleans())
def test_dates_in_words_and_in_digits_are_understood(day: date, in_digits: bool, month_first: bool) -> None:
    number, year = (str(day.day), str(day.year)) if in_digits else (ordinal(day.day), spoken_year(day))
    said = f"{day:%B} {number}, {year}" if month_first else f"the {number} of {day:%B} {year}"
    assert day_of(said) == day


@given(st.integers(2, 2_000), st.sampled_from(["days", "weeks"]), st.booleans())
def test_days_and_weeks_ago_or_ahead_are_counted_from_today(number: int, unit: str, is_past: bool) -> None:
    said = f"{cardinal(number)} {unit} ago" if is_past else f"in {cardinal(number)} {unit}"
    assert day_of(said) == TODAY + timedelta(**{unit: -number if is_past else number})


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("today", (2026, 3, 11)),
        ("the day before yesterday", (2026, 3, 9)),
        ("next friday", (2026, 3, 13)),
        ("this wednesday", (2026, 3, 11)),
        ("wednesday", (2026, 3, 18)),
        ("last wednesday", (2026, 3, 4)),
        ("this coming saturday", (2026, 3, 14)),
        ("March 11th", (2026, 3, 11)),
        ("the tenth of march", (2027, 3, 10)),
        ("a month from now", (2026, 4, 11)),
        ("two weeks from tomorrow", (2026, 3, 26)),
        ("easter", (2026, 4, 5)),
        ("easter next year", (2027, 3, 28)),
        ("thanksgiving", (2026, 11, 26)),
        ("new year's day", (2027, 1, 1)),
        ("last christmas", (2025, 12, 25)),
        ("halloween 2030", (2030, 10, 31)),
    ],
)
def test_relative_days_holidays_and_dates_without_a_year_are_found_from_today(
    said: str, day: tuple[int, int, int]
) -> None:
    assert day_of(said) == date(*day)


@pytest.mark.parametrize("said", ["february thirtieth", "the thirty-first of june", "february 29th 2027"])
async def test_a_day_that_does_not_exist_is_not_found(said: str) -> None:
    assert day_of(said) is None
    assert await Talk(NOW).say(f"what day is {said}") == NO_SUCH_DAY


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("what date was it last sunday", "That was Sunday, the eighth of March."),
        ("is today friday", "Today is Wednesday, the eleventh of March."),
        ("when is easter", "Easter is on Sunday, the fifth of April."),
        ("when was christmas", "Christmas was on Thursday, the twenty-fifth of December, twenty twenty-five."),
        (
            "how many weeks until halloween",
            "It's thirty-three weeks and three days until Halloween, "
            "which is on Saturday, the thirty-first of October.",
        ),
        ("how many days until march first 2026", "That was ten days ago, on Sunday, the first of March."),
        ("was July 20th, 1969 a Sunday?", "That was Sunday, the twentieth of July, nineteen sixty-nine."),
        ("what's the time in Paris, France", "It's three thirty in the afternoon in Paris, on Wednesday."),
        ("i'm in tokyo now what time is it there", "It's eleven thirty at night in Tokyo, on Wednesday."),
    ],
)
async def test_questions_about_other_days_and_places_are_answered(said: str, answer: str) -> None:
    assert await Talk(NOW).say(said) == answer


@pytest.mark.parametrize(
    "said",
    [
        "what day was the battle of hastings",
        "what time does the bank close",
        "what is the time complexity of quicksort",
        "what's the best time to visit japan",
        "what time do you have to get up in tokyo",
        "what year did the berlin wall come down",
        "what day do they collect the rubbish",
        "what time was it when he left",
        "what time is it in two hours",
        "when it's noon in london what time is it in tokyo",
        "how many days until the world cup",
        "when is the next train to berlin",
        "tell me about tokyo",
        "i live in berlin",
        "who was born on july 4th",
        "what did i do yesterday",
        "time flies",
        "what is time",
        "how many hours ahead is tokyo",
    ],
)
def test_text_that_is_no_complete_clock_question_is_ignored(said: str) -> None:
    (clauses,) = clauses_of(said)
    for at, clause in enumerate(clauses):
        assert clock_questions_in(clause, " ".join(clauses[:at])) == []


async def test_a_place_after_a_question_for_the_time_gets_the_time_there() -> None:
    talk = Talk(NOW)
    await talk.say("what time is it in london")
    assert await talk.say("and in paris") == "It's three thirty in the afternoon in Paris, on Wednesday."
