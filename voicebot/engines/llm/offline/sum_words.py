"""The words of arithmetic, as said, typed and misheard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voicebot.engines.llm.offline.words import split_words


@dataclass(frozen=True, slots=True)
class Operator:
    """What stands between two numbers: its sign for the calculator and how it is said.

    `is_clear` if the word is hardly ever used but in sums, so that sound-alikes beside it are numbers.
    """

    sign: str
    said: str
    is_clear: bool = True


PLUS = Operator("+", "plus")
MINUS = Operator("-", "minus")
TIMES = Operator("*", "times")
OVER = Operator("/", "divided by")
MODULO = Operator("%", "modulo")
POWER = Operator("**", "to the power of")

_CLEAR: Mapping[Operator, tuple[str, ...]] = {
    PLUS: ("plus", "added to", "+"),
    MINUS: ("minus", "take away", "-"),
    TIMES: ("times", "multiplied by", "multiplied with", "multiplied buy", "multiplied", "multiply by", "*", "×"),
    OVER: ("divided by", "divided buy", "divided", "divide by", "/", "÷"),
    MODULO: ("modulo", "mod", "%"),
    POWER: ("to the power of", "to the power", "raised to the power of", "^", "**"),
}
_UNCLEAR: Mapping[Operator, tuple[str, ...]] = {
    PLUS: ("add", "plush"),
    MINUS: ("less", "subtract"),
    TIMES: ("x", "time"),
    OVER: ("over",),
    POWER: ("raised to", "the power of"),
}
OPERATORS: Mapping[str, Operator] = {
    **{phrase: operator for operator, phrases in _CLEAR.items() for phrase in phrases},
    **{
        phrase: Operator(operator.sign, operator.said, is_clear=False)
        for operator, phrases in _UNCLEAR.items()
        for phrase in phrases
    },
}

FUNCTIONS: Mapping[str, tuple[str, str]] = {
    "square root of": ("sqrt({})", "the square root of"),
    "square root": ("sqrt({})", "the square root of"),
    "squared root of": ("sqrt({})", "the square root of"),
    "square route of": ("sqrt({})", "the square root of"),
    "root of": ("sqrt({})", "the square root of"),
    "√": ("sqrt({})", "the square root of"),
    "cube root of": ("(({}) ** (1 / 3))", "the cube root of"),
    "cubic root of": ("(({}) ** (1 / 3))", "the cube root of"),
    "half of": ("({} / 2)", "half of"),
    "a third of": ("({} / 3)", "a third of"),
    "a quarter of": ("({} / 4)", "a quarter of"),
    "twice": ("({} * 2)", "twice"),
    "double": ("({} * 2)", "double"),
    "triple": ("({} * 3)", "triple"),
}
"""What stands before one number: the expression for the calculator and how it is said."""

POWERS: Mapping[str, tuple[str, str]] = {"squared": ("({} ** 2)", "squared"), "cubed": ("({} ** 3)", "cubed")}
"""What stands after a number."""

PERCENT_OF = ("percent of", "per cent of", "% of")
PERCENT = ("percent", "per cent", "%")
SIGNS = ("minus", "negative", "-")

COMMANDS: Mapping[str, tuple[tuple[str, ...], Operator, bool]] = {
    "add": (("and", "to", "plus"), PLUS, False),
    "sum of": (("and", "plus"), PLUS, False),
    "subtract": (("from",), MINUS, True),
    "take": (("from", "away from"), MINUS, True),
    "difference between": (("and",), MINUS, False),
    "multiply": (("by", "and", "with", "times"), TIMES, False),
    "product of": (("and",), TIMES, False),
    "divide": (("by", "buy"), OVER, False),
}
"""What stands before two numbers: the words between these, the operator, and whether the numbers change places."""

DATE_SIGNS = frozenset("-/")
ASKED = frozenset(
    split_words(
        "what is how much are calculate compute work out solve tell me please the equals equal does make hey hi hello a"
        " sum result of can you and so"
    )
)
"""Words beside which "7/11" or "5-3" is a sum, not a date, a score or a telephone number."""
