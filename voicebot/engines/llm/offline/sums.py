"""Finds sums in speech: "what is twenty percent off sixty" is `(60 * (1 - 20 / 100))`."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from voicebot.engines.llm.offline.spoken import ordinal, spoken_result
from voicebot.engines.llm.offline.words import word_set

_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)(?![\w:])"
_SIGNED = rf"(?:(?:minus |negative |- )?{_NUMBER})"
_PERCENT = r"(?:per ?cent|%)"

_Rule = tuple[str, str | Callable[[re.Match[str]], str]]

_REORDERED: Sequence[_Rule] = (
    (
        rf"(?:add|sum(?: of| up)?) ({_SIGNED}(?: (?:(?:and|to) )?{_SIGNED})+)",
        lambda match: " plus ".join(re.findall(_SIGNED, match[1])),
    ),
    (rf"(?:subtract|take) ({_SIGNED})(?: away)? from ({_SIGNED})", r"\2 minus \1"),
    (rf"multiply ({_SIGNED}) (?:by|and|with) ({_SIGNED})", r"\1 times \2"),
    (rf"divide ({_SIGNED}) by ({_SIGNED})", r"\1 divided by \2"),
    (rf"({_SIGNED}) and ({_SIGNED})(?= (?:is|makes?|equals?))", r"\1 plus \2"),
    (rf"square ({_NUMBER})", r"\1 squared"),
    (r"(?<=\d )to the (\d+)(?:st|nd|rd|th)(?: power)?", r"to the power of \1"),
)
"""Ways to ask for a sum in another order than that of an expression, and the same sum in that order."""

_FRACTION = rf"(?:({_NUMBER}) |an? )?(half|quarter|\d+(?:rd|th))s? of ({_NUMBER})"

_WRITTEN: Sequence[_Rule] = (
    (rf"(?:√|(?:the )?square root of) ({_SIGNED})", r"sqrt(\1)"),
    (rf"({_NUMBER}) {_PERCENT} off ({_NUMBER})", r"(\2 * (1 - \1 / 100))"),
    (rf"({_NUMBER}) {_PERCENT} (?:of|on) ({_NUMBER})", r"(\1 / 100 * \2)"),
    (_FRACTION, lambda match: f"({match[1] or 1} / {_parts(match[2])} * {match[3]})"),
    (rf"(?:twice|double) ({_NUMBER})", r"(2 * \1)"),
    (rf"({_NUMBER}) squared", r"\1 ** 2"),
    (rf"({_NUMBER}) cubed", r"\1 ** 3"),
    (r"(?<=\d )%(?= \d)|modulo", "%"),
    (r"plus", "+"),
    (r"minus|negative", "-"),
    (r"times|multiplied by|x|×", "*"),
    (r"divided by|over|÷", "/"),
    (r"(?:raised )?to the power(?: of)?|\^", "**"),
)
"""How the parts of a sum are said, and how they are written in an expression."""

_PART = re.compile(
    rf"{_NUMBER}|{_FRACTION}|the square root of|square root of|{_PERCENT}(?: (?:of|on|off))?|twice|double|squared|cubed"
    r"|modulo|plus|minus|negative|times|multiplied by|divided by|over|x"
    r"|(?:raised )?to the power(?: of)?|[-+*/^×÷√()]|\*\*"
)
_RUN = re.compile(rf"(?<!\S)(?:{_PART.pattern})(?: (?:{_PART.pattern}))*(?!\S)")
_HAS_OPERATION = re.compile(r"[\d)] ?[-+*/%]|sqrt")
_DATE_OR_SCORE = re.compile(r"\d+(?: [-/] \d+)+")
"""Alone, "7/11" and "5-3" are no sums."""

_SOUNDS_LIKE = {
    **dict.fromkeys(("free", "tree"), "3"),
    **dict.fromkeys(("for", "fore"), "4"),
    **dict.fromkeys(("to", "too"), "2"),
    **{"won": "1", "ate": "8", "sex": "6", "nein": "9"},
}
"""What recognisers write for a number in a sum: "ten times free"."""
_OPERATOR = r"(?:plus|minus|times|multiplied by|divided by|over|(?:raised )?to the power of|modulo)"
_MISHEARD = re.compile(
    r"(?:^|(?<!\S)(?:what|is|are|much|does|calculate|compute|solve|out|and|then|so|well|okay|hey) )"
    rf"{_SIGNED}(?: {_OPERATOR} (?:{_NUMBER}|{'|'.join(_SOUNDS_LIKE)}))+(?= (?:is|equals?|makes?|please|and)(?!\S)|$)"
)
"""A sum from its first number to its end. In "do it ten times for me" there is none."""

_CURRENCY = re.compile(r" (?:dollars?|euros?|pounds?|bucks)\b")

_SIGNS = {"+": "plus", "-": "minus", "*": "times", "×": "times", "x": "times", "/": "divided by", "÷": "divided by"}
_SIGNS |= {
    "%": "percent",
    "^": "to the power of",
    "**": "to the power of",
    "√": "the square root of",
    "over": "divided by",
}

_GLUE = word_set(
    "what is are do does did you get how much many equal equals make makes calculate compute work out solve tell"
    " give me please the a an of can could would will be for and then so now hey hi hello okay ok if i need want to"
    " know take result answer sum tip math it that this"
)


@dataclass(frozen=True, slots=True)
class Sum:
    """An expression for the calculator, and the sum in spoken words; these are empty where they are hard to follow."""

    expression: str
    said: str


def sums_in(clause: str) -> list[Sum]:
    """Returns the sums in a clause of plain words. There are none where a part of the clause is not understood."""
    if _DATE_OR_SCORE.fullmatch(clause):
        return []
    clause = _MISHEARD.sub(_with_numbers, _CURRENCY.sub("", clause))
    clause = _rewritten(clause, _REORDERED)
    sums: list[Sum] = []
    for run in _RUN.finditer(clause):
        expression = _rewritten(run[0], _WRITTEN)
        if _is_expression(expression):
            said = re.sub("(?<!the )square root", "the square root", " ".join(_said(run[0])))
            sums.append(Sum(expression, "" if "(" in run[0] else said))
        elif not re.fullmatch(_NUMBER, run[0]):
            return []
    return sums if _GLUE.issuperset(_RUN.sub("", clause).split()) else []


def _with_numbers(misheard: re.Match[str]) -> str:
    """Returns the sum with a number for each word after an operator that only sounds like one."""
    return re.sub(
        rf"(?<!\S)({_OPERATOR}) ({'|'.join(_SOUNDS_LIKE)})(?!\S)",
        lambda match: f"{match[1]} {_SOUNDS_LIKE[match[2]]}",
        misheard[0],
    )


def _rewritten(text: str, rules: Sequence[_Rule]) -> str:
    for pattern, replacement in rules:
        text = re.sub(rf"(?<!\w)(?:{pattern})(?!\w)", replacement, text)
    return text


def _is_expression(text: str) -> bool:
    if not re.fullmatch(r"(?:[-+*/%().\d ]|sqrt)+", text) or not _HAS_OPERATION.search(text):
        return False
    try:
        ast.parse(text.strip(), mode="eval")
    except SyntaxError:
        return False
    return True


def _parts(name: str) -> int:
    return {"half": 2, "quarter": 4}.get(name) or int(re.sub(r"\D", "", name))


def _said(words: str) -> Iterator[str]:
    for at, word in enumerate(parts := words.split()):
        if re.fullmatch(_NUMBER, word):
            yield spoken_result(Decimal(word))
        elif match := re.fullmatch(r"(\d+)(?:rd|th)(s?)", word):
            yield f"{'' if at else 'a '}{ordinal(int(match[1]))}{match[2]}"
        elif word == "%" and parts[at + 1 : at + 2] and parts[at + 1][0].isdecimal():
            yield "modulo"
        else:
            yield _SIGNS.get(word, word)
