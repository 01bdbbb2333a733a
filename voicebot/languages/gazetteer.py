"""Finds the time zone of a place by the name that people say: a city, a country or a zone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from zoneinfo import available_timezones

from voicebot.languages.loader import Language, LanguageFileError, language_of, languages

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
"""The zone that is taken for a country (ISO 3166) with several."""

CITY_REGIONS = frozenset(
    ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
)
"""Zones of other regions (Etc, US, Canada ...) are not named after a city."""

NAMES_WITH_ARTICLE = frozenset(
    ("Netherlands", "Philippines", "Bahamas", "Maldives", "Seychelles", "Comoros", "UK", "U K", "UAE", "U A E")
)
ENDINGS_WITH_ARTICLE = ("Islands", "States", "Kingdom", "Republic", "Emirates", "Azores", "Falklands")
"""English names that are said with "the" before them."""

LIKENESS = 0.8
"""How alike (difflib's ratio) a misspelt name and a known one must be: "tokio" and "Tokyo" have 0.8."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place, by the name that people say, and its IANA time zone.

    For a country with several zones `name` is the city whose zone is taken, and `country` is the country.
    """

    name: str
    zone: str
    country: str = ""


@dataclass(frozen=True, slots=True)
class PlaceMention:
    """A place that a list of words names, from word `start` up to, but not including, word `end`."""

    start: int
    end: int
    place: Place


def place_named(name: str) -> Place | None:
    """Returns the place that `name` means in any language, or is a slight misspelling of; None if there is none."""
    known = gazetteer()
    sought = _key(name)
    if not sought:
        return None
    for candidate in (sought, sought.removeprefix("the ")):
        if candidate in known:
            return known[candidate]
    for language in languages().known.values():
        if found := _named(language, known).get(sought):
            return found
    alike = get_close_matches(sought, known, n=1, cutoff=LIKENESS)
    return known[alike[0]] if alike else None


def places_in(words: Sequence[str]) -> list[PlaceMention]:
    """Returns the places that lower-case English words name exactly, in their order.

    Of names that overlap it takes the longest.
    """
    known = gazetteer()
    longest = _longest_name_words()
    mentions: list[PlaceMention] = []
    start = 0
    while start < len(words):
        for end in range(min(len(words), start + longest), start, -1):
            if place := known.get(_key(" ".join(words[start:end]))):
                mentions.append(PlaceMention(start, end, place))
                start = end
                break
        else:
            start += 1
    return mentions


@cache
def gazetteer() -> Mapping[str, Place]:
    """Returns the places with an English name, by key.

    Reads the zone tables of the system and of the package tzdata: about 60 ms, once.
    """
    table: dict[str, Place] = {}
    for place in _cities():
        table[_key(place.name)] = table[_key(place.zone)] = place
    for name, place in _countries():
        table[_key(name)] = place
    english = language_of("en")
    for name in english.places.ignored_names:
        table.pop(_key(name), None)
    return {**table, **_named(english, table)}


def _named(language: Language, known: Mapping[str, Place]) -> dict[str, Place]:
    """Returns the places that a language file names, by key. Names of `known` places may stand on its left sides."""
    table: dict[str, Place] = {}
    for left, names in language.places.names.items():
        for name in names:
            if "/" in left:
                table[_key(name)] = Place(_with_article(name) if language.code == "en" else name, left)
            elif place := table.get(_key(left)) or known.get(_key(left)):
                table[_key(name)] = place
            else:
                raise LanguageFileError(f"{language.code}.toml: places.names: no place {left!r} is known")
    return table


@cache
def _longest_name_words() -> int:
    return max(name.count(" ") + 1 for name in gazetteer())


def _key(name: str) -> str:
    """Returns `name` in lower-case ASCII words, with "saint" shortened as in the zone tables."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain.replace("'", ""))
    return " ".join("st" if word == "saint" else word for word in words)


def _with_article(name: str) -> str:
    needs_one = name in NAMES_WITH_ARTICLE or name.endswith(ENDINGS_WITH_ARTICLE)
    return f"the {name}" if needs_one and not name.startswith("the ") else name


def _cities() -> Iterator[Place]:
    # They are sorted so that of several zones with the same city name always the same one wins.
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
        # "Korea (South)" and "St Kitts & Nevis" as people say them; en.toml tells the two Koreas apart.
        name = re.sub(r"\s*\(.*\)", "", listed).replace("&", "and")
        if main := MAIN_ZONES.get(code):
            yield name, Place(_city(main), main, country=_with_article(name))
        elif code in first_zones:
            yield name, Place(_with_article(name), first_zones[code])


def _rows(table: str) -> Iterator[list[str]]:
    text = (files("tzdata") / "zoneinfo" / table).read_text("utf-8")
    return (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
