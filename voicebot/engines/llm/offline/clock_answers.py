"""What is said about times and dates, from what the clock tool has read."""

from __future__ import annotations

import calendar
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import MAXYEAR, MINYEAR, date, datetime, timedelta
from typing import Self, assert_never

from dateutil.relativedelta import relativedelta

from voicebot.engines.llm.offline.clock_questions import Asked, ClockQuestion
from voicebot.engines.llm.offline.dates import (
    MONTHS,
    MOVABLE_FEASTS,
    WEEKDAYS,
    day_meant,
    feast_named,
    has_year,
    span_meant,
    time_meant,
    year_meant,
)
from voicebot.engines.llm.offline.spoken import (
    cardinal,
    counted,
    joined,
    ordinal,
    spoken_date,
    spoken_time,
    spoken_year,
)
from voicebot.engines.llm.offline.words import capitalized

NO_SUCH_DAY = "I can't find that day in the calendar."
NO_SUCH_TIME = "I can't find that time on the clock."


@dataclass(frozen=True, slots=True)
class Reading:
    """One result of the clock tool: the moment in a place's own time; `place` is "" for this machine."""

    moment: datetime
    place: str = ""
    note: str = ""

    @classmethod
    def of(cls, result: str) -> Self:
        """From the tool's JSON."""
        fields = json.loads(result)
        return cls(datetime.fromisoformat(fields["time"]), fields.get("place", ""), fields.get("note", ""))

    @property
    def in_place(self) -> str:
        return f" in {self.place}" if self.place else ""


def clock_answer(question: ClockQuestion, readings: Sequence[Reading]) -> str:
    """The answer to `question`; `readings` are those of its places, two for a DIFFERENCE and a CONVERTED."""
    reading = readings[0]
    today = reading.moment.date()
    days = [day_meant(words, today, is_past=question.is_past) for words in question.days]
    if None in days:
        return NO_SUCH_DAY
    return _answer(question, readings, today, [day for day in days if day is not None])


def _answer(question: ClockQuestion, readings: Sequence[Reading], today: date, days: Sequence[date]) -> str:
    reading = readings[0]
    day, it_is = (days[0], "That is") if days else (today, "It's")
    match question.asked:
        case Asked.DIFFERENCE:
            return _difference(*readings)
        case Asked.CONVERTED:
            return _converted(question.time, *readings)
        case Asked.TIME_SUM:
            return _time_sum(question, today)
        case Asked.TIME:
            return _noted(reading, _time(question, reading))
        case Asked.UNTIL if question.time:
            return _until_time(question.time, reading.moment)
        case Asked.UNTIL:
            return _until(question, today, days[-1])
        case Asked.SINCE:
            since = _name(question.days[-1], days[-1], today)
            return f"It's been {_length(days[-1], today, question.unit)} since {since}."
        case Asked.BETWEEN:
            first, last = days[-2:]
            # "Between March first and April first" is within one year, which can be the next one.
            last = last if last >= first else day_meant(question.days[-1], first) or last
            return f"That is {_length(min(first, last), max(first, last), question.unit)}."
        case Asked.LEFT:
            return _left(question, today)
        case Asked.DAYS_IN:
            return _days_in(question.period, today)
        case Asked.LEAP_YEAR:
            return _leap_year(question.period, today)
        case Asked.TODAY:
            return _noted(reading, _date(replace(question, days=()), reading, today))
        case Asked.DATE:
            return _noted(reading, _date(question, reading, day))
        case Asked.WEEK:
            return f"It's week {cardinal(today.isocalendar().week)} of the year{reading.in_place}."
        case Asked.MONTH:
            return f"{it_is} {day:%B}{reading.in_place}."
        case Asked.YEAR:
            return f"{it_is} the year {spoken_year(day)}{reading.in_place}."
        case _:
            assert_never(question.asked)


def _time(question: ClockQuestion, reading: Reading) -> str:
    span = span_meant(question.span)
    moment = reading.moment + (-span if question.is_past else span)
    time = spoken_time(moment)
    verb = "It's" if not span else "It was" if question.is_past else "It will be"
    if not reading.place:
        return f"{verb} {time} by this computer's clock."
    return f"{verb} {time} in {reading.place}, on {moment:%A}."


def _converted(said: str, source: Reading, target: Reading) -> str:
    meant = time_meant(said)
    if meant is None:
        return NO_SUCH_TIME
    moment = source.moment.replace(hour=meant.time.hour, minute=meant.time.minute)
    there = moment.astimezone(target.moment.tzinfo)
    other_day = {1: " of the next day", -1: " of the day before"}.get((there.date() - moment.date()).days, "")
    here, in_there = source.in_place or " here", target.in_place or " here"
    return f"When it's {spoken_time(moment)}{here}, it's {spoken_time(there)}{other_day}{in_there}."


def _time_sum(question: ClockQuestion, today: date) -> str:
    meant = time_meant(question.time)
    if meant is None:
        return NO_SUCH_TIME
    span = span_meant(question.span)
    result = datetime.combine(today, meant.time) + (-span if question.is_past else span)
    return f"That is {spoken_time(result, is_open=meant.is_open)}."


