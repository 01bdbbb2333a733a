"""What is said about times and dates, from what the clock tool has read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self, assert_never

from voicebot.engines.llm.offline.clock_questions import Asked, ClockQuestion
from voicebot.engines.llm.offline.dates import FEASTS, days_until, spoken_date, spoken_time, spoken_year
from voicebot.engines.llm.offline.numerals import cardinal
from voicebot.engines.llm.offline.words import capitalized


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
    """The answer to `question`; `readings` are those of its places, two for a DIFFERENCE."""
    reading = readings[0]
    match question.asked:
        case Asked.DIFFERENCE:
            return _difference(*readings)
        case Asked.UNTIL:
            return _until(reading.moment, question.event)
        case Asked.TIME:
            return _noted(reading, _time(reading))
        case Asked.PLACE_ONLY:
            return _noted(reading, f"If you mean the time there, {_lowered(_time(reading))}")
        case Asked.DATE:
            return _noted(reading, _date(reading, question.days_ahead))
        case Asked.MONTH:
            return f"It's {reading.moment:%B}{reading.in_place}."
        case Asked.YEAR:
            return f"It's the year {spoken_year(reading.moment)}{reading.in_place}."
        case _:
            assert_never(question.asked)


def _time(reading: Reading) -> str:
    time = spoken_time(reading.moment)
    if not reading.place:
        return f"It's {time} by this computer's clock."
    return f"It's {time} in {reading.place}, on {reading.moment:%A}."


def _date(reading: Reading, days_ahead: int) -> str:
    day = spoken_date(reading.moment + timedelta(days=days_ahead))
    match days_ahead:
        case 0:
            return f"Today is {day}." if not reading.place else f"It's {day}, in {reading.place}."
        case 1:
            return f"Tomorrow is {day}{reading.in_place}."
        case -1:
            return f"Yesterday was {day}{reading.in_place}."
        case _:
            return f"That is {day}{reading.in_place}."


def _until(moment: datetime, event: str) -> str:
    today = moment.date()
    days = days_until(today, event)
    if days == 0:
        return f"{event} is today!"
    if event not in FEASTS:
        return f"It's {_counted(days, 'day')} until {capitalized(event)}."
    return f"It's {_counted(days, 'day')} until {event}, which is on a {today + timedelta(days=days):%A}."


def _difference(reading: Reading, other: Reading) -> str:
    offsets = [each.moment.utcoffset() or timedelta() for each in (reading, other)]
    minutes = round((offsets[0] - offsets[1]).total_seconds() / 60)
    place, other_place = reading.place or "this computer", other.place or "this computer"
    if minutes == 0:
        return f"{capitalized(place)} and {other_place} have the same time now."
    hours, rest = divmod(abs(minutes), 60)
    parts = [_counted(hours, "hour")] if hours else []
    parts += [_counted(rest, "minute")] if rest else []
    side = "ahead of" if minutes > 0 else "behind"
    return f"{capitalized(place)} is {' and '.join(parts)} {side} {other_place}."


def _counted(number: int, unit: str) -> str:
    return f"{cardinal(number)} {unit}{'' if number == 1 else 's'}"


def _noted(reading: Reading, sentence: str) -> str:
    return f"{reading.note} {sentence}" if reading.note else sentence


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
