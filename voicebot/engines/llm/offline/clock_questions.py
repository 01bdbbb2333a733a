"""Questions about times and dates found in speech, with the places they are about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from voicebot.engines.llm.offline.dates import WEEKDAYS
from voicebot.tools.places import Spot, places_in


class Asked(StrEnum):
    """What is to be read off the clock."""

    DIFFERENCE = "difference"
    UNTIL = "until"
    TIME = "time"
    DATE = "date"
    MONTH = "month"
    YEAR = "year"
    PLACE_ONLY = "place only"
    """Only a place was understood: the time there is the likeliest question."""


@dataclass(frozen=True, slots=True)
class ClockQuestion:
    """What is asked about the clock of a place; `place` is "" for here. `at` is the word where it is asked.

    A DIFFERENCE is that of `place` to `other_place`; UNTIL is about `event` ("Christmas", "friday"); a DATE is that
    of the day `days_ahead` days from now.
    """

    asked: Asked
    place: str = ""
    other_place: str = ""
    event: str = ""
    days_ahead: int = 0
    at: int = 0


_EVENTS: Mapping[str, str] = {
    r"christmas eve": "Christmas Eve",
    r"christmas|xmas": "Christmas",
    r"new years? eve": "New Year's Eve",
    r"(?:the )?new years?(?: day)?": "New Year",
    r"halloween": "Halloween",
    r"valentines?(?: day)?": "Valentine's Day",
    **{weekday: weekday for weekday in WEEKDAYS},
    r"the weekend": "saturday",
}
_EVENT = "|".join(f"(?:{pattern})" for pattern in _EVENTS)
_DAY = "today|to day|it today|it|that|tomorrow|yesterday|the day after tomorrow"

_PATTERNS: Mapping[Asked, tuple[str, ...]] = {
    Asked.DIFFERENCE: (
        r"time difference", r"difference (?:in|of) (?:time|hours)",
        r"how (?:many hours|far|much) (?:ahead|behind|between)",
    ),
    Asked.UNTIL: (
        rf"how (?:many|long|far)\b.{{0,30}}? (?:until|till|til|to|before|for) (?:{_EVENT})",
        rf"(?:when|what day(?: of the week)?|what date) (?:is|are)(?: it)? (?:{_EVENT})",
        rf"days (?:until|till|til|to|before) (?:{_EVENT})",
    ),
    Asked.TIME: (
        r"what (?:is )?(?:the )?(?:current |local |exact |right )?(?:times?|dime|thyme|hour)"
        r"(?! (?:to|for|do|does|did|will|of|zone))(?: (?:is it|it is|is that))?",
        r"time (?:is it|it is|is that)", r"oclock", r"clock", r"how late is it", r"and (?:the )?time",
        r"(?:tell|give|know|have|got|say|need|check)(?: me| us)? (?:the|what) (?:current |local )?time",
        r"(?:the |current |local )?time(?: is it)? (?:right now|now|here|in|at)",
        r"(?:the|current|local) time(?: please)?$", r"^time(?: please)?$",
    ),
    Asked.MONTH: (r"(?:what|which) (?:is )?(?:the |this )?(?:current )?month", r"month is (?:it|this)"),
    Asked.YEAR: (r"(?:what|which) (?:is )?(?:the |this )?(?:current )?year", r"year is (?:it|this)"),
    Asked.DATE: (
        rf"(?:what|which) (?:is |was |will )?(?:the |todays )?(?:current )?(?:weekday|days?|date)"
        rf"(?: of the (?:week|month))?(?: (?:is|was|be|will be|and(?= to ?day))(?: {_DAY})?)?",
        r"(?:day|date) (?:is it |and |it is )?to ?day", r"what (?:is )?to ?day", r"todays? (?:date|day)",
        r"once a day to day", r"(?:tell|give|know) (?:me )?(?:the|what) (?:date|day)", r"and (?:the )?(?:date|day)",
        r"(?:there|what|when|day|date) (?:is|was) (?:it )?(?:tomorrow|yesterday)",
        r"^(?:the )?(?:date|day|day of the week)(?: please| today)?$",
    ),
}  # fmt: skip
_COMPILED = {
    asked: re.compile("|".join(rf"\b{pattern}(?!\w)" for pattern in patterns)) for asked, patterns in _PATTERNS.items()
}
_TIME_LIKE = re.compile(r"\b(?:time|times|clock|hour|hours|late|early)\b")
_UNKNOWN_PLACE = re.compile(r"^\s*(?:right now |now |is it )*(?:in|at|for) (?P<place>\w+(?: \w+){0,2})")
_NO_PLACE = re.compile(
    r"^(?:the )?(?:here|this|that|my|your|our|total|the|a|an|morning|afternoon|evening|night|moment|words|english|me|it"
    r"|us|now)\b"
)
_AFTER_PLACE = re.compile(r" (?:and|please|now|right|today|tomorrow|yesterday|what|is|or|then|thanks|thank)\b.*")


def clock_questions_in(words: Sequence[str]) -> list[ClockQuestion]:
    """The questions about the clock among `words`, in their order; a place alone counts as one, PLACE_ONLY."""
    text = " ".join(words)
    spots = places_in(words)
    matches = _matches(text)
    if not matches and spots:
        asked = Asked.TIME if _TIME_LIKE.search(text) else Asked.PLACE_ONLY
        return [ClockQuestion(asked, _named(spot, words), at=spot.start) for spot in spots]
    questions: list[ClockQuestion] = []
    for number, (asked, start, end) in enumerate(matches):
        # A question has the places up to the next one; the first has also those before it.
        scope_start = 0 if number == 0 else start
        scope_end = matches[number + 1][1] if number + 1 < len(matches) else len(text) + 1
        scope = text[scope_start:scope_end]
        at = text.count(" ", 0, start)
        within = range(text.count(" ", 0, scope_start), text.count(" ", 0, scope_end) + (scope_end > len(text)))
        places = [_named(spot, words) for spot in spots if spot.start in within]
        if not places and (unknown := _unknown_place(text[end:scope_end])):
            places = [unknown]
        questions += _questions(asked, places, scope, at)
    return _with_shared_place(questions)


def _matches(text: str) -> list[tuple[Asked, int, int]]:
    """Each kind of question once, with its place in the text; of overlapping ones the first kind."""
    found: list[tuple[Asked, int, int]] = []
    for asked, pattern in _COMPILED.items():
        for match in pattern.finditer(text):
            if all(match.end() <= start or end <= match.start() for _, start, end in found):
                found.append((asked, match.start(), match.end()))
                break
    if any(asked is Asked.UNTIL for asked, *_ in found):
        found = [each for each in found if each[0] is not Asked.DATE]
    return sorted(found, key=lambda each: each[1])


def _questions(asked: Asked, places: list[str], scope: str, at: int) -> list[ClockQuestion]:
    match asked:
        case Asked.DIFFERENCE:
            first, second = (*places, "", "")[:2]
            return [ClockQuestion(asked, first, other_place=second, at=at)] if first else []
        case Asked.UNTIL:
            event = next(name for pattern, name in _EVENTS.items() if re.search(rf"\b(?:{pattern})\b", scope))
            return [ClockQuestion(asked, event=event, at=at)]
        case Asked.DATE:
            days_ahead = _days_ahead(scope)
            return [ClockQuestion(asked, place, days_ahead=days_ahead, at=at) for place in places or [""]]
        case _:
            return [ClockQuestion(asked, place, at=at) for place in places or [""]]


def _days_ahead(scope: str) -> int:
    if "day after tomorrow" in scope:
        return 2
    return 1 if "tomorrow" in scope else -1 if "yesterday" in scope else 0


def _with_shared_place(questions: list[ClockQuestion]) -> list[ClockQuestion]:
    """ "What day and what time is it in Tokyo": one place at the end is meant for all."""
    named = [question for question in questions if question.place]
    if len(named) != 1 or questions[-1] is not named[0] or named[0].asked not in (Asked.TIME, Asked.DATE):
        return questions
    return [
        question
        if question.asked in (Asked.UNTIL, Asked.DIFFERENCE)
        else ClockQuestion(question.asked, named[0].place, days_ahead=question.days_ahead, at=question.at)
        for question in questions
    ]


def _named(spot: Spot, words: Sequence[str]) -> str:
    return " ".join(words[spot.start : spot.end])


def _unknown_place(rest: str) -> str:
    """What stands where a place would, though none of that name is known: better asked back than passed over."""
    match = _UNKNOWN_PLACE.match(rest)
    if match is None or _NO_PLACE.match(match["place"]):
        return ""
    return _AFTER_PLACE.sub("", match["place"]).removeprefix("the ")
