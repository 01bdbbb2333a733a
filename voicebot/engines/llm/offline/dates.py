"""Days, times of day and lengths of time as people name them: "next friday", "quarter past 3", "2 hours"."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from functools import partial
from typing import Any, Protocol

from dateutil.easter import easter
from dateutil.relativedelta import TH, relativedelta, weekday

WEEKDAYS = tuple(name.lower() for name in calendar.day_name)
MONTHS = tuple(name.lower() for name in calendar.month_name)


class YearlyDay(Protocol):
    """A day that comes once a year."""

    def in_year(self, year: int) -> date:
        """Returns its date. Raises ValueError if there is none in that year."""
        ...


@dataclass(frozen=True, slots=True)
class DayOfYear:
    """A day that has the same date each year."""

    month: int
    day: int

    def in_year(self, year: int) -> date:
        return date(year, self.month, self.day)


@dataclass(frozen=True, slots=True)
class EasterDay:
    """A day that is so many days after Easter Sunday."""

    days: int = 0

    def in_year(self, year: int) -> date:
        sunday: date = easter(year)
        return sunday + timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class WeekdayOfMonth:
    """A weekday of a month, such as its fourth Thursday."""

    month: int
    nth: weekday

    def in_year(self, year: int) -> date:
        return _moved(date(year, self.month, 1), weekday=self.nth)


_FEASTS: Mapping[str, tuple[str, YearlyDay]] = {
    "christmas eve": ("Christmas Eve", DayOfYear(12, 24)),
    "christmas(?: day)?|xmas": ("Christmas", DayOfYear(12, 25)),
    "boxing day": ("Boxing Day", DayOfYear(12, 26)),
    "new years? eve": ("New Year's Eve", DayOfYear(12, 31)),
    "new years?(?: day)?": ("New Year", DayOfYear(1, 1)),
    "valentines?(?: day)?": ("Valentine's Day", DayOfYear(2, 14)),
    "(?:st|saint) patricks?(?: day)?": ("Saint Patrick's Day", DayOfYear(3, 17)),
    "april fools?(?: day)?": ("April Fools' Day", DayOfYear(4, 1)),
    "good friday": ("Good Friday", EasterDay(-2)),
    "easter monday": ("Easter Monday", EasterDay(1)),
    "easter(?: sunday)?": ("Easter", EasterDay()),
    "halloween": ("Halloween", DayOfYear(10, 31)),
    "thanksgiving(?: day)?": ("Thanksgiving", WeekdayOfMonth(11, TH(4))),
}
"""Days that come once a year: how they are said, their names, and when they are. Thanksgiving is that of the USA."""

MOVABLE_FEASTS = frozenset(("Good Friday", "Easter", "Easter Monday", "Thanksgiving"))
"""Feasts that are on another date each year."""

_NAMED = {"today": 0, "tomorrow": 1, "yesterday": -1, "day after tomorrow": 2, "day before yesterday": -2}

_YEAR = r"(?:in |of )?(?:(?:this|next|last) year|\d{4}|(?:1\d|20) (?:\d\d|oh \d))(?![\w:])"
_FEAST = (
    rf"(?:the )?(?:(?P<feast_which>next|coming|upcoming|this|last) )?(?P<feast>{'|'.join(_FEASTS)})"
    rf"(?: (?P<feast_year>{_YEAR}))?"
)
_WEEKDAY = "|".join(WEEKDAYS)
_DATE = (
    rf"(?:(?:{_WEEKDAY}) )?(?:"
    rf"(?:the )?(?P<day>\d\d?)(?:st|nd|rd|th)? (?:of )?(?P<month>{'|'.join(MONTHS[1:])})"
    rf"|(?P<month2>{'|'.join(MONTHS[1:])}) (?:the )?(?P<day2>\d\d?)(?:st|nd|rd|th)?(?![\w:])"
    rf")(?: (?P<year>{_YEAR}))?"
)
_DAY_OF_MONTH = r"(?<!\d to )the (?P<ordinal>\d\d?)(?:st|nd|rd|th)(?: of (?:this|the) month)?(?! (?:power|root))"
_WEEKDAY_NEAR = rf"(?:the |on )*(?:(?P<which>next|this|last|coming) )?(?P<weekday>{_WEEKDAY}|weekend)"
_NAMED_DAY = r"(?P<named>(?:the )?day (?:after tomorrow|before yesterday)|(?:to ?day|tomorrow|yesterday)s?)"
_END = r"(?:the )?end of (?:the |this )?(?P<end>year|month)"
_COUNT = r"(?P<count>\d{1,5}|an?|another) (?P<unit>day|week|fortnight|month|year)s?"
_SHIFT = rf"in {_COUNT}(?: time)?|{_COUNT.replace('<', '<x')} (?P<way>ago|later|hence|from now)"
_SHIFT_FROM = rf"{_COUNT} (?P<side>from|after|before) (?P<anchor>%s)"
_MONTH_START = rf"(?<=(?:until|since) )(?P<start>{'|'.join(MONTHS[1:])})(?! \d)"

_PART = r"(?P<part>(?:in the |this )?(?:morning|afternoon|evening)|at night|tonight|am|pm)"
_TIME = (
    r"(?:(?:an? )?(?P<past>half|quarter|\d\d?(?: minutes?|(?= past))) (?P<direction>past|after|to|before)"
    rf" (?P<full>\d\d?)(?: oclock)?(?: {_PART.replace('<', '<x')})?"
    rf"|(?P<hour>\d\d?)(?: oclock(?: {_PART.replace('<', '<y')})?|:(?P<minute>\d\d)(?: {_PART.replace('<', '<z')})?"
    rf"|(?: (?P<minute2>\d\d|oh \d))? {_PART})"
    r"|(?P<name>noon|midday|midnight))"
)
_SPAN_UNIT = r"(?:hour|minute|second)s?"
_SPAN = (
    rf"(?:(?:\d+(?:\.\d+)?|an?) {_SPAN_UNIT}|half (?:of )?an hour|(?:an? )?quarter of an hour)(?: and a half)?"
    rf"(?:(?: and)? \d+ {_SPAN_UNIT})*"
)


def _whole(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\S)(?:{pattern})(?!\S)")


_MARK = "[A-Z][\ue000-\uf8ff]"
_MARKED = (
    ("F", _whole(_FEAST)),
    ("D", _whole(_DATE)),
    ("D", _whole(_NAMED_DAY)),
    ("D", _whole(_MONTH_START)),
    ("T", _whole(_TIME)),
    ("D", _whole(_WEEKDAY_NEAR)),
    ("D", _whole(_DAY_OF_MONTH)),
    ("D", _whole(_END)),
    ("D", _whole(_SHIFT)),
    ("D", _whole(_SHIFT_FROM % "[DF].")),
    ("S", _whole(_SPAN)),
    ("Y", _whole(r"in \d{4}|(?:this|next|last) year")),
)
"""What is replaced by a mark, in this order: a feast, a day, a time of day, a span of time, a year."""


@dataclass(slots=True)
class Marks:
    """A text in which a mark of two characters stands for each day and time, and the words that each mark stands for.

    The first character of a mark is its kind: D for a day, F for a feast, T for a time of day, S for a span of time,
    Y for a year.
    """

    text: str
    words: list[str] = field(default_factory=list)

    def add(self, kind: str, words: str) -> str:
        """The new mark that stands for `words`."""
        self.words.append(self.in_words(words))
        return f"{kind}{chr(0xE000 + len(self.words) - 1)}"

    def in_words(self, text: str) -> str:
        """`text` with the words again in the place of the marks."""
        return re.sub(_MARK, lambda match: self.words[ord(match[0][1]) - 0xE000], text)


def marked(text: str) -> Marks:
    """`text`, words from `words_of`, with marks in the place of days and times."""
    marks = Marks(text)
    for kind, pattern in _MARKED:
        marks.text = pattern.sub(partial(_mark, marks, kind), marks.text)
    return marks


def _mark(marks: Marks, kind: str, match: re.Match[str]) -> str:
    return marks.add(kind, match[0])


def feast_named(words: str) -> str:
    """The name of the feast in `words` as it is written, such as "New Year's Eve"; "" if there is none."""
    match = re.fullmatch(_FEAST, words)
    return _feast(match["feast"])[0] if match else ""


def has_year(words: str) -> bool:
    """Whether `words` name a year as well, such as "christmas 2030"."""
    return re.search(rf"(?<!\S){_YEAR}$", words) is not None


def _feast(words: str) -> tuple[str, YearlyDay]:
    return next(feast for pattern, feast in _FEASTS.items() if re.fullmatch(pattern, words))


def day_meant(words: str, today: date, *, is_past: bool = False) -> date | None:
    """The day that `words` name, or None if there is no such day, as with "february 30th".

    Without a year it is the next such day, today included; if `is_past`, the last one.
    """
    try:
        return _day(words, today, is_past=is_past)
    except (ValueError, OverflowError):
        return None


def _day(words: str, today: date, *, is_past: bool) -> date | None:
    if match := re.fullmatch(_SHIFT, words):
        count, unit = (match["count"], match["unit"]) if match["count"] else (match["xcount"], match["xunit"])
        return _shifted(today, count, unit, backwards=match["way"] == "ago")
    if match := re.fullmatch(_SHIFT_FROM % ".+", words):
        anchor = day_meant(match["anchor"], today, is_past=is_past)
        return anchor and _shifted(anchor, match["count"], match["unit"], backwards=match["side"] == "before")
    if match := re.fullmatch(_FEAST, words):
        return _in_year(
            _feast(match["feast"])[1], match["feast_year"], today, is_past=is_past or match["feast_which"] == "last"
        )
    if match := re.fullmatch(_DATE, words):
        month = MONTHS.index(match["month"] or match["month2"])
        number = int(match["day"] or match["day2"])
        return _in_year(DayOfYear(month, number), match["year"], today, is_past=is_past)
    if match := re.fullmatch(_NAMED_DAY, words):
        name = match["named"].removeprefix("the ").replace("to day", "today")
        return today + timedelta(days=_NAMED[name if name in _NAMED else name.removesuffix("s")])
    if match := re.fullmatch(_WEEKDAY_NEAR, words):
        on = weekday(5 if match["weekday"] == "weekend" else WEEKDAYS.index(match["weekday"]))
        if match["which"] == "last" or (is_past and match["which"] is None):
            return _moved(today - timedelta(days=1), weekday=on(-1))
        return _moved(today + timedelta(days=match["which"] != "this"), weekday=on(1))
    if match := re.fullmatch(_DAY_OF_MONTH, words):
        day = today.replace(day=int(match["ordinal"]))
        return day if (day <= today) is is_past or day == today else _moved(day, months=-1 if is_past else 1)
    if match := re.fullmatch(_END, words):
        return _moved(today, day=31, month=12 if match["end"] == "year" else None)
    month = MONTHS.index(words)
    return _in_year(DayOfYear(month, 1), None, today, is_past=is_past)


def _shifted(day: date, count: str, unit: str, *, backwards: bool) -> date:
    number = int(count) if count.isdecimal() else 1
    number, unit = (2 * number, "week") if unit == "fortnight" else (number, unit)
    return _moved(day, **{f"{unit}s": -number if backwards else number})


def _moved(start: date, **fields: Any) -> date:
    """`start` with dateutil's relative fields added, such as months=1, and absolute ones set, such as month=1."""
    moved: date = start + relativedelta(**fields)
    return moved


