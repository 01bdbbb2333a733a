"""Times and dates as they are said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from voicebot.engines.llm.offline.numerals import cardinal, ordinal, year

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

FEASTS: Mapping[str, tuple[int, int]] = {
    "Christmas": (12, 25),
    "Christmas Eve": (12, 24),
    "New Year's Eve": (12, 31),
    "New Year": (1, 1),
    "Halloween": (10, 31),
    "Valentine's Day": (2, 14),
}
"""Days that come once a year: month and day."""


def spoken_time(moment: datetime) -> str:
    """The time of day to the minute: "ten thirty in the morning", "noon", "eight o'clock in the evening"."""
    if (moment.hour, moment.minute) in ((0, 0), (12, 0)):
        return "noon" if moment.hour else "midnight"
    hour = cardinal(moment.hour % 12 or 12)
    if moment.minute == 0:
        minutes = "o'clock"
    elif moment.minute < 10:
        minutes = f"oh {cardinal(moment.minute)}"
    else:
        minutes = cardinal(moment.minute)
    return f"{hour} {minutes} {_part_of_day(moment.hour)}"


def _part_of_day(hour: int) -> str:
    if 1 <= hour < 12:
        return "in the morning"
    if 12 <= hour < 18:
        return "in the afternoon"
    return "in the evening" if 18 <= hour < 22 else "at night"


def greeting(moment: datetime) -> str:
    """ "Good morning!", as the hour has it."""
    if 5 <= moment.hour < 12:
        return "Good morning!"
    return "Good afternoon!" if 12 <= moment.hour < 18 else "Good evening!"


def spoken_date(day: date) -> str:
    """ "Thursday, the nineteenth of November"."""
    return f"{day:%A}, the {ordinal(day.day)} of {day:%B}"


def spoken_year(day: date) -> str:
    return year(day.year)


def days_until(day: date, event: str) -> int:
    """How many days from `day` to the next `event`: one of `FEASTS` (0 on the day) or a weekday (1 to 7)."""
    if event in WEEKDAYS:
        return (WEEKDAYS.index(event) - day.weekday() - 1) % 7 + 1
    month, number = FEASTS[event]
    this_year = day.replace(month=month, day=number)
    return ((this_year if this_year >= day else this_year.replace(year=day.year + 1)) - day).days
