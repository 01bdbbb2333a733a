"""Questions about times and dates found in speech, with the places and days they are about.

A question counts only if nothing stands in it that is not understood: "what time is it" is one, "what time is it on the
moon lander" is none, and neither is "what day was the battle of Hastings".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from voicebot.engines.llm.offline.dates import MONTHS, Marks, has_year
from voicebot.tools.places import Spot, places_in


class Asked(StrEnum):
    """What is to be read off the clock."""

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
    UNTIL = "until"
    SINCE = "since"
    BETWEEN = "between"
    TIME = "time"
    MONTH = "month"
    YEAR = "year"
    WEEK = "week"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class ClockQuestion:
    """What is asked about the clock of a place; `place` is "" for here. `at` is the character where it is asked.

    The days, times and spans are in the words that name them.
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
    at: int = 0


_MARK = "[\ue000-\uf8ff]"
_DAY, _FEAST, _DAY_OR_FEAST = f"D{_MARK}", f"F{_MARK}", f"[DF]{_MARK}"
_TIME, _SPAN, _PLACE, _YEAR = f"T{_MARK}", f"S{_MARK}", f"P{_MARK}", f"Y{_MARK}"
_MONTHS = "|".join(MONTHS[1:])
_UNIT = r"(?:many )?(?:more )?(?P<unit>days|weeks|months|nights|sleeps|hours|minutes|long|far|much|soon)"
_STILL = r"(?: (?:more|time|longer|left|is|it|are|there|still|do|we|i|have|to|go|wait|away|from|now|will|be|take|days))*"
_HAVE = r"(?:do |would |have |does )?(?:they|we|you|people|folks|everyone|it) (?:have got|have|got)(?! to)"
_SOME = r"(?:(?:the|their|current|local|exact|right|correct|this|please|and|so|ok|okay|hey|now) )*"

_GLUE = (
    rf"[A-Z]{_MARK}|in|at|for|over|from|of|to|on|and|or|the|a|here|there|it|that|this|their|now|right|currently|current|local"
    r"|exact|city|please|is|was|are|be|will|would|does|do|did|has|exactly|today|again|already|still|ago|later|earlier|before"
    r"|after|than|going|fall|falls|fell|land|lands|been|ahead|behind|between|hours|just|actually|um|uh|then|so|yet|ok|okay"
    r"|bot|if|back|part|country|state|island|well|hey|check|whole|sort|kind|like|by"
)
"""Words that change nothing in a question about the clock."""
_SENTENCE = (
    rf"(?:^|(?<=\. ))(?!what is time$)(?=[^.]*(?:\b(?:what|which|tell|give|know|please|say|check)\b|{_PLACE}))"
    rf"(?:(?:{_GLUE}|what|which|tell|give|say|remind|me|us|you|can|could|know|idea|any|{_HAVE}) )*%s(?: (?:{_GLUE}|{_HAVE}))*(?= \.|$)"
)
"""A whole sentence about a word of the clock, in whatever order."""

