"""Answers questions about the time and the date by the results of the clock tool.

A question counts only if each of its words is understood: "what time is it" is one, "what time does the bank close" and
"what day was the battle of Hastings" are none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, auto
from itertools import pairwise
from typing import Self, assert_never

from voicebot.engines.llm.offline.dates import DAY, NamedDay, day_named
from voicebot.engines.llm.offline.spoken import counted, spoken_date, spoken_time, spoken_year
from voicebot.engines.llm.offline.words import word_set
from voicebot.languages.gazetteer import places_in

NO_SUCH_DAY = "I can't find that day in the calendar."


class Asked(Enum):
    """What a question is about."""

    TIME = auto()
    DATE = auto()
    MONTH = auto()
    YEAR = auto()
    UNTIL = auto()
    """How long it is until a day."""


@dataclass(frozen=True, slots=True)
class ClockQuestion:
    """A question for the clock of `place`, which is "" for this machine. `day` holds the words that name a day."""

    asked: Asked
    place: str = ""
    day: str = ""
    is_past: bool = False
    in_weeks: bool = False


_PLACE, _DAY = "PLACE", "DAY"

_ASIDES = re.compile(
    r"\b(?:do you (?:know|have)|have (?:you|we) got|(?:do )?(?:we|they|people) have|(?:what|how) about|any idea"
    r"|at the moment|of the week|this year|excuse me|by your clock|are we (?:in|on)|time zone)\b"
)
"""Phrases that change nothing in a question."""

_GLUE = word_set(
    "what which when is are it the a me us you i can could would will be please tell give say know check need in at on"
    " for over of to and or so ok okay hey hi hello well um uh just now right currently current local exact there their"
    " him her we them here how that this again today also then if by only city state"
)
"""Words that change nothing in a question."""

_KINDS = {
    "time": Asked.TIME,
    **dict.fromkeys(("date", "day", "days", "dates", "weekday"), Asked.DATE),
    "month": Asked.MONTH,
    "year": Asked.YEAR,
}
_UNTIL = word_set("days weeks long many until till til far away left more count")
_ASKS = re.compile(r"\b(?:what|which|tell|give|know|time|date|day|when)\b")
_ASKS_YES_OR_NO = re.compile(r"(?:so |and )?(?:is|was) ")
_ASKS_FOR_DAY = re.compile(rf"^{_ASKS_YES_OR_NO.pattern}|\b(?:what|when) (?:is|are|was|were)\b")
_OTHER_TIME = re.compile(
    r"\b(?:\d+:\d\d|\d+ (?:[ap]m|oclock)|noon|midnight|(?:quarter|half) (?:to|past)"
    r"|in the (?:morning|afternoon|evening)|at night|(?:\d+|an?) (?:hours?|minutes?))\b"
)
"""Names a time other than now, about which nothing can be answered."""
_PAST = re.compile(r"\b(?:was|were|did|fell)\b")
_OTHER_DAY = word_set("date dates day days weekday was were did fell does do fall falls land lands going")
"""Words that stand in a question about a day other than today."""
_REFERS_BACK = re.compile(r"\b(?:there|their|for (?:him|her|them))\b")
_UNKNOWN_PLACE = re.compile(r"(?P<asking>.*\btime\b.*) (?:in|at) (?!the |my |your )(?P<place>[a-z]+(?: [a-z]+)?)")


def clock_questions_in(clause: str, earlier: str = "") -> list[ClockQuestion]:
    """Returns the questions in a clause of plain words; `earlier` is what stands before it and may name the place.

    A place alone, as in "and in Paris", asks for the time there.
    """
    if _OTHER_TIME.search(f"{earlier} {clause}"):
        return []
    days = [match[0] for match in DAY.finditer(clause)] or [match[0] for match in DAY.finditer(earlier)][-1:]
    is_past = _PAST.search(clause) is not None
    places, marked = _marked_places(DAY.sub(_DAY, clause))
    if days and _DAY not in marked:
        marked += f" {_DAY}"
    unknown = None if places or days else _UNKNOWN_PLACE.fullmatch(clause)
    if unknown and _content(unknown["asking"]) == {"time"} and not _GLUE.issuperset(unknown["place"].split()):
        return [ClockQuestion(Asked.TIME, unknown["place"])]
    asked = _asked(marked)
    if asked and not places:
        earlier_places, earlier_marked = _marked_places(earlier)
        is_meant = _REFERS_BACK.search(clause) or _content(earlier_marked) == {_PLACE}
        places = earlier_places[-1:] if is_meant else []
    return [
        ClockQuestion(each, place, _day_meant(days, clause), is_past=is_past, in_weeks="weeks" in clause.split())
        for each in asked
        for place in places or [""]
    ]


def _marked_places(clause: str) -> tuple[list[str], str]:
    """Returns the places that are named, and the clause with a mark in the place of each."""
    words = clause.split()
    spots = places_in(words)
    # "Paris, France" is one place.
    around = [
        outer for inner, outer in pairwise(spots) if inner.end == outer.start and inner.place.zone == outer.place.zone
    ]
    names = [" ".join(words[spot.start : spot.end]) for spot in spots if spot not in around]
    for spot in reversed(spots):
        words[spot.start : spot.end] = [] if spot in around else [_PLACE]
    return names, " ".join(words)


def _day_meant(days: Sequence[str], clause: str) -> str:
    """Returns the day that the answer tells. "Is it Friday" asks about today."""
    if days and _ASKS_YES_OR_NO.match(clause) and re.fullmatch("[a-z]+day", days[0]):
        return next((day for day in days if day in ("tomorrow", "yesterday")), "today")
    return days[0] if days else ""


def _content(clause: str) -> set[str]:
    return {word for word in _ASIDES.sub("", clause).split() if word not in _GLUE}


def _asked(clause: str) -> list[Asked]:
    content = _content(clause)
    kinds = list(dict.fromkeys(_KINDS[word] for word in clause.split() if word in content and word in _KINDS))
    if _DAY in content:
        is_count = re.search(r"\bhow (?:many|long|far|soon)\b|\b(?:days|weeks) (?:until|till|til|to)\b", clause)
        if is_count and content <= _UNTIL | {_DAY, "soon"}:
            return [Asked.UNTIL]
        if kinds == [Asked.DATE]:
            return kinds if content <= _OTHER_DAY | {_DAY} else []
        return [Asked.DATE] if content <= {_DAY, "was", "were"} and _ASKS_FOR_DAY.search(clause) else []
    if content == {_PLACE}:
        return [Asked.TIME]
    is_question = kinds and content <= {_PLACE, *_KINDS} and _ASKS.search(clause) and clause != "what is time"
    return kinds if is_question else []


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A result of the clock tool: the moment in a place's own time; `place` is "" for this machine."""

    moment: datetime
    place: str = ""
    note: str = ""

    @classmethod
    def of(cls, result: str) -> Self:
        """Reads the tool's JSON."""
        fields = json.loads(result)
        return cls(datetime.fromisoformat(fields["time"]), fields.get("place", ""), fields.get("note", ""))

    @property
    def in_place(self) -> str:
        return f" in {self.place}" if self.place else ""


