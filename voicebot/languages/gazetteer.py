"""Which clock a place keeps: names of cities, countries and zones, as people say them, to IANA time zones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from zoneinfo import available_timezones

MAIN_ZONES: Mapping[str, str] = {
    "AU": "Australia/Sydney",
    "BR": "America/Sao_Paulo",
    "CA": "America/Toronto",
    "CD": "Africa/Kinshasa",
    "CL": "America/Santiago",
    "EC": "America/Guayaquil",
    "ES": "Europe/Madrid",
    "FM": "Pacific/Pohnpei",
    "GL": "America/Nuuk",
    "ID": "Asia/Jakarta",
    "KI": "Pacific/Tarawa",
    "MN": "Asia/Ulaanbaatar",
    "MX": "America/Mexico_City",
    "NZ": "Pacific/Auckland",
    "PF": "Pacific/Tahiti",
    "PG": "Pacific/Port_Moresby",
    "PT": "Europe/Lisbon",
    "RU": "Europe/Moscow",
    "US": "America/New_York",
}
"""The countries (ISO 3166 codes) whose clocks differ from one part to another, and the zone to take for the whole."""

CITY_REGIONS = frozenset(
    ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
)
"""Zones outside these (Etc, US, Canada ...) are not named after a city."""

NAMES_WITH_ARTICLE = frozenset(
    ("Netherlands", "Philippines", "Bahamas", "Maldives", "Seychelles", "Comoros", "UK", "U K", "UAE", "U A E")
)
ENDINGS_WITH_ARTICLE = ("Islands", "States", "Kingdom", "Republic", "Emirates", "Azores", "Falklands")
"""Names that are said with "the" before them."""

LIKENESS = 0.8
"""How alike (difflib ratio) a misspelt name must be to a known one: "tokio" and "Tokyo" have 0.8."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place with a clock: its spoken name and its IANA zone.

    Of a country with several clocks `name` is the city whose clock is taken, and `country` the country.
    """

    name: str
    zone: str
    country: str = ""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place named in a list of words, from word `start` up to, not including, word `end`."""

    start: int
    end: int
    place: Place


def place_named(name: str) -> Place | None:
    """The place people mean by `name`, also when slightly misspelt; None if there is none like it."""
    known = gazetteer()
    sought = _key(name)
    if not sought:
        return None
    for candidate in (sought, sought.removeprefix("the ")):
        if candidate in known:
            return known[candidate]
    alike = get_close_matches(sought, known, n=1, cutoff=LIKENESS)
    return known[alike[0]] if alike else None


def places_in(words: Sequence[str]) -> list[Spot]:
    """The places that lower-case `words` name exactly, in their order; of overlapping names the longest."""
    known = gazetteer()
    longest = _longest_name_words()
    spots: list[Spot] = []
    start = 0
    while start < len(words):
        for end in range(min(len(words), start + longest), start, -1):
            if place := known.get(_key(" ".join(words[start:end]))):
                spots.append(Spot(start, end, place))
                start = end
                break
        else:
            start += 1
    return spots


@cache
def gazetteer() -> Mapping[str, Place]:
    """All known places by key. Reads the zone tables of the system and of the tzdata package: about 60 ms, once."""
    table: dict[str, Place] = {}
    for place in _cities():
        table[_key(place.name)] = table[_key(place.zone)] = place
    for name, place in _countries():
        table[_key(name)] = place
    for left, names in _lines():
        for name in names:
            if left == "ignore":
                table.pop(_key(name), None)
            elif "/" in left:
                table[_key(name)] = Place(_with_article(name), left)
            else:
                table[_key(name)] = table[_key(left)]
    return table


@cache
def _longest_name_words() -> int:
    return max(name.count(" ") + 1 for name in gazetteer())


def _key(name: str) -> str:
    """`name` in lower-case ASCII words, "saint" shortened as the tables have it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain.replace("'", ""))
    return " ".join("st" if word == "saint" else word for word in words)


def _with_article(name: str) -> str:
    needs_one = name in NAMES_WITH_ARTICLE or name.endswith(ENDINGS_WITH_ARTICLE)
    return f"the {name}" if needs_one and not name.startswith("the ") else name


def _cities() -> Iterator[Place]:
    # Sorted, so that of zones with the same city name always the same one wins.
    for zone in sorted(available_timezones(), reverse=True):
        if zone.partition("/")[0] in CITY_REGIONS:
            yield Place(_city(zone), zone)


def _city(zone: str) -> str:
    return zone.rpartition("/")[2].replace("_", " ")


def _countries() -> Iterator[tuple[str, Place]]:
    first_zones: dict[str, str] = {}
    for code, _, zone, *_ in _rows("zone.tab"):
        first_zones.setdefault(code, zone)
    for code, listed in _rows("iso3166.tab"):
        # "Korea (South)" and "St Kitts & Nevis" as people say them; places.txt tells the two Koreas apart.
        name = re.sub(r"\s*\(.*\)", "", listed).replace("&", "and")
        if main := MAIN_ZONES.get(code):
            yield name, Place(_city(main), main, country=_with_article(name))
        elif code in first_zones:
            yield name, Place(_with_article(name), first_zones[code])


def _rows(table: str) -> Iterator[list[str]]:
    text = (files("tzdata") / "zoneinfo" / table).read_text("utf-8")
    return (line.split("\t") for line in text.splitlines() if not line.startswith("#"))


def _lines() -> Iterator[tuple[str, list[str]]]:
    text = (files(__package__) / "places.txt").read_text("utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            left, _, names = line.partition(":")
            yield left.strip(), [name.strip() for name in names.split(",")]
