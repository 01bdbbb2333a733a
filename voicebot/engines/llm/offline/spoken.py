"""Says numbers, times and dates in words, by the spelling rules of Unicode's CLDR."""

from __future__ import annotations

from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache

from unicode_rbnf import FormatPurpose, RbnfEngine

LONGEST_EXACT = 10**9
"""Numbers from here on are rounded to four digits: nobody remembers more by ear."""
LARGEST_SPOKEN = 10**15
SMALLEST_SPOKEN = Decimal("0.001")


def cardinal(number: int | Decimal) -> str:
    """Returns a number in words: "minus two thousand three hundred forty-one", "two point five"."""
    return _spelled(number, FormatPurpose.CARDINAL)


def ordinal(number: int) -> str:
    """Returns the ordinal of a whole number: "twenty-first"."""
    return _spelled(number, FormatPurpose.ORDINAL)


def spoken_year(day: date) -> str:
    """Returns the year of `day`: "twenty twenty-six", "two thousand five"."""
    return _spelled(day.year, FormatPurpose.YEAR)


def spoken_date(day: date, today: date) -> str:
    """Returns "Thursday, the nineteenth of November", with the year unless it is that of `today`."""
    year = f", {spoken_year(day)}" if day.year != today.year else ""
    return f"{day:%A}, the {ordinal(day.day)} of {day:%B}{year}"


def spoken_time(moment: datetime) -> str:
    """Returns the time of day to the minute: "ten thirty in the morning", "noon", "eight o'clock in the evening"."""
    if (moment.hour, moment.minute) in ((0, 0), (12, 0)):
        return "noon" if moment.hour else "midnight"
    minutes = f"{'oh ' if moment.minute < 10 else ''}{cardinal(moment.minute)}" if moment.minute else "o'clock"
    return f"{cardinal(moment.hour % 12 or 12)} {minutes} {_part_of_day(moment.hour)}"


def counted(number: int, unit: str) -> str:
    """Returns "one day" or "thirty-six days"."""
    return f"{cardinal(number)} {unit}{'' if number == 1 else 's'}"


def greeting(moment: datetime) -> str:
    """Returns "Good morning!", "Good afternoon!" or "Good evening!", by the hour."""
    if 5 <= moment.hour < 12:
        return "Good morning!"
    return "Good afternoon!" if 12 <= moment.hour < 18 else "Good evening!"


def spoken_result(value: Decimal) -> str:
    """Returns a number in few words, with "about" before it where it is rounded."""
    if 0 < abs(value) < SMALLEST_SPOKEN:
        return "almost zero"
    if value < 0:
        return f"minus {spoken_result(-value)}".replace("minus about", "about minus")
    if value >= LARGEST_SPOKEN:
        return f"a number with {cardinal(value.adjusted() + 1)} digits"
    if value >= LONGEST_EXACT:
        rounded = Context(prec=4, rounding=ROUND_HALF_UP).plus(value)
    else:
        rounded = value.quantize(Decimal("0.001"), ROUND_HALF_UP)
    words = cardinal(int(rounded) if rounded == int(rounded) else rounded.normalize())
    return words if rounded == value else f"about {words}"


def _part_of_day(hour: int) -> str:
    if 1 <= hour < 12:
        return "in the morning"
    if 12 <= hour < 18:
        return "in the afternoon"
    return "in the evening" if 18 <= hour < 22 else "at night"


def _spelled(number: int | Decimal, purpose: FormatPurpose) -> str:
    return _spelling().format_number(number, purpose=purpose).text


@cache
def _spelling() -> RbnfEngine:
    """Reads the rules for English, which takes about 4 ms."""
    return RbnfEngine.for_language("en")
