"""Questions about times and dates found in speech, with the places and days they are about.

A question counts only if nothing stands in it that is not understood: "what time is it" is one, "what time is it on the
space station" is none, and neither is "what day was the battle of Hastings".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files
from itertools import pairwise

from voicebot.engines.llm.offline.dates import Marks, has_year
from voicebot.languages.gazetteer import PlaceMention, places_in


class Asked(StrEnum):
    """What is to be read off the clock: the headings of clock.txt, and one that is known otherwise."""

    DIFFERENCE = "difference"
    """How far the clock of a place is ahead of another's."""
    CONVERTED = "converted"
    """What time it is in a place at a time of day in another."""
    TIME_SUM = "time sum"
    """A time of day so long after or before another."""
    LEAP_YEAR = "leap year"
    DAYS_IN = "days in"
    """The number of days of a month or a year."""
    LEFT = "left"
    """How much is left of this year, month or week."""
    BETWEEN = "between"
    SINCE = "since"
    UNTIL = "until"
    TIME = "time"
    MONTH = "month"
    YEAR = "year"
    WEEK = "week"
    TODAY = "today"
    """Whether today is a day: the answer is what day it is."""
    DATE = "date"


@dataclass(frozen=True, slots=True)
class ClockQuestion:
    """What is asked about the clock of a place; `place` is "" for here. `at` is the character where it is asked.

    The days, the time and the span are in the words that name them.
    """

    asked: Asked
    place: str = ""
    other_place: str = ""
    days: tuple[str, ...] = ()
    time: str = ""
    span: str = ""
    unit: str = ""
    """What is counted: "day", "week", "month" and more."""
    period: str = ""
    """The month or year that is asked about: "february", "next year"."""
    is_past: bool = False
    is_place_alone: bool = False
    """Whether only a place was named, as in "and in Paris": it can be meant for a question before."""
    at: int = 0


_MARK = "[\ue000-\uf8ff]"
_PLACE, _DAY, _TIME, _SPAN, _YEAR = (f"{kind}{_MARK}" for kind in "PDTSY")
_DAY_OR_FEAST = f"[DF]{_MARK}"
_MARKS = {
    "mark": _MARK,
    "place": _PLACE,
    "day": _DAY,
    "feast": f"F{_MARK}",
    "time": _TIME,
    "span": _SPAN,
    "year": _YEAR,
}
"""The marks by their names in clock.txt."""

# Another sentence or another request begins at these words.
_CLAUSE_END = re.compile(
    r"(?<!\S)(?:\.|but|also|then|because|what|how|who|why|tell|thanks|thank|hello|hi|#"
    rf"|(?:and|or)(?! (?:in )?[A-Z]{_MARK}))(?!\S)"
)
_COUNTED = frozenset((Asked.UNTIL, Asked.SINCE, Asked.BETWEEN))
"""Questions whose days are those that are named in them, not before them."""
_OPEN = re.compile(
    r"(?<!\S)(?:was|were|will|would|does|did|do|fall|falls|fell|land|lands|ago|later|earlier|before|after)(?!\S)"
)
"""Words that make a question one about another moment than the present."""
_PAST = re.compile(r"(?<!\S)(?:was|were|did|ago|fell|since|has been)(?!\S)")
_LESS = re.compile(r"(?<!\S)(?:minus|before|earlier|subtract|take)(?!\S)")
# What stands where a place would, though none of that name is known: the answer says so.
_UNKNOWN_PLACE = re.compile(
    r"^(?: (?:right|now|currently|is|it|over))* (?:in|at) (?P<place>(?:the )?\w+(?: \w+){0,2}?)"
    r"(?: (?:please|right now|now|today))*$"
)
_NO_PLACE = re.compile(
    r"^(?:the )?(?:my|your|our|his|her|total|words|english|general|minutes?|hours?|game|movie|film|party|meeting|bank"
    r"|store|end|beginning|start|case|order|time|space)\b"
)
_PLACE_ALONE = re.compile(
    r"^(?:(?:and|so|ok|okay|well|hey|um|uh|please|now|then|what about|how about|in|at|for|it|is|time|the|there) )*"
    rf"{_PLACE}(?: (?:{_PLACE}|and|or|in|please|then|now|right|there))*$"
)


def clock_questions_in(marks: Marks) -> list[ClockQuestion]:
    """Returns the questions about the clock in a text, in their order. A place alone asks for the time there."""
    text = _with_places(marks)
    if _PLACE_ALONE.match(text):
        is_place_alone = re.search(r"\btime\b", text) is None
        places = map(marks.in_words, re.findall(_PLACE, text))
        return [ClockQuestion(Asked.TIME, place, is_place_alone=is_place_alone) for place in places]
    heads = _heads(text)
    questions: list[ClockQuestion] = []
    for number, (asked, head) in enumerate(heads):
        until = heads[number + 1][1].start() if number + 1 < len(heads) else len(text)
        end = _CLAUSE_END.search(text, head.end(), until)
        clause = text[head.end() : end.start() if end else until].rstrip()
        # A question has the marks up to its end; the first one also those before it.
        before = text[: head.start()] if number == 0 else ""
        questions += _questions(marks, asked, head, before, clause)
    return _with_shared_place(questions)


