"""The offline model finds sums in spoken words, gets the results that Python gets, and says them in words."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.tools import ToolException

from voicebot.agent.tools.calculator import calculated
from voicebot.engines.llm.offline.spoken import cardinal, spoken_result
from voicebot.engines.llm.offline.sums import sums_in
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
    (found,) = sums_in(text_of(said))
    expected = eval(expression, {"Fraction": Fraction})
    assert abs(Fraction(calculated(found.expression)) - expected) <= abs(expected) / 10**12


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("add five, six and seven", 18),
        ("take nine away from thirty", 21),
        ("twenty percent off sixty", 48),
        ("a third of ninety-nine", 33),
        ("three quarters of eighty", 60),
        ("two plus half of ten", 7),
        ("twelve and thirty make what", 42),
        ("ten to the third power", 1000),
        ("two and a half times four", 10),
        ("minus five squared", -25),
        # What the embedded recogniser and others write for a number.
        ("what is ten times free", 30),
        ("What's ten times tree?", 30),
        ("ten plus for", 14),
        ("how much is ten times fore, please", 40),
        ("okay ten minus to", 8),
        ("ten divided by too is what", 5),
        ("ten over to", 5),
        ("ten plus won", 11),
        ("ten multiplied by ate", 80),
        ("ten times sex", 60),
        ("ten to the power of nein", 10**9),
        ("two plus free plus for times five", 25),
    ],
)
def test_common_spoken_phrasings_of_sums_are_understood(said: str, value: float) -> None:
    (found,) = sums_in(text_of(said))
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
        "do it ten times for me",
        "do it ten times too",
        "give me ten over to you",
        "what is two times too many",
        "is two over for us",
        "free times ten",
        "what is ten free",
        "are you free times two",
        "is it free",
        "what is times free",
        "",
    ],
)
def test_text_with_no_sum_or_only_a_part_of_a_sum_has_no_sum(text: str) -> None:
    assert sums_in(text_of(text)) == []


PIECES = "( ) - + * / 2 3 0.5 to for the half of square root percent squared and a 3rd"


def is_answerable(expression: str) -> bool:
    """Returns whether the calculator gives a number or a mathematical reason for giving none."""
    try:
        return Decimal(calculated(expression)).is_finite()
    except ToolException as error:
        return re.search("Division by zero|no real number|too large|infinite", str(error)) is not None


@given(st.lists(st.sampled_from(PIECES.split())))
def test_every_sum_found_in_random_words_has_a_value_or_a_mathematical_reason_for_none(words: list[str]) -> None:
    for found in sums_in(" ".join(words)):
        assert is_answerable(found.expression), found.expression


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("0", "zero"),
        ("-7", "minus seven"),
        ("105", "one hundred five"),
        ("12345", "twelve thousand three hundred forty-five"),
        ("2.5", "two point five"),
        ("0.05", "zero point zero five"),
        ("3.14159", "about three point one four two"),
        ("-0.3333333333", "about minus zero point three three three"),
        ("0.99999", "about one"),
        ("0.00012345", "almost zero"),
        ("1000000000", "one billion"),
        ("1234567890123", "about one trillion two hundred thirty-five billion"),
        ("1e15", "a number with sixteen digits"),
    ],
)
def test_results_are_spoken_in_few_words_and_rounded_ones_are_marked(number: str, words: str) -> None:
    assert spoken_result(Decimal(number)) == words