_HEADS: Mapping[Asked, Sequence[str]] = {
    Asked.DIFFERENCE: (
        r"time (?:zone )?difference", r"difference (?:in|of) (?:time|hours)", r"hours(?: of)? difference",
        rf"difference between {_PLACE} time and {_PLACE} time", rf"is {_PLACE} (?:ahead|behind)(?: of)?(?: or (?:ahead|behind)(?: of)?)? {_PLACE}",
        rf"how (?:many hours|far|much)(?: time)?(?: (?:is|are|am|i|we|they|it))*(?: {_PLACE})?"
        r" (?:ahead|behind|between|earlier|later)",
    ),
    Asked.TIME_SUM: (
        rf"{_TIME} (?:plus|minus) {_SPAN}", rf"{_SPAN} (?:after|before|from|past|later than|earlier than) {_TIME}",
        rf"(?:add|subtract|take) {_SPAN} (?:to|from|away from) {_TIME}",
    ),
    Asked.LEAP_YEAR: (
        r"(?:is|was|will)(?: it| this| be| the year)*(?: (?P<period>\d{4}|20 \d\d|Y.))?"
        r"(?: going to be| be)? a leap year",
    ),
    Asked.DAYS_IN: (
        r"how many days(?: (?:are|there|does|do|is|will|be))*(?: in)?(?: the month of)?"
        rf" (?P<period1>{_MONTHS}|(?:this|next|last) month|a year|{_YEAR})(?: have| has)?",
    ),
    Asked.LEFT: (
        rf"how (?:many|much) (?:of )?(?P<unit3>days|weeks|months)?(?: ?(?:is|are|do we have|there|still))*"
        rf" (?:left|remaining|remain)(?: (?:in|of|until|to))*(?: the end of)? (?:(?:this|the) (?P<period2>year|month|week)|{_YEAR})",
        rf"how much of (?:(?:this|the) (?P<period3>year|month|week)|{_YEAR}) (?:is|remains)(?: still)?(?: left)?",
    ),
    Asked.BETWEEN: (rf"how {_UNIT}{_STILL} (?:between|from) {_DAY_OR_FEAST} (?:and|to|until) {_DAY_OR_FEAST}",),
    Asked.SINCE: (
        rf"how {_UNIT}(?: (?:is|it|has|have|been|passed|was|there|are|were))* (?:since|ago (?:was|is)) {_DAY_OR_FEAST}",
    ),
    Asked.UNTIL: (
        rf"how {_UNIT}{_STILL} (?:until|till|til|to|before|for|is|off is|away is|away from) (?:{_DAY_OR_FEAST}|{_TIME})",
        rf"(?P<unit2>days|weeks|months) (?:left )?(?:until|till|til|to|before) {_DAY_OR_FEAST}",
        rf"(?:when|what (?:day|date|weekday)(?: of the week)?|which day)(?: (?:is|are|will|does|do|it|on|be))* {_FEAST}",
    ),
    Asked.TIME: (
        r"what (?:time|hour) (?:is|was|will|would|should) (?:it|that|the time)(?: (?:now|be|been|have been))*",
        r"what (?:time|hour) it (?:is|was|will be|would be)",
        rf"what time(?: {_HAVE})?(?= (?:in|at|now|right|here|there|over|please|{_PLACE})\b|$| \.)",
        rf"(?:what is|tell|give|know|have|have you got|got|say|need|check|read|get|and|is)(?: me| us)? {_SOME}"
        r"(?<=the |ent |cal )time(?: (?:is it|it is|is|be))?",
        rf"(?:^|(?<=\. )){_SOME}time(?: (?:is it|it is))?", _SENTENCE % "time", r"and (?:the )?time", rf"what (?:time )?is(?= {_TIME}.* {_PLACE})", r"how late is it",
        r"what is the hour", r"what does (?:the|your) clock say", r"(?:check|look at) (?:the|your) clock",
        r"is it (?:(?:already|still|very|too|so|really|now|currently|quite) )*"
        rf"(?:late|early|morning|afternoon|evening|night|nighttime|day|daytime|{_DAY})(?= .*(?:{_PLACE}|\bthere\b))",
    ),
    Asked.MONTH: (r"(?:what|which) (?:is (?:the |this )?)?(?:current )?month",),
    Asked.YEAR: (r"(?:what|which) (?:is (?:the |this )?)?(?:current )?year",),
    Asked.WEEK: (r"(?:what|which) (?:is (?:the |this )?)?(?:current )?(?:calendar )?week(?: number)?(?: of the year)?",),
    Asked.DATE: (
        rf"(?:what|which) (?:(?:is|was|were|will|are) )*{_SOME}(?:be )?(?:weekday|days?|date)",
        rf"what (?:is|was|are)(?= {_DAY})", rf"when (?:is|was|are|will|does|did)(?= {_DAY_OR_FEAST})",
        r"(?:tell|give|know)(?: me)? (?:the|what) (?:date|day)", r"(?:date|day) is it", _SENTENCE % "(?:date|day|weekday)", r"and (?:the )?(?:date|day)",
        rf"(?:^|(?<=\. )){_SOME}(?:{_DAY} )?(?:date|day)", rf"is it(?= {_DAY}(?: {_DAY})?$)", rf"is(?= {_DAY} {_DAY})",
        rf"(?:is|was|will)(?= {_DAY}(?: be)?(?: on)? a {_DAY})",
    ),
}  # fmt: skip
_COMPILED = {
    asked: re.compile("|".join(rf"(?<!\S)(?:{head})(?!\S)" for head in heads)) for asked, heads in _HEADS.items()
}

_CLAUSE_END = re.compile(
    r"(?<!\S)(?:\.|but|also|then|because|what|how|who|why|tell|thanks|thank|hello|hi|#"
    rf"|(?:and|or)(?! (?:in )?[A-Z]{_MARK}))(?!\S)"
)
_PASSING = re.compile(
    rf"(?<!\S)(?:{_HAVE}|are we (?:in|on)|(?:for|to|with) (?:me|you|us)|by your clock"
    r"|where (?:you|i|we) (?:are|am|live)|(?:in|of) the world|at the moment|in the (?:morning|afternoon|evening)|by the way|do you (?:know|think)|i guess)(?!\S)"
)
_EXPLAINED = re.compile(rf"{_GLUE}|week|weekday|month|year|time|date|day")
_OPEN = re.compile(r"(?<!\S)(?:was|were|will|would|does|did|do|fall|falls|fell|land|lands|ago|later|earlier|before|after)(?!\S)")
"""Words by which a question is about another moment than this one."""
_PAST = re.compile(r"(?<!\S)(?:was|were|did|ago|fell|since|has been)(?!\S)")
_LESS = re.compile(r"(?<!\S)(?:minus|before|earlier|subtract|take)(?!\S)")
_UNKNOWN_PLACE = re.compile(
    r"^(?: (?:right|now|currently|is|it|over))* (?:in|at) (?P<place>(?:the )?\w+(?: \w+){0,2}?)"
    r"(?: (?:please|right now|now|today))*$"
)
_NO_PLACE = re.compile(
    r"^(?:the )?(?:my|your|our|his|her|total|morning|afternoon|evening|night|words|english|general|minutes?|hours?|game"
    r"|movie|film|party|meeting|bank|store|end|beginning|start|case|order|time)\b"
)
_PLACE_ALONE = re.compile(
    r"^(?:(?:and|so|ok|okay|well|hey|um|uh|please|now|then|what about|how about|in|at|for|it|is|time|the|there) )*"
    rf"{_PLACE}(?: (?:{_PLACE}|and|or|in|please|then|now|right|there))*$"
)


