"""Numbers, times and dates in the words that say them, by Unicode's spelling rules."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache

from unicode_rbnf import FormatPurpose, RbnfEngine

SCALES = {"billion": 10**9, "trillion": 10**12}
LARGEST_EXACT = 10**9
"""From here on only the first digits are said: twelve digits are no help to a listener."""
SMALLEST_PLAIN = Decimal("0.0001")


def cardinal(number: int | Decimal) -> str:
    """A number in words: "minus two thousand three hundred forty-one", "two point five"."""
    return _spelled(number, FormatPurpose.CARDINAL)


def ordinal(number: int) -> str:
    """A whole number as its place in a row: "twenty-first"."""
    return _spelled(number, FormatPurpose.ORDINAL)


def spoken_year(day: date) -> str:
    """The day's year: "twenty twenty-six", "two thousand five"."""
    return _spelled(day.year, FormatPurpose.YEAR)


def spoken_date(day: date, today: date | None = None) -> str:
    """ "Thursday, the nineteenth of November", with the year where it is not the year of `today`."""
    year = f", {spoken_year(day)}" if today is not None and day.year != today.year else ""
    return f"{day:%A}, the {ordinal(day.day)} of {day:%B}{year}"


def spoken_time(moment: datetime | time, *, is_open: bool = False) -> str:
    """The time of day to the minute: "ten thirty in the morning", "noon", "eight o'clock in the evening".

    If `is_open`, it is left open whether that is in the morning: "ten thirty".
    """
    if (moment.hour, moment.minute) in ((0, 0), (12, 0)) and not is_open:
        return "noon" if moment.hour else "midnight"
    minutes = f"{'oh ' if moment.minute < 10 else ''}{cardinal(moment.minute)}" if moment.minute else "o'clock"
    hour = cardinal(moment.hour % 12 or 12)
    return f"{hour} {minutes}" if is_open else f"{hour} {minutes} {_part_of_day(moment.hour)}"


def counted(number: int, unit: str) -> str:
    """ "one day", "thirty-six days"."""
    return f"{cardinal(number)} {unit}{'' if number == 1 else 's'}"


def joined(parts: list[str]) -> str:
    """ "two weeks, one day and one hour"."""
    return " and ".join([part for part in (", ".join(parts[:-1]), *parts[-1:]) if part])


def greeting(moment: datetime) -> str:
    """ "Good morning!", "Good afternoon!" or "Good evening!", by the hour."""
    if 5 <= moment.hour < 12:
        return "Good morning!"
    return "Good afternoon!" if 12 <= moment.hour < 18 else "Good evening!"


def spoken_number(value: Decimal) -> tuple[str, bool]:
    """A number in words short enough to listen to, and whether these are exact."""
    if value < 0:
        words, is_exact = spoken_number(-value)
        return f"minus {words}", is_exact
    if value == value.to_integral_value() and value < LARGEST_EXACT:
        return cardinal(int(value)), True
    if value >= LARGEST_EXACT or value < SMALLEST_PLAIN:
        return _spoken_scientific(value)
    # Three places are plenty; of a small number three digits from the first that is not zero.
    places = 3 if value >= 1 else 2 - value.adjusted()
    rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return cardinal(_plain(rounded)), rounded == value


def _spoken_scientific(value: Decimal) -> tuple[str, bool]:
    rounded = Context(prec=4, rounding=ROUND_HALF_UP).plus(value)
    is_exact = rounded == value
    for name, size in reversed(SCALES.items()):
        if size <= rounded < 1000 * size:
            return f"{cardinal(_plain(rounded / size))} {name}", is_exact
    exponent = rounded.adjusted()
    factor = rounded.scaleb(-exponent)
    times = "" if factor == 1 else f"{cardinal(_plain(factor))} times "
    return f"{times}ten to the power of {cardinal(exponent)}", is_exact


def _plain(value: Decimal) -> Decimal:
    """`value` without zeros at its end and without an exponent."""
    return Decimal(f"{value.normalize():f}")


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
    """The rules for English. Reading them takes about 4 ms, once."""
    return RbnfEngine.for_language("en")
