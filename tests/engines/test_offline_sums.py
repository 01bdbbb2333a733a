"""Sums as they are spoken: found among words, worked out as Python does, and said in words."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.engines.llm.offline.numerals import cardinal, read_number, spoken
from voicebot.engines.llm.offline.sums import sums_in
from voicebot.engines.llm.offline.words import words_of
from voicebot.tools.calculator import calculated

SIGNS = {"plus": "+", "minus": "-", "times": "*", "divided by": "/"}


@given(st.integers(0, 10**15 - 1))
def test_numbers_are_read_as_they_are_said(number: int) -> None:
    words = words_of(cardinal(number).replace("-", " "))
    assert read_number(words, 0) == (Decimal(number), len(words))


@given(
    st.lists(st.integers(0, 10**6), min_size=2, max_size=5),
    st.lists(st.sampled_from(sorted(SIGNS)), min_size=4, max_size=4),
    st.booleans(),
)
def test_spoken_sums_are_worked_out_as_python_does(numbers: list[int], operators: list[str], in_digits: bool) -> None:
    said, expression = "what is", ""
    for number, operator in zip(numbers, ["", *operators], strict=False):
        said += f" {operator} {number if in_digits else cardinal(number).replace('-', ' ')}"
        expression += f"{SIGNS.get(operator, '')}Fraction({number})"
    if any(operator == "divided by" and not number for number, operator in zip(numbers[1:], operators, strict=False)):
        return
    (found,) = sums_in(words_of(said))
    expected = eval(expression, {"Fraction": Fraction})
    assert abs(Fraction(calculated(found.expression)) - expected) <= abs(expected) / 10**12


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
        "",
    ],
)
def test_what_is_no_sum_is_left_alone(text: str) -> None:
    assert sums_in(words_of(text)) == []


PIECES = "( ) - + * / two 3 0.5 to for the half of square root percent squared and"


@given(st.lists(st.sampled_from(PIECES.split())))
def test_any_words_are_read_and_what_is_found_can_be_given_to_the_calculator(words: list[str]) -> None:
    for found in sums_in(words):
        assert 0 <= found.start < found.end <= len(words)
        compile(found.expression, "sum", "eval")


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
def test_numbers_are_said_shortly(number: str, words: str, is_exact: bool) -> None:
    assert spoken(Decimal(number)) == (words, is_exact)