def clock_questions_in(marks: Marks) -> list[ClockQuestion]:
    """The questions about the clock in a text, in their order; a place alone is a question for the time there."""
    text = _with_places(marks)
    if _PLACE_ALONE.match(text):
        return [ClockQuestion(Asked.TIME, marks.in_words(place)) for place in re.findall(_PLACE, text)]
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
    whole = [spot for before, spot in zip(spots, spots[1:], strict=False) if _is_around(before, spot)]
    for spot in reversed(spots):
        said = " ".join(words[spot.start : spot.end])
        words[spot.start : spot.end] = [] if spot in whole else [marks.add("P", said)]
    return " ".join(words)


def _is_around(place: Spot, other: Spot) -> bool:
    """Whether the other is named right after the place and has its clock, as a country has."""
    return place.end == other.start and place.place.zone == other.place.zone


def _heads(text: str) -> list[tuple[Asked, re.Match[str]]]:
    """Each kind of question once; of overlapping ones the first kind."""
    found: list[tuple[Asked, re.Match[str]]] = []
    for asked, pattern in _COMPILED.items():
        for match in pattern.finditer(text):
            if all(match.end() <= other.start() or other.end() <= match.start() for _, other in found):
                found.append((asked, match))
                break
    return sorted(found, key=lambda each: each[1].start())


def _questions(marks: Marks, asked: Asked, head: re.Match[str], before: str, clause: str) -> list[ClockQuestion]:
    """The question of a head and its clause, for each of its places; none where a part is not understood."""
    asking = f"{head[0]}{clause}"
    scope = f"{before}{asking}"
    places = [marks.in_words(place) for place in re.findall(_PLACE, scope)]
    if not all(map(_EXPLAINED.fullmatch, _PASSING.sub("", clause).split())):
        unknown = _UNKNOWN_PLACE.match(clause)
        if places or unknown is None or _NO_PLACE.match(unknown["place"]):
            return []
        places = [unknown["place"].removeprefix("the ")]

    def said(kind: str, text: str) -> tuple[str, ...]:
        return tuple(marks.in_words(mark) for mark in re.findall(kind, text))

    groups = {name.rstrip("123"): words for name, words in head.groupdict().items() if words}
    years = said(_YEAR, asking)
    days = said(_DAY_OR_FEAST, asking if asked in _COUNTED else scope)
    question = ClockQuestion(
        asked,
        days=tuple(day if has_year(day) else " ".join((day, *years)) for day in days),
        time="".join(said(_TIME, scope)[:1]),
        span="".join(said(_SPAN, scope)[:1]),
        unit=groups.get("unit", "").removesuffix("s"),
        period=marks.in_words(groups.get("period", "")),
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
            asked_for = next((place for place in places if place != given), "")
            return [replace(question, asked=Asked.CONVERTED, place=given, other_place=asked_for)]
        case Asked.TIME if any(day not in ("today", "to day") for day in said(_DAY, clause)):
            return []
        case Asked.TIME if question.is_past and not question.span:
            return []
        case Asked.DATE if head[0] == "is it":
            return [replace(question, days=())]
        case Asked.DATE | Asked.MONTH | Asked.YEAR if not question.days and _OPEN.search(asking):
            return []
        case _:
            return [replace(question, place=place) for place in places or [""]]


_COUNTED = frozenset((Asked.UNTIL, Asked.SINCE, Asked.BETWEEN))


def _with_shared_place(questions: list[ClockQuestion]) -> list[ClockQuestion]:
    """ "What day and what time is it in Tokyo": one place at the end is meant for all."""
    named = [question for question in questions if question.place]
    if len(named) != 1 or questions[-1] is not named[0] or named[0].asked not in (Asked.TIME, Asked.DATE):
        return questions
    return [
        question if question.asked in _COUNTED | {Asked.DIFFERENCE} else replace(question, place=named[0].place)
        for question in questions
    ]
