"""Sums found in speech: "what is twenty percent off sixty" is `(60) * (1 - 20 / 100)`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum, auto

from voicebot.engines.llm.offline.spoken import cardinal, ordinal, spoken_number
from voicebot.engines.llm.offline.words import split_words

SUM_MARK = "#"
"""Stands in a text where a sum was."""

_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)(?![\w:])"
_SIGNED = rf"(?:(?:minus |negative |- )?{_NUMBER})"
_MONEY = r"(?: (?:dollars?|euros?|pounds?|bucks))?"
_PARTS = r"(?:half|quarters?|\d+(?:st|nd|rd|th)s?)"

_REWRITTEN: Sequence[tuple[str, str | Callable[[re.Match[str]], str]]] = (
    (
        rf"(?:add(?: up)?|sum(?: of| up)|total of) (?P<all>{_SIGNED}(?: (?:(?:and|to|plus) )?{_SIGNED})+)",
        lambda match: " plus ".join(re.findall(_SIGNED, match["all"])),
    ),
    (rf"(?:subtract|take|deduct) ({_SIGNED})(?: away)? from ({_SIGNED})", r"\2 minus \1"),
    (rf"difference between ({_SIGNED}) and ({_SIGNED})", r"\1 minus \2"),
    (rf"(?:multiply|product of) ({_SIGNED}) (?:by|and|with|times) ({_SIGNED})", r"\1 times \2"),
    (rf"(?:divide|split|share) ({_SIGNED})(?: \w+)? (?:by|between|among|into) ({_SIGNED})", r"\1 divided by \2"),
    (rf"square ({_NUMBER})", r"\1 squared"),
    (rf"cube ({_NUMBER})", r"\1 cubed"),
    (rf"(?<=how much is )({_SIGNED}) and ({_SIGNED})(?= |$)", r"\1 plus \2"),
    (rf"increase ({_NUMBER}) by (?={_NUMBER} (?:per ?cent|%))", r"\1 plus "),
    (rf"(?:reduce|decrease|lower) ({_NUMBER}) by (?={_NUMBER} (?:per ?cent|%))", r"\1 minus "),
    (rf"({_NUMBER}) increased by", r"\1 plus"),
    (rf"({_NUMBER}) (?:reduced|decreased) by", r"\1 minus"),
    (rf"what percent(?:age)? of ({_NUMBER}) is ({_NUMBER})", r"\2 divided by \1 times 100"),
    (rf"({_SIGNED}) and ({_SIGNED}) (?=makes?|equals?|is|are|together)", r"\1 plus \2 "),
    (rf"how many times does ({_NUMBER}) (?:go|fit) into ({_NUMBER})", r"\2 divided by \1"),
    (rf"remainder (?:of|when)(?: you)? ({_NUMBER})(?: is)? divided by ({_NUMBER})", r"\1 modulo \2"),
    (rf"({_NUMBER}) (?:per ?cent|%) off ({_NUMBER})", r"\2 minus \1 percent"),
    (r"(?<=\d )to the (\d+)(?:st|nd|rd|th)(?: power)?", r"to the power of \1"),
)
"""Ways of putting a sum that do not follow the order of an expression, and the same sum in that order."""

_NAMED_PARTS = {"half": (2, "half"), "quarter": (4, "quarter")}


class _Is(Enum):
    NUMBER = auto()
    OPERATOR = auto()
    BEFORE = auto()
    """Stands before one number, such as "half of"."""
    AFTER = auto()
    """Stands after one number, such as "squared"."""
    PERCENT = auto()
    OPEN = auto()
    CLOSE = auto()


@dataclass(frozen=True, slots=True)
class _Token:
    """A part of a sum: its form in the expression, in which {} is the number it belongs to, and how it is said."""

    kind: _Is
    form: str
    said: str


_PHRASES: Sequence[tuple[str, _Token]] = (
    (r"plus|added to|\+", _Token(_Is.OPERATOR, "+", "plus")),
    (r"minus|take away|less|negative|-", _Token(_Is.OPERATOR, "-", "minus")),
    (r"times|multiplied(?: by| with)?|multiply by|x|\*|×", _Token(_Is.OPERATOR, "*", "times")),
    # "He ran 10 over 4 days" is no division.
    (r"over(?! [\d.]+ (?!plus|minus|times|and|equals|is|what|please)\w)", _Token(_Is.OPERATOR, "/", "divided by")),
    (r"divided(?: by)?|divide by|/|÷", _Token(_Is.OPERATOR, "/", "divided by")),
    (r"(?:raised )?to the power(?: of)?|raised to|\^|\*\*", _Token(_Is.OPERATOR, "**", "to the power of")),
    (r"modulo|mod|%(?= \d)", _Token(_Is.OPERATOR, "%", "modulo")),
    (r"cub(?:e|ic) root of", _Token(_Is.BEFORE, "(({}) ** (1 / 3))", "the cube root of")),
    (r"(?:square )?root of|square root|√", _Token(_Is.BEFORE, "sqrt({})", "the square root of")),
    (r"twice|double", _Token(_Is.BEFORE, "({} * 2)", "twice")),
    (r"triple", _Token(_Is.BEFORE, "({} * 3)", "three times")),
    (r"squared", _Token(_Is.AFTER, "({} ** 2)", "squared")),
    (r"cubed", _Token(_Is.AFTER, "({} ** 3)", "cubed")),
    (r"per ?cent|%", _Token(_Is.PERCENT, "({} / 100)", "percent")),
    (r"\(|open (?:bracket|parenthes[ie]s)", _Token(_Is.OPEN, "(", "")),
    (r"\)|close (?:bracket|parenthes[ie]s)", _Token(_Is.CLOSE, ")", "")),
)
_TOKEN = re.compile(
    rf"(?:the )?(?:(?P<percent>{_NUMBER}) (?:per ?cent|%) (?:of|on)"
    rf"|(?:(?P<parts>\d+|an?) )?(?P<part>{_PARTS})(?P<of> of|(?<=half)(?= \d))?"
    rf"|(?P<number>{_NUMBER}){_MONEY}|"
    + "|".join(f"(?P<phrase{place}>{pattern})" for place, (pattern, _) in enumerate(_PHRASES))
    + r")(?:(?= )|$)"
)

_ASKED = frozenset(
    split_words(
        "what is how much are calculate compute work out solve tell me please the equals equal does make hey hi hello a"
        " sum result of can you and so"
    )
)
"""Words beside which "7/11" or "5-3" is a sum, not a date, a score or a telephone number."""
_OF_IT = re.compile(r"(?<!result)(?<!value)(?<!answer)(?<!total)(?<!sum)(?<!calculation)(?<!tip)(?<!discount) of $")
"""Before a sum this makes it a part of something else, as in "the sine of 30 plus 5"."""
_IN_IT = re.compile(r"(?: equals?| is| makes?)? in (?!total|all|my|your|the)\w")
"""After a sum this makes it one of another kind, as in "1 plus 1 in binary"."""


@dataclass(frozen=True, slots=True)
class Sum:
    """An arithmetic expression for the calculator, and how it is said ("" where that would be hard to follow)."""

    expression: str
    said: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A number or an expression, read up to the token `end`."""

    expression: str
    said: str
    end: int
    is_sum: bool = False
    """Whether there is anything to work out."""
    is_percent: bool = False


