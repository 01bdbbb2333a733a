"""Sums as they are spoken: found among words, worked out as Python does, and said in words."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.tools import ToolException

from tests.support.talk import Talk
from voicebot.agent.tools.calculator import calculated
from voicebot.engines.llm.offline.spoken import cardinal, spoken_number
from voicebot.engines.llm.offline.sums import sums_in
from voicebot.engines.llm.offline.talk import UNKNOWN
from voicebot.engines.llm.offline.words import words_of

SIGNS = {"plus": "+", "minus": "-", "times": "*", "divided by": "/"}


def text_of(said: str) -> str:
    return " ".join(words_of(said))


@given(st.integers(0, 10**12 - 1))
def test_spoken_numbers_are_read_as_digits(number: int) -> None:
    assert words_of(cardinal(number)) == [str(number)]
    assert words_of(cardinal(number).replace("-", " ")) == [str(number)]


@given(
    st.lists(st.integers(0, 10**6), min_size=2, max_size=5),
    st.lists(st.sampled_from(sorted(SIGNS)), min_size=4, max_size=4),
    st.booleans(),
)
def test_spoken_sums_give_the_same_results_as_python(numbers: list[int], operators: list[str], in_digits: bool) -> None:
    said, expression = "what is", ""
    for number, operator in zip(numbers, ["", *operators], strict=False):
        said += f" {operator} {number if in_digits else cardinal(number)}"
        expression += f"{SIGNS.get(operator, '')}Fraction({number})"
    if any(operator == "divided by" and not number for number, operator in zip(numbers[1:], operators, strict=False)):
        return
    (found,), rest = sums_in(text_of(said))
    expected = eval(expression, {"Fraction": Fraction})
    assert abs(Fraction(calculated(found.expression)) - expected) <= abs(expected) / 10**12
    assert rest == "what is #"


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("add five, six and seven", 18),
        ("take nine away from thirty", 21),
        ("split ninety dollars between six people", 15),
        ("twenty percent off sixty", 48),
        ("increase fifty by ten percent", 55),
        ("what percent of eighty is twenty", 25),
        ("a third of ninety-nine", 33),
        ("three quarters of half of eighty", 30),
        ("one half plus one quarter", 0.75),
        ("the cube root of twenty-seven", 3),
        ("ten to the third power", 1000),
        ("two and a half times four", 10),
        ("minus five squared", -25),
        ("the remainder when you divide 17 by 5", 2),
        ("open bracket three plus four close bracket times two", 14),
        ("a hundred and twenty minus a dozen", 108),
    ],
)
def test_common_spoken_phrasings_of_sums_are_understood(said: str, value: float) -> None:
    (found,), _ = sums_in(text_of(said))
    assert float(calculated(found.expression)) == value


@pytest.mark.parametrize(
    "text",
    [
        "what time is it in tokyo",
        "i was there for over ten years",
        "how many times did you see two of them",
        "five times a day",
        "call me on 555-1234",
        "are you there 24/7",
        "he came on 11/19/2026",
        "one two three",
        "i want two for you",
        "ten percent",
        "minus five",
        "(5)",
        "i called twice for you",
        "turn to the second one",
        "what is two plus two times my age",
        "my rent times twelve",
        "the population of five plus five",
        "five percent of my salary",
        "he ran ten over four days",
        "what is one plus one in binary",
        "",
    ],
)
def test_text_with_no_sum_or_only_a_part_of_a_sum_is_left_unchanged(text: str) -> None:
    assert sums_in(text_of(text)) == ([], text_of(text))


PIECES = "( ) - + * / 2 3 0.5 to for the half of square root percent squared and a 3rd"


def is_answerable(expression: str) -> bool:
    """Whether the calculator gives a number, or a reason of mathematics why there is none."""
    try:
        return Decimal(calculated(expression)).is_finite()
    except ToolException as error:
        return re.search("Division by zero|no real number|too large|infinite", str(error)) is not None


@given(st.lists(st.sampled_from(PIECES.split())))
def test_every_sum_found_in_random_words_has_a_value_or_a_mathematical_reason_for_none(words: list[str]) -> None:
    for found in sums_in(" ".join(words))[0]:
        assert is_answerable(found.expression), found.expression


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("add five to that", "Five plus fifty-six is sixty-one."),
        ("and half of that", "Half of fifty-six is twenty-eight."),
        ("times ten", "Fifty-six times ten is five hundred sixty."),
        ("what is two plus two", "Two plus two is four."),
    ],
)
async def test_a_sum_can_continue_with_the_previous_result(said: str, answer: str) -> None:
    talk = Talk()
    await talk.say("seven times eight")
    assert await talk.say(said) == answer


async def test_a_sum_without_a_previous_result_makes_up_no_result() -> None:
    talk = Talk()
    await talk.say("what time is it in tokyo")
    assert await talk.say("add five to that") == UNKNOWN[0]


@pytest.mark.parametrize(
    ("number", "words", "is_exact"),
    [
        ("0", "zero", True),
        ("-7", "minus seven", True),
        ("105", "one hundred five", True),
        ("12345", "twelve thousand three hundred forty-five", True),
        ("2.5", "two point five", True),
        ("0.05", "zero point zero five", True),
        ("3.14159", "three point one four two", False),
        ("0.3333333333", "zero point three three three", False),
        ("0.0012345", "zero point zero zero one two three", False),
        ("0.99999", "one", False),
        ("1000000000", "one billion", True),
        ("1234567890123", "one point two three five trillion", False),
        ("1e15", "ten to the power of fifteen", True),
        ("1.2e-7", "one point two times ten to the power of minus seven", True),
    ],
)
def test_numbers_are_spoken_in_few_words_and_marked_as_exact_or_rounded(
    number: str, words: str, is_exact: bool
) -> None:
    assert spoken_number(Decimal(number)) == (words, is_exact)