def _until_time(said: str, moment: datetime) -> str:
    meant = time_meant(said)
    if meant is None:
        return NO_SUCH_TIME
    then = moment.replace(hour=meant.time.hour, minute=meant.time.minute)
    while then <= moment:
        then += timedelta(hours=12 if meant.is_open else 24)
    return f"It's {_hours(then - moment)} until {spoken_time(then)}."


def _until(question: ClockQuestion, today: date, day: date) -> str:
    words = question.days[-1]
    name = _name(words, day, today)
    if has_year(words) and feast_named(words):
        return f"{name} is on {spoken_date(day, today)}."
    if day == today:
        return f"{capitalized(name)} is today!"
    if day < today:
        return f"{capitalized(name)} was {_length(day, today, question.unit)} ago."
    until = f"It's {_length(today, day, question.unit)} until {name}"
    if words in WEEKDAYS or words == "tomorrow":
        return f"{until}."
    return f"{until}, which is on {spoken_date(day) if name in MOVABLE_FEASTS else f'a {day:%A}'}."


def _date(question: ClockQuestion, reading: Reading, day: date) -> str:
    words = question.days[0] if question.days else "today"
    said = spoken_date(day, reading.moment.date())
    if feast_named(words):
        return f"{feast_named(words)} {'was' if question.is_past else 'is'} on {said}."
    for name, days, verb in (("Tomorrow", 1, "is"), ("Yesterday", -1, "was")):
        if words.startswith(name.lower()) and day - reading.moment.date() == timedelta(days=days):
            return f"{name} {verb} {said}{reading.in_place}."
    if day == reading.moment.date():
        return f"It's {said}, in {reading.place}." if reading.place else f"Today is {said}."
    return f"That {'was' if day < reading.moment.date() else 'is'} {said}{reading.in_place}."


def _left(question: ClockQuestion, today: date) -> str:
    period = question.period or "year"
    end = {
        "year": today + relativedelta(month=12, day=31),
        "month": today + relativedelta(day=31),
        "week": today + timedelta(days=6 - today.weekday()),
    }[period]
    return f"{capitalized(_length(today, end, question.unit))} of this {period} are left after today."


def _days_in(period: str, today: date) -> str:
    name = capitalized(period)
    if period in MONTHS:
        number = calendar.monthrange(today.year, MONTHS.index(period))[1]
        return f"{name} has {counted(number, 'day')}{' this year' if period == 'february' else ''}."
    if period.endswith("month"):
        month = today + relativedelta(months=_WHICH[period.split()[0]])
        return f"{month:%B} has {counted(calendar.monthrange(month.year, month.month)[1], 'day')}."
    if period == "a year":
        return "A year has three hundred sixty-five days, and a leap year one more."
    year = year_meant(period, today)
    return f"{capitalized(spoken_year(date(year, 1, 1)))} has {counted(365 + calendar.isleap(year), 'day')}."


def _leap_year(period: str, today: date) -> str:
    year = year_meant(period, today) if period else today.year
    if not MINYEAR <= year <= MAXYEAR:
        return NO_SUCH_DAY
    said = spoken_year(date(year, 1, 1))
    return f"Yes, {said} is a leap year." if calendar.isleap(year) else f"No, {said} is not a leap year."


_WHICH = {"this": 0, "next": 1, "last": -1}


def _name(words: str, day: date, today: date) -> str:
    """A day's name inside a sentence."""
    if feast_named(words):
        return feast_named(words)
    if words in WEEKDAYS:
        return capitalized(words)
    if words in ("today", "tomorrow", "yesterday"):
        return words
    year = f", {spoken_year(day)}" if day.year != today.year else ""
    return f"the {ordinal(day.day)} of {day:%B}{year}"


def _length(first: date, last: date, unit: str) -> str:
    """How long it is from `first` to `last`, in days, or in whole units and the rest in days."""
    days = (last - first).days
    if unit == "week":
        parts = [(days // 7, "week"), (days % 7, "day")]
    elif unit in ("month", "year"):
        between = relativedelta(last, first)
        parts = [(between.years, "year"), (between.months, "month"), (between.days, "day")]
    else:
        parts = [(days, "day")]
    return joined([counted(number, name) for number, name in parts if number] or [counted(0, "day")])


def _hours(span: timedelta) -> str:
    hours, minutes = divmod(round(span.total_seconds() / 60), 60)
    return joined([counted(number, name) for number, name in ((hours, "hour"), (minutes, "minute")) if number])


def _difference(reading: Reading, other: Reading) -> str:
    offsets = [each.moment.utcoffset() or timedelta() for each in (reading, other)]
    ahead = offsets[0] - offsets[1]
    place, other_place = reading.place or "this computer", other.place or "this computer"
    if not ahead:
        return f"{capitalized(place)} and {other_place} have the same time now."
    side = "ahead of" if ahead > timedelta() else "behind"
    return f"{capitalized(place)} is {_hours(abs(ahead))} {side} {other_place}."


def _noted(reading: Reading, sentence: str) -> str:
    return f"{reading.note} {sentence}" if reading.note else sentence