def sums_in(text: str) -> tuple[list[Sum], str]:
    """The sums in words from `words_of`, and the text with a mark in the place of each.

    Where a part of a sum is no number, as in "two plus two times my age", there is none at all.
    """
    original = text
    for pattern, order in _REWRITTEN:
        text = re.sub(rf"(?:the )?\b{pattern}", order, text)
    sums: list[Sum] = []
    rest, done = "", 0
    for start, run in _runs(text):
        tokens = [token for token, _ in run]
        part = _expression(tokens, 0)
        if part is None or not part.is_sum or part.end < len(tokens):
            if {token.kind for token in tokens} >= {_Is.NUMBER, _Is.OPERATOR}:
                return [], original
            continue
        end = run[-1][1]
        if not (_is_date(text, start, end) or _OF_IT.search(text[:start]) or _IN_IT.match(text[end:])):
            sums.append(Sum(part.expression, part.said))
            rest += text[done:start] + SUM_MARK
            done = end
    return sums, rest + text[done:] if sums else original


def continued(text: str, result: Decimal) -> str:
    """ "Add five to that" and "and times three" with the `result` of the sum before put in."""
    text = re.sub(r"\b(?:that|it|the (?:result|answer))\b", f"{result:f}", text)
    text = re.sub(r"^(?:(?:and|now|then|okay|ok|so) )+", "", text)
    first = _token(_TOKEN.match(text))
    starts_in_the_middle = first is not None and first[0].kind in (_Is.OPERATOR, _Is.AFTER)
    return f"{result:f} {text}" if starts_in_the_middle else text


def _runs(text: str) -> Iterator[tuple[int, list[tuple[_Token, int]]]]:
    """Where tokens of arithmetic follow each other: the first one's start, and each token with its end."""
    run: list[tuple[_Token, int]] = []
    start = at = 0
    while at < len(text):
        token = _token(_TOKEN.match(text, at))
        if token is not None:
            start = at if not run else start
            run.append(token)
            at = token[1] + 1
            continue
        if run:
            yield start, run
            run = []
        at = text.find(" ", at) + 1 or len(text)
    if run:
        yield start, run