def _with_places(marks: Marks) -> str:
    words = marks.text.split(" ")
    spots = places_in(words)
    # "Paris, France" is one place.
    around = [spot for inner, spot in pairwise(spots) if _is_around(spot, inner)]
    for spot in reversed(spots):
        said = " ".join(words[spot.start : spot.end])
        words[spot.start : spot.end] = [] if spot in around else [marks.add("P", said)]
    return " ".join(words)


def _is_around(place: PlaceMention, inner: PlaceMention) -> bool:
    """Returns whether `place` is named right after `inner` and keeps the same time, as a country after its city."""
    return inner.end == place.start and inner.place.zone == place.place.zone


@dataclass(frozen=True, slots=True)
class _Language:
    """clock.txt: the heads of questions in their order, and what may follow a head without a meaning of its own."""

    heads: Sequence[tuple[Asked, re.Pattern[str]]]
    word: re.Pattern[str]
    aside: re.Pattern[str]


@cache
def _language() -> _Language:
    names = dict(_MARKS)
    asked = Asked.TIME
    heads: list[tuple[Asked, re.Pattern[str]]] = []
    for raw in (files(__package__) / "clock.txt").read_text("utf-8").splitlines():
        line = re.sub(r"(?<!P)<(\w+)>(?! = )", lambda match: names[match[1]], raw)
        if definition := re.match(r"<(\w+)> = ", line):
            names[definition[1]] = line[definition.end() :]
        elif line.startswith("["):
            asked = Asked(line.strip("[]"))
        elif line and not line.startswith("#"):
            heads.append((asked, re.compile(_whole(line))))
    word = re.compile(f"{names['glue']}|week|weekday|month|year|time|date|day")
    return _Language(heads, word, re.compile(_whole(names["aside"])))


def _whole(pattern: str) -> str:
    return rf"(?<!\S)(?:{pattern})(?!\S)"


def _heads(text: str) -> list[tuple[Asked, re.Match[str]]]:
    found: list[tuple[Asked, re.Match[str]]] = []
    for asked, pattern in _language().heads:
        for match in pattern.finditer(text):
            if all(match.end() <= other.start() or other.end() <= match.start() for _, other in found):
                found.append((asked, match))
    return sorted(found, key=lambda each: each[1].start())


def _is_understood(clause: str) -> bool:
    language = _language()
    return all(language.word.fullmatch(word) for word in language.aside.sub("", clause).split())


def _questions(marks: Marks, asked: Asked, head: re.Match[str], before: str, clause: str) -> list[ClockQuestion]:
    """Returns the question of a head and its clause, once for each place; none where a part is not understood."""
    asking = f"{head[0]}{clause}"
    scope = f"{before}{asking}"
    places = [marks.in_words(place) for place in re.findall(_PLACE, scope)]
    if not _is_understood(clause):
        unknown = _UNKNOWN_PLACE.match(clause)
        if places or unknown is None or _NO_PLACE.match(unknown["place"]):
            return []
        places = [unknown["place"].removeprefix("the ")]

    def said(kind: str, text: str) -> tuple[str, ...]:
        return tuple(marks.in_words(mark) for mark in re.findall(kind, text))

    groups = head.groupdict()
    days = said(_DAY_OR_FEAST, asking if asked in _COUNTED else scope)
    years = said(_YEAR, asking)
    question = ClockQuestion(
        asked,
        days=tuple(day if has_year(day) else " ".join((day, *years)) for day in days),
        time="".join(said(_TIME, scope)[:1]),
        span="".join(said(_SPAN, scope)[:1]),
        unit=(groups.get("unit") or "").removesuffix("s"),
        period=marks.in_words(groups.get("period") or ""),
        is_past=(_LESS if asked is Asked.TIME_SUM else _PAST).search(asking) is not None,
        at=len(marks.in_words(head.string[: head.start()])),
    )
    match asked:
        case Asked.DIFFERENCE:
            first, second = (*places, "", "")[:2]
            return [replace(question, place=first, other_place=second)] if first else []
        case Asked.TIME if question.time:
            source = re.search(rf"{_TIME} (?:(?:in|at) )?(?:{_PLACE}|here)", scope)
            if source is None or not places:
                return []
            given = marks.in_words("".join(re.findall(_PLACE, source[0])))
            wanted = next((place for place in places if place != given), "")
            return [replace(question, asked=Asked.CONVERTED, place=given, other_place=wanted)]
        case Asked.TIME if any(day not in ("today", "to day") for day in said(_DAY, clause)):
            return []
        case Asked.TIME if question.is_past and not question.span:
            return []
        case Asked.DATE | Asked.MONTH | Asked.YEAR if not question.days and _OPEN.search(asking):
            return []
        case _:
            return [replace(question, place=place) for place in places or [""]]


def _with_shared_place(questions: list[ClockQuestion]) -> list[ClockQuestion]:
    """ "What day and what time is it in Tokyo": one place at the end is meant for all."""
    named = [question for question in questions if question.place]
    if len(named) != 1 or questions[-1] is not named[0] or named[0].asked not in (Asked.TIME, Asked.DATE):
        return questions
    return [
        question if question.asked in _COUNTED | {Asked.DIFFERENCE} else replace(question, place=named[0].place)
        for question in questions
    ]