def clock_answer(question: ClockQuestion, reading: ClockReading) -> str:
    """Returns the spoken answer, from the clock of the question's place."""
    today = reading.moment.date()
    day = day_named(question.day, today, is_past=question.is_past) if question.day else NamedDay(today)
    if day is None:
        return NO_SUCH_DAY
    match question.asked:
        case Asked.TIME:
            sentence = _time(reading)
        case Asked.DATE:
            sentence = _date(question.day, day, reading)
        case Asked.MONTH:
            sentence = f"It's {today:%B}{reading.in_place}."
        case Asked.YEAR:
            sentence = f"It's the year {spoken_year(today)}{reading.in_place}."
        case Asked.UNTIL:
            return _until(day, today, in_weeks=question.in_weeks)
        case _:
            assert_never(question.asked)
    return f"{reading.note} {sentence}".strip()


def _time(reading: ClockReading) -> str:
    if not reading.place:
        return f"It's {spoken_time(reading.moment)} by this computer's clock."
    return f"It's {spoken_time(reading.moment)} in {reading.place}, on {reading.moment:%A}."


def _date(words: str, day: NamedDay, reading: ClockReading) -> str:
    today = reading.moment.date()
    said = spoken_date(day.date, today)
    if day.holiday:
        return f"{day.holiday} {'was' if day.date < today else 'is'} on {said}."
    for name, distance, verb in (("Tomorrow", 1, "is"), ("Yesterday", -1, "was")):
        if words.startswith(name.lower()) and day.date - today == timedelta(days=distance):
            return f"{name} {verb} {said}{reading.in_place}."
    if day.date == today:
        return f"It's {said}, in {reading.place}." if reading.place else f"Today is {said}."
    return f"That {'was' if day.date < today else 'is'} {said}{reading.in_place}."


def _until(day: NamedDay, today: date, *, in_weeks: bool) -> str:
    said = spoken_date(day.date, today)
    name = f"{day.holiday}, which is on {said}" if day.holiday else said
    days = (day.date - today).days
    if not days:
        return f"{day.holiday or 'That'} is today!"
    if days < 0:
        return f"That was {counted(-days, 'day')} ago, on {said}."
    weeks, rest = divmod(days, 7) if in_weeks else (0, days)
    length = [counted(number, unit) for number, unit in ((weeks, "week"), (rest, "day")) if number]
    return f"It's {' and '.join(length)} until {name}."