def _token(match: re.Match[str] | None) -> tuple[_Token, int] | None:
    if match is None:
        return None
    if match["number"]:
        said = spoken_number(Decimal(match["number"]))[0]
        return _Token(_Is.NUMBER, match["number"], said), match.end()
    if match["percent"]:
        said = f"{spoken_number(Decimal(match['percent']))[0]} percent of"
        return _Token(_Is.BEFORE, f"({match['percent']} / 100 * {{}})", said), match.end()
    if match["part"]:
        token = _fraction(match["parts"], match["part"], is_of=match["of"] is not None)
        return (token, match.end()) if token else None
    place = next(place for place in range(len(_PHRASES)) if match[f"phrase{place}"])
    return _PHRASES[place][1], match.end()


def _fraction(parts: str | None, part: str, *, is_of: bool) -> _Token | None:
    """ "2 3rds of", "a quarter of" and "half of"; or "1 half" and "3 quarters" as numbers."""
    size, name = _NAMED_PARTS.get(part.removesuffix("s")) or (int(re.sub(r"\D", "", part)), "")
    # "The 3rd" is none, and neither is "a 2nd".
    if (not name and (size < 3 or parts is None)) or (parts is None and not is_of):
        return None
    name = name or ordinal(size)
    number = int(parts) if parts is not None and parts.isdecimal() else 1
    said = f"{cardinal(number)} {name}s" if number > 1 else name if name == "half" else f"a {name}"
    if is_of:
        return _Token(_Is.BEFORE, f"({number} / {size} * {{}})", f"{said} of")
    return _Token(_Is.NUMBER, f"({number} / {size})", said)


def _is_date(text: str, start: int, end: int) -> bool:
    signs = {word for word in text[start:end].split() if not word[0].isdecimal()}
    beside = f"{text[:start]} {text[end:]}".split()
    return bool(signs) and signs <= {"-", "/"} and not _ASKED.issuperset(beside)


def _expression(tokens: Sequence[_Token], at: int) -> _Part | None:
    """As many parts with operators between as there are from token `at` on."""
    left = _part(tokens, at)
    while left is not None and left.end < len(tokens) and tokens[left.end].kind is _Is.OPERATOR:
        operator = tokens[left.end]
        right = _part(tokens, left.end + 1)
        if right is None:
            break
        said = _all_said(left.said, operator.said, right.said)
        if right.is_percent and operator.form in ("+", "-"):
            expression = f"({left.expression}) * (1 {operator.form} {right.expression})"
        else:
            expression = f"{left.expression} {operator.form} {right.expression}"
        left = _Part(expression, said, right.end, is_sum=True)
    return left


def _part(tokens: Sequence[_Token], at: int) -> _Part | None:
    """A number with what belongs to it: a sign, a root, a power, a percentage, parentheses."""
    if at >= len(tokens):
        return None
    token = tokens[at]
    inner: _Part | None
    match token.kind:
        case _Is.NUMBER:
            inner = _Part(token.form, token.said, at + 1)
        case _Is.OPEN:
            inner = _expression(tokens, at + 1)
            if inner is None or inner.end >= len(tokens) or tokens[inner.end].kind is not _Is.CLOSE:
                return None
            inner = _Part(f"({inner.expression})", "", inner.end + 1, is_sum=inner.is_sum)
        case _Is.BEFORE:
            inner = _part(tokens, at + 1)
            if inner is None:
                return None
            said = _all_said(token.said, inner.said)
            return replace(inner, expression=token.form.format(inner.expression), said=said, is_sum=True)
        case _Is.OPERATOR if token.form == "-":
            inner = _part(tokens, at + 1)
            if inner is None:
                return None
            return replace(inner, expression=f"-{inner.expression}", said=_all_said("minus", inner.said))
        case _:
            return None
    while inner.end < len(tokens) and tokens[inner.end].kind in (_Is.AFTER, _Is.PERCENT):
        after = tokens[inner.end]
        inner = _Part(
            after.form.format(inner.expression),
            _all_said(inner.said, after.said),
            inner.end + 1,
            is_sum=inner.is_sum or after.kind is _Is.AFTER,
            is_percent=after.kind is _Is.PERCENT,
        )
    return inner


def _all_said(*parts: str) -> str:
    """The parts in a row; nothing if one of them can't be said."""
    return " ".join(parts) if all(parts) else ""
