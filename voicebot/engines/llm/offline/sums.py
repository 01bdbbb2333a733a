"""Sums found in speech: "what is too plus two" is `2 + 2`, said "two plus two"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from voicebot.engines.llm.offline.numerals import ORDINAL_VALUES, SOUND_ALIKES, read_number, spoken
from voicebot.engines.llm.offline.sum_words import (
    ASKED,
    COMMANDS,
    DATE_SIGNS,
    FUNCTIONS,
    OPERATORS,
    PERCENT,
    PERCENT_OF,
    POWER,
    POWERS,
    SIGNS,
    Operator,
)

LONGEST_OPERATOR = max(len(phrase.split()) for phrase in OPERATORS)


@dataclass(frozen=True, slots=True)
class Sum:
    """An arithmetic expression for the calculator, and how it is said ("" where that would be hard to follow).

    It was found in a list of words from word `start` up to, not including, word `end`.
    """

    expression: str
    said: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Term:
    """A number or an expression that was read up to, not including, word `end`."""

    expression: str
    said: str
    end: int
    is_sum: bool = False
    """Whether there is anything to work out."""
    is_alike: bool = False
    """Whether it is a word that only sounds like a number."""


def sums_in(words: Sequence[str]) -> list[Sum]:
    """The sums among `words`, in their order."""
    found: list[Sum] = []
    at = 0
    while at < len(words):
        term = _command(words, at) or _expression(words, at)
        if term is None or not term.is_sum:
            at += 1
            continue
        if not _is_date(words, at, term.end):
            found.append(Sum(term.expression, term.said, at, term.end))
        at = term.end
    return found


def is_broken_sum(words: Sequence[str]) -> bool:
    """Whether there is a clear sign of arithmetic beside a number, the rest of the sum having been lost."""
    return any(
        word in OPERATORS
        and OPERATORS[word].is_clear
        and (read_number(words, at + 1) is not None or (at > 0 and read_number(words, at - 1) is not None))
        for at, word in enumerate(words)
    )


def _is_date(words: Sequence[str], start: int, end: int) -> bool:
    signs = {word for word in words[start:end] if not word[0].isdecimal()}
    return bool(signs) and signs <= DATE_SIGNS and not ASKED.issuperset((*words[:start], *words[end:]))


def _expression(words: Sequence[str], at: int) -> _Term | None:
    """Terms joined by operators, as many as there are from word `at` on."""
    left = _term(words, at)
    while left is not None and (step := _operator(words, left.end)) is not None:
        operator, end = step
        right = _term(words, end)
        if right is None or not (operator.is_clear or not (left.is_alike or right.is_alike)):
            break
        left = _joined(words, left, operator, right)
    return left


def _operator(words: Sequence[str], at: int) -> tuple[Operator, int] | None:
    for end in range(min(at + LONGEST_OPERATOR, len(words)), at, -1):
        if (operator := OPERATORS.get(" ".join(words[at:end]))) is not None:
            return operator, end
    return None


def _joined(words: Sequence[str], left: _Term, operator: Operator, right: _Term) -> _Term:
    said = _all_said(left.said, operator.said, right.said)
    percent_end = _after_any(words, right.end, PERCENT)
    if operator.sign in ("+", "-") and percent_end is not None:
        expression = f"({left.expression}) * (1 {operator.sign} {right.expression} / 100)"
        return _Term(expression, _all_said(said, "percent"), percent_end, is_sum=True)
    return _Term(f"{left.expression} {operator.sign} {right.expression}", said, right.end, is_sum=True)


def _command(words: Sequence[str], at: int) -> _Term | None:
    """ "Add five and six", "subtract three from ten"."""
    for verb, (between, operator, swaps) in COMMANDS.items():
        start = _after(words, at, verb)
        first = _term(words, start) if start is not None else None
        middle = _after_any(words, first.end, between) if first is not None else None
        second = _term(words, middle) if middle is not None else None
        if first is not None and second is not None:
            left, right = (second, first) if swaps else (first, second)
            return replace(_joined(words, left, operator, right), end=second.end)
    return None


def _term(words: Sequence[str], at: int) -> _Term | None:
    """A number with what belongs to it: a sign, a root, a power, a percentage, parentheses."""
    at = _after(words, at, "the") or at
    if at >= len(words):
        return None
    if words[at] == "(":
        inner = _expression(words, at + 1)
        end = _after(words, inner.end, ")") if inner is not None else None
        if inner is None or end is None:
            return None
        return _powered(words, _Term(f"({inner.expression})", "", end, is_sum=inner.is_sum))
    if words[at] in SIGNS:
        inner = _term(words, at + 1)
        return inner and replace(inner, expression=f"-{inner.expression}", said=_all_said("minus", inner.said))
    for phrase, (form, said) in FUNCTIONS.items():
        start = _after(words, at, phrase)
        if start is not None and (inner := _term(words, start)) is not None:
            # "I called twice for ..." is no sum.
            is_sum = not inner.is_alike or form.startswith("sqrt")
            return _Term(form.format(inner.expression), _all_said(said, inner.said), inner.end, is_sum=is_sum)
    number = _number(words, at)
    return _powered(words, number) if number is not None else None


def _number(words: Sequence[str], at: int) -> _Term | None:
    if (read := read_number(words, at)) is not None:
        value, end = read
        return _Term(f"{value:f}", spoken(value)[0], end)
    if (alike := SOUND_ALIKES.get(words[at])) is not None:
        return _Term(str(alike), spoken(Decimal(alike))[0], at + 1, is_alike=True)
    return None


def _powered(words: Sequence[str], base: _Term) -> _Term:
    """`base` with what follows it: "squared", "to the fifth", "percent of eighty"."""
    start = _after_any(words, base.end, PERCENT_OF)
    if start is not None and (whole := _term(words, start)) is not None:
        expression = f"({base.expression} / 100 * {whole.expression})"
        return _Term(expression, _all_said(base.said, "percent of", whole.said), whole.end, is_sum=True)
    following = words[base.end] if base.end < len(words) else ""
    if following in POWERS:
        form, said = POWERS[following]
        return _Term(form.format(base.expression), _all_said(base.said, said), base.end + 1, is_sum=True)
    start = _after(words, base.end, "to the")
    if start is not None and words[start + 1 : start + 2] == ["power"] and words[start] in ORDINAL_VALUES:
        power = ORDINAL_VALUES[words[start]]
        said = _all_said(base.said, POWER.said, spoken(Decimal(power))[0])
        return _Term(f"({base.expression} ** {power})", said, start + 2, is_sum=True)
    return base


def _all_said(*parts: str) -> str:
    """The parts in a row; nothing if one of them can't be said."""
    return " ".join(parts) if all(parts) else ""


def _after(words: Sequence[str], at: int, phrase: str) -> int | None:
    """Where the words after `phrase` begin, if it stands at word `at`."""
    parts = phrase.split()
    return at + len(parts) if list(words[at : at + len(parts)]) == parts else None


def _after_any(words: Sequence[str], at: int, phrases: Iterable[str]) -> int | None:
    return next((end for phrase in phrases if (end := _after(words, at, phrase)) is not None), None)
