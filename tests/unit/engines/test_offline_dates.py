"""The offline model's calendar and clock: what it understands, that it counts right, and what it leaves alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.talk import Talk
from voicebot.engines.llm.offline.clock_questions import clock_questions_in
from voicebot.engines.llm.offline.dates import day_meant, marked, span_meant, time_meant
from voicebot.engines.llm.offline.spoken import cardinal, ordinal, spoken_time, spoken_year
from voicebot.engines.llm.offline.talk import SAID
from voicebot.engines.llm.offline.topics import Topic
from voicebot.engines.llm.offline.words import words_of

TODAY = date(2026, 3, 11)
"""A Wednesday."""
NOW = datetime(2026, 3, 11, 14, 30, tzinfo=UTC)


def marked_as(kind: str, said: str) -> str:
    """The words behind the only mark that `said` consists of."""
    marks = marked(" ".join(words_of(said)))
    assert marks.text[0] == kind
    assert len(marks.text) == 2
    return marks.in_words(marks.text)


@given(st.dates(date(1850, 1, 1), date(2099, 12, 31)), st.booleans(), st.booleans())
def test_dates_in_words_and_in_digits_are_understood(day: date, in_digits: bool, month_first: bool) -> None:
    number, year = (str(day.day), str(day.year)) if in_digits else (ordinal(day.day), spoken_year(day))
    said = f"{day:%B} {number}, {year}" if month_first else f"the {number} of {day:%B} {year}"
    assert day_meant(marked_as("D", said), TODAY) == day


@given(st.integers(2, 2_000), st.sampled_from(["days", "weeks"]), st.booleans())
def test_days_and_weeks_ago_or_ahead_are_counted_from_today(number: int, unit: str, is_past: bool) -> None:
    words = marked_as("D", f"{cardinal(number)} {unit} ago" if is_past else f"in {cardinal(number)} {unit}")
    assert day_meant(words, TODAY) == TODAY + timedelta(**{unit: -number if is_past else number})


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("today", (2026, 3, 11)),
        ("the day before yesterday", (2026, 3, 9)),
        ("next friday", (2026, 3, 13)),
        ("this wednesday", (2026, 3, 11)),
        ("wednesday", (2026, 3, 18)),
        ("last wednesday", (2026, 3, 4)),
        ("the weekend", (2026, 3, 14)),
        ("the 5th", (2026, 4, 5)),
        ("the end of the month", (2026, 3, 31)),
        ("March 11th", (2026, 3, 11)),
        ("the tenth of march", (2027, 3, 10)),
        ("a month from now", (2026, 4, 11)),
        ("two weeks from tomorrow", (2026, 3, 26)),
        ("three days before christmas", (2026, 12, 22)),
        ("a week after next friday", (2026, 3, 20)),
    ],
)
def test_relative_days_and_dates_without_a_year_are_found_from_today(said: str, day: tuple[int, int, int]) -> None:
    assert day_meant(marked_as("D", said), TODAY) == date(*day)


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("easter", (2026, 4, 5)),
        ("good friday next year", (2027, 3, 26)),
        ("thanksgiving", (2026, 11, 26)),
        ("new year's day", (2027, 1, 1)),
        ("last christmas", (2025, 12, 25)),
        ("halloween 2030", (2030, 10, 31)),
    ],
)
def test_holidays_are_found_in_the_right_year(said: str, day: tuple[int, int, int]) -> None:
    assert day_meant(marked_as("F", said), TODAY) == date(*day)


@pytest.mark.parametrize("said", ["february thirtieth", "the thirty-first of june", "february 29th 2027"])
async def test_a_day_that_does_not_exist_is_not_found(said: str) -> None:
    assert day_meant(marked_as("D", said), TODAY) is None
    assert await Talk(NOW).say(f"what day is {said}") == "I can't find that day in the calendar."


@given(st.times())
def test_every_time_that_the_offline_engine_speaks_is_understood(moment: time) -> None:
    moment = moment.replace(second=0, microsecond=0)
    understood = time_meant(marked_as("T", spoken_time(moment)))
    assert understood is not None
    assert (understood.time, understood.is_open) == (moment, False)


@pytest.mark.parametrize(
    ("said", "moment", "is_open"),
    [
        ("quarter past three", time(3, 15), True),
        ("half past ten pm", time(22, 30), False),
        ("ten minutes to eight", time(7, 50), True),
        ("a quarter to one", time(0, 45), True),
        ("5 p.m.", time(17), False),
        ("14:30", time(14, 30), False),
        ("twelve am", time(0), False),
        ("nine o'clock in the evening", time(21), False),
        ("midday", time(12), False),
    ],
)
def test_a_spoken_time_of_day_is_understood_and_may_leave_am_or_pm_open(said: str, moment: time, is_open: bool) -> None:
    understood = time_meant(marked_as("T", said))
    assert understood is not None
    assert (understood.time, understood.is_open) == (moment, is_open)


@pytest.mark.parametrize(
    ("said", "minutes"),
    [
        ("ninety minutes", 90),
        ("half an hour", 30),
        ("a quarter of an hour", 15),
        ("an hour and a half", 90),
        ("two and a half hours", 150),
        ("two hours and ten minutes", 130),
    ],
)
def test_spans_of_time_are_understood(said: str, minutes: int) -> None:
    assert span_meant(marked_as("S", said)) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (
            "when it's 9 am in london, what time is it in singapore?",
            "When it's nine o'clock in the morning in London, it's five o'clock in the afternoon in Singapore.",
        ),
        (
            "If it's 11 pm in New York, what's the time in Tokyo?",
            "When it's eleven o'clock at night in New York, it's noon of the next day in Tokyo.",
        ),
        ("what time will it be in tokyo in two hours", "It will be one thirty in the morning in Tokyo, on Thursday."),
        ("what time was it 45 minutes ago", "It was one forty-five in the afternoon by this computer's clock."),
        ("quarter past three plus forty minutes", "That is three fifty-five."),
        ("how long until five pm", "It's two hours and thirty minutes until five o'clock in the afternoon."),
        ("when is easter", "It's twenty-five days until Easter, which is on Sunday, the fifth of April."),
        (
            "how many weeks until halloween",
            "It's thirty-three weeks and three days until Halloween, which is on a Saturday.",
        ),
        ("how long ago was christmas", "It's been seventy-six days since Christmas."),
        ("how many days between march first and april first", "That is thirty-one days."),
        ("is 2028 a leap year", "Yes, twenty twenty-eight is a leap year."),
        ("how many days are left this year", "Two hundred ninety-five days of this year are left after today."),
        ("was July 20th, 1969 a Sunday?", "That was Sunday, the twentieth of July, nineteen sixty-nine."),
        ("what's the time in Paris, France", "It's three thirty in the afternoon in Paris, on Wednesday."),
    ],
)  # fmt: skip
async def test_questions_about_other_times_days_and_places_are_answered(said: str, answer: str) -> None:
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
        "how many days until the world cup",
        "when is the next train to berlin",
        "i live in berlin",
        "who was born on july 4th",
        "time flies",
        "what is time",
    ],
)
def test_text_that_is_no_complete_clock_question_is_ignored(said: str) -> None:
    assert clock_questions_in(marked(" ".join(words_of(said)))) == []


async def test_a_place_after_a_weather_question_is_not_taken_as_a_question_for_the_time() -> None:
    talk = Talk(NOW)
    weather = await talk.say("what's the weather in london")
    assert weather.startswith(await talk.say("and in paris"))
    assert SAID[Topic.WEATHER].startswith(await talk.say("what about rome"))


async def test_a_place_after_a_question_for_the_time_gets_the_time_there() -> None:
    talk = Talk(NOW)
    await talk.say("what time is it in london")
    assert await talk.say("and in paris") == "It's three thirty in the afternoon in Paris, on Wednesday."
