"""A tool that tells the date and time in any place."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from langchain_core.tools import BaseTool, ToolException, tool
from pydantic import Field

from voicebot.languages.gazetteer import place_named
from voicebot.runtime.clock import DateClock

PlaceName = Annotated[str, Field(max_length=100, description="a city, a country or an IANA zone; empty: here")]


def clock_tool(date_clock: DateClock) -> BaseTool:
    """Creates the tool `clock`."""

    @tool
    async def clock(place: PlaceName = "") -> dict[str, str]:
        """Tell the date, the weekday and the time in a place, or without a place on this machine."""
        moment = date_clock.now()
        if not place.strip():
            return _reading(moment)
        found = place_named(place)
        if found is None:
            raise ToolException(f"No place called {place!r} is known. Try a big city or a country near it.")
        reading = {"place": found.name, "zone": found.zone, **_reading(moment.astimezone(ZoneInfo(found.zone)))}
        if found.country:
            reading["note"] = f"{found.country[0].upper()}{found.country[1:]} has several time zones."
        return reading

    return clock


def _reading(moment: datetime) -> dict[str, str]:
    return {"weekday": f"{moment:%A}", "time": moment.isoformat(timespec="seconds")}
