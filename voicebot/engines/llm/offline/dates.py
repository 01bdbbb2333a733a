"""Finds days that people name, such as "next friday" or "the fourth of july", and returns their dates."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from dateutil.easter import easter
from dateutil.relativedelta import TH, relativedelta, weekday

_MONTHS = tuple(name.lower() for name in calendar.month_name[1:])
_WEEKDAYS = tuple(name.lower() for name in calendar.day_name)


def _yearly(month: int, day: int) -> Callable[[int], date]:
    return lambda year: date(year, month, day)


def _thanksgiving(year: int) -> date:
    fourth_thursday: date = date(year, 11, 1) + relativedelta(weekday=TH(4))
    return fourth_thursday


_HOLIDAYS: Mapping[str, tuple[str, Callable[[int], date]]] = {
    "christmas eve": ("Christmas Eve", _yearly(12, 24)),
    "christmas(?: day)?|xmas": ("Christmas", _yearly(12, 25)),
    "new years? eve": ("New Year's Eve", _yearly(12, 31)),
    "new years?(?: day)?": ("New Year's Day", _yearly(1, 1)),
    "valentines?(?: day)?": ("Valentine's Day", _yearly(2, 14)),
    "easter(?: sunday)?": ("Easter", easter),
    "halloween": ("Halloween", _yearly(10, 31)),
    "thanksgiving(?: day)?": ("Thanksgiving", _thanksgiving),
}
"""Holidays as they are said, their names, and their dates in a year. Thanksgiving is that of the United States."""

_YEAR = r"(?:(?:in|of) )?(?:(?P<{0}>this|next|last) year|(?P<{1}>\d{{4}}|(?:1\d|20) (?:\d\d|oh \d)))(?![\w:])"
_NUMBER = r"(?P<{}>\d\d?)(?:st|nd|rd|th)?"
_ANY_MONTH, _ANY_WEEKDAY, _ANY_HOLIDAY = "|".join(_MONTHS), "|".join(_WEEKDAYS), "|".join(_HOLIDAYS)
_UNIT = r"(?P<{}>day|week|month|year)s?"

DAY = re.compile(
    r"(?<!\S)(?:"
    rf"(?:the )?(?:(?P<which_holiday>next|this|last) )?(?P<holiday>{_ANY_HOLIDAY})"
    rf"(?: {_YEAR.format('near1', 'year1')})?"
    rf"|(?:(?:{_ANY_WEEKDAY}) )?(?:(?:the )?{_NUMBER.format('day1')} (?:of )?(?P<month1>{_ANY_MONTH})"
    rf"|(?P<month2>{_ANY_MONTH}) (?:the )?{_NUMBER.format('day2')}(?![\w:]))(?: {_YEAR.format('near2', 'year2')})?"
    rf"|(?:(?P<which>next|this coming|this|last|coming) )?(?P<weekday>{_ANY_WEEKDAY})"
    r"|(?:the )?(?P<named>day after tomorrow|day before yesterday|(?:today|tomorrow|yesterday)s?)"
    rf"|(?:in )?(?P<count>\d{{1,4}}|an?) {_UNIT.format('unit')} (?P<from>ago|from (?:now|today|tomorrow))"
    rf"|in (?P<in_count>\d{{1,4}}|an?) {_UNIT.format('in_unit')}"
    r")(?!\S)"
)
_NAMED = {"today": 0, "tomorrow": 1, "yesterday": -1, "day after tomorrow": 2, "day before yesterday": -2}


@dataclass(frozen=True, slots=True)
class NamedDay:
    """A date, and the name of the holiday if one was named."""

    date: date
    holiday: str = ""


def day_named(words: str, today: date, *, is_past: bool = False) -> NamedDay | None:
    """Returns the day that `words`, a match of `DAY`, name; None if there is no such day, as with "february 30th".

    Without a year it is the next such day, today included; if `is_past`, the last one.
    """
    match = DAY.fullmatch(words)
    if match is None:
        return None
    said = match.groupdict()
    try:
        if said["holiday"]:
            pattern = next(pattern for pattern in _HOLIDAYS if re.fullmatch(pattern, said["holiday"]))
            name, date_in = _HOLIDAYS[pattern]
            is_past = is_past or said["which_holiday"] == "last"
            return NamedDay(_in_year(date_in, said["near1"], said["year1"], today, is_past=is_past), name)
        if month := said["month1"] or said["month2"]:
            date_in = _yearly(_MONTHS.index(month) + 1, int(said["day1"] or said["day2"]))
            return NamedDay(_in_year(date_in, said["near2"], said["year2"], today, is_past=is_past))
        return NamedDay(today + _distance(said, today, is_past=is_past))
    except (ValueError, OverflowError):
        return None


def _in_year(date_in: Callable[[int], date], near: str | None, year: str | None, today: date, *, is_past: bool) -> date:
    if near:
        return date_in(today.year + {"this": 0, "next": 1, "last": -1}[near])
    if year:
        return date_in(int(year.replace("oh ", "0").replace(" ", "")))
    day = date_in(today.year)
    if is_past:
        return day if day <= today else date_in(today.year - 1)
    return day if day >= today else date_in(today.year + 1)


def _distance(said: Mapping[str, str | None], today: date, *, is_past: bool) -> timedelta:
    if named := said["named"]:
        return timedelta(days=_NAMED[named if named in _NAMED else named.removesuffix("s")])
    if name := said["weekday"]:
        on = weekday(_WEEKDAYS.index(name))
        if said["which"] == "last" or (is_past and said["which"] is None):
            return _moved(today, relativedelta(days=-1, weekday=on(-1)))
        return _moved(today, relativedelta(days=said["which"] != "this", weekday=on(1)))
    count, unit = said["count"] or said["in_count"] or "1", said["unit"] or said["in_unit"] or "day"
    number = int(count) if count.isdecimal() else 1
    distance = _moved(today, relativedelta(**{f"{unit}s": -number if said["from"] == "ago" else number}))
    return distance + timedelta(days=said["from"] == "from tomorrow")


def _moved(day: date, by: relativedelta) -> timedelta:
    moved: date = day + by
    return moved - day