def _in_year(day_of_year: YearlyDay, year: str | None, today: date, *, is_past: bool) -> date:
    if year is not None:
        return day_of_year.in_year(year_meant(year, today))
    day = day_of_year.in_year(today.year)
    if is_past:
        return day if day <= today else day_of_year.in_year(today.year - 1)
    return day if day >= today else day_of_year.in_year(today.year + 1)


def year_meant(words: str, today: date) -> int:
    """The year that is said as "2026", "20 26", "19 oh 5" or "next year"."""
    words = words.removeprefix("in ").removeprefix("of ")
    if words.endswith("year"):
        return today.year + {"this": 0, "next": 1, "last": -1}[words.split()[0]]
    return int(words.replace("oh ", "0").replace(" ", ""))


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A time of day that was said; of "quarter past three" it is open whether it is in the morning."""

    time: time
    is_open: bool


def time_meant(words: str) -> TimeOfDay | None:
    """The time of day that `words` name, or None if there is none, as with "25 o'clock"."""
    match = re.fullmatch(_TIME, words)
    if match is None:
        return None
    if match["name"]:
        return TimeOfDay(time(0 if match["name"] == "midnight" else 12), is_open=False)
    part = next((match[f"{which}part"] for which in ("", "x", "y", "z") if match[f"{which}part"]), "")
    said_hour = int(match["hour"] or match["full"])
    minutes = 60 * said_hour
    if match["past"]:
        distance = {"half": 30, "quarter": 15}.get(match["past"]) or int(match["past"].split()[0])
        minutes += distance if match["direction"] in ("past", "after") else -distance
    else:
        minutes += int((match["minute"] or match["minute2"] or "0").removeprefix("oh "))
    if part:
        minutes %= 12 * 60
        is_late = part.endswith(("afternoon", "evening", "pm", "tonight")) or (part == "at night" and minutes >= 6 * 60)
        minutes += 12 * 60 if is_late else 0
    hour, minute = divmod(minutes, 60)
    return TimeOfDay(time(hour % 24, minute), is_open=not part and 1 <= said_hour <= 12) if hour <= 24 else None


def span_meant(words: str) -> timedelta:
    """The length of time that `words` name, such as "2 hours and 10 minutes" or "an hour and a half"."""
    total = timedelta()
    for count, unit in re.findall(rf"(\d+(?:\.\d+)?|an?) ({_SPAN_UNIT})", words):
        number = float(count) if count[0].isdecimal() else 1.0
        if words.startswith(("half", "quarter", "a quarter")):
            number = 0.5 if words.startswith("half") else 0.25
        elif words.endswith("and a half"):
            number += 0.5
        total += timedelta(**{f"{unit.removesuffix('s')}s": min(number, 10**6)})
    return total
