"""The clock, the calculator and the names of places, called as a model calls them."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.tools import ToolException

from tests.support.manual_clock import StoppedClock
from voicebot.agent.tools import built_in_tools
from voicebot.agent.tools.calculator import calculated
from voicebot.languages.gazetteer import MAIN_ZONES, gazetteer, place_named, places_in
from voicebot.runtime.clock import MachineClock

MOMENT = datetime(2026, 11, 19, 1, 30, tzinfo=UTC)


async def use(name: str, **arguments: Any) -> Any:
    tool = next(tool for tool in built_in_tools(StoppedClock(MOMENT)) if tool.name == name)
    return await tool.ainvoke(arguments)


async def test_the_clock_without_a_place_gives_the_machines_own_time() -> None:
    assert await use("clock") == {"weekday": "Thursday", "time": "2026-11-19T01:30:00+00:00"}


async def test_the_clock_gives_the_local_time_of_a_place() -> None:
    assert await use("clock", place="tokyo") == {
        "place": "Tokyo",
        "zone": "Asia/Tokyo",
        "weekday": "Thursday",
        "time": "2026-11-19T10:30:00+09:00",
    }


async def test_the_clock_names_the_city_used_for_a_country_with_several_time_zones() -> None:
    reading = await use("clock", place="the USA")
    assert (reading["place"], reading["note"]) == ("New York", "The United States has several time zones.")


async def test_the_clock_refuses_an_unknown_place() -> None:
    with pytest.raises(ToolException, match="No place called 'Narnia' is known"):
        await use("clock", place="Narnia")


def test_the_machines_time_has_a_time_zone() -> None:
    assert MachineClock().now().utcoffset() is not None


def test_each_tool_and_each_argument_has_a_description_for_the_model() -> None:
    tools = built_in_tools()
    assert {"clock": {"place"}, "calculator": {"expression"}}.items() <= {
        each.name: set(each.args) for each in tools
    }.items()
    for tool in tools:
        assert tool.description
        assert all(argument.get("description") for argument in tool.args.values())


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("17 * 3", "51"),
        ("0.1 + 0.2", "0.3"),
        ("1 / 3", "0.333333333333333"),
        ("1 / 3 * 3", "1"),
        ("10 / 4", "2.5"),
        ("2 ** 60", "1152921504606846976"),
        ("2 ^ 10", "1024"),
        ("2 * 3 ^ 2", "18"),
        ("-7 % 3", "2"),
        ("7 % -3", "-2"),
        ("sqrt(16) + abs(-2)", "6"),
        ("8 ** (1 / 3)", "2"),
        ("6 × 7 ÷ 2", "21"),
        ("1,000 * 3", "3000"),
        ("round(2.6)", "3"),
        ("2 * pi", "6.283185307179586476925286766"),
        ("-0.0", "0"),
        ("1e10", "10000000000"),
    ],
)
def test_the_calculator_evaluates_an_expression(expression: str, result: str) -> None:
    assert calculated(expression) == result


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1 / 0", "Division by zero has no result."),
        ("5 % 0", "no real number"),
        ("0 / 0", "no real number"),
        ("sqrt(-1)", "no real number"),
        ("0 ** -1", "infinite"),
        ("9 ** 999999999", "too large"),
        ("9 ** 9 ** 9 ** 9", "too large"),
        ("1e400", "infinite"),
        ("2 +", "not an arithmetic expression"),
        ("", "not an arithmetic expression"),
        ("\0", "not an arithmetic expression"),
        ("(" * 150, "not an arithmetic expression"),
        ("1j * 2", "does not support Constant"),
        ("True + 1", "does not support Constant"),
        ("'a' * 9", "does not support Constant"),
        ("[1] * 9", "does not support List"),
        ("x + 1", "does not support Name"),
        ("(1).real", "does not support Attribute"),
        ("__import__('os')", "does not support Call"),
        ("sqrt(1, 2)", "does not support Call"),
        ("1 if 2 else 3", "does not support IfExp"),
        ("1 << 9", "does not support BinOp"),
    ],
)
def test_the_calculator_refuses_an_expression_with_a_reason_within_a_second(expression: str, message: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ToolException, match=message):
        calculated(expression)
    assert time.perf_counter() - start < 1


async def test_the_calculator_refuses_expressions_longer_than_200_characters() -> None:
    with pytest.raises(ValueError, match="at most 200 characters"):
        await use("calculator", expression="1+" * 200 + "1")


OPERATIONS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}


@given(st.integers(-(10**6), 10**6), st.sampled_from(sorted(OPERATIONS)), st.integers(-(10**6), 10**6))
def test_the_calculator_agrees_with_python_arithmetic(left: int, sign: str, right: int) -> None:
    if sign in "/%" and right == 0:
        return
    expected = OPERATIONS[sign](Fraction(left), Fraction(right))
    assert abs(Fraction(calculated(f"{left} {sign} {right}")) - expected) <= abs(expected) / 10**14


@given(st.text(max_size=200))
def test_the_calculator_gives_a_number_or_an_error_message_for_any_text(text: str) -> None:
    try:
        Decimal(calculated(text))
    except ToolException as refused:
        message = str(refused)
        assert message


CAPITALS = """
Canberra:11 Vienna:1 Baku:4 Dhaka:6 Brussels:1 Thimphu:6 Brasilia:-3 Sofia:2 Ottawa:-5 Santiago:-3 Beijing:8 Bogota:-5
Havana:-5 Prague:1 Copenhagen:1 Quito:-5 Cairo:2 Addis_Ababa:3 Suva:12 Helsinki:2 Paris:1 Tbilisi:4 Berlin:1 Accra:0
Athens:2 Budapest:1 Reykjavik:0 New_Delhi:5.5 Jakarta:7 Tehran:3.5 Baghdad:3 Dublin:0 Jerusalem:2 Rome:1 Kingston:-5
Tokyo:9 Amman:3 Nairobi:3 Seoul:9 Riga:2 Kuala_Lumpur:8 Mexico_City:-6 Rabat:1 Kathmandu:5.75 Amsterdam:1 Wellington:13
Abuja:1 Oslo:1 Islamabad:5 Lima:-5 Manila:8 Warsaw:1 Lisbon:0 Doha:3 Bucharest:2 Moscow:3 Riyadh:3 Belgrade:1
Singapore:8 Pretoria:2 Madrid:1 Colombo:5.5 Stockholm:1 Bern:1 Bangkok:7 Ankara:3 Kyiv:2 Abu_Dhabi:4 London:0
Washington:-5 Montevideo:-3 Tashkent:5 Caracas:-4 Hanoi:7 Harare:2
"""


@pytest.mark.parametrize("line", CAPITALS.split())
def test_each_capital_has_the_right_utc_offset(line: str) -> None:
    """The offsets from UTC, in hours, are those of 19 November 2026."""
    city, hours = line.split(":")
    place = place_named(city.replace("_", " "))
    assert place is not None
    offset = MOMENT.astimezone(ZoneInfo(place.zone)).utcoffset()
    assert offset is not None
    assert offset.total_seconds() / 3600 == float(hours)
    assert place.name == city.replace("_", " ")


@pytest.mark.parametrize(
    ("name", "zone", "spoken"),
    [
        ("San Francisco", "America/Los_Angeles", "San Francisco"),
        ("mumbai", "Asia/Kolkata", "Mumbai"),
        ("NYC", "America/New_York", "NYC"),
        ("Asia/Tokyo", "Asia/Tokyo", "Tokyo"),
        ("saint petersburg", "Europe/Moscow", "St Petersburg"),
        ("São Paulo", "America/Sao_Paulo", "Sao Paulo"),
        ("england", "Europe/London", "England"),
        ("the netherlands", "Europe/Amsterdam", "the Netherlands"),
        ("korea", "Asia/Seoul", "Korea"),
        ("china", "Asia/Shanghai", "China"),
        ("ukraine", "Europe/Kyiv", "Ukraine"),
        ("utc", "Etc/UTC", "UTC"),
        ("pacific time", "America/Los_Angeles", "Pacific time"),
        ("tokio", "Asia/Tokyo", "Tokyo"),
        ("barcellona", "Europe/Madrid", "Barcelona"),
        ("new yorke", "America/New_York", "New York"),
    ],
)
def test_a_place_is_found_by_alternative_and_misspelt_names(name: str, zone: str, spoken: str) -> None:
    place = place_named(name)
    assert place is not None
    assert (place.zone, place.name) == (zone, spoken)


@pytest.mark.parametrize(
    ("country", "city"),
    [("Australia", "Sydney"), ("the United States", "New York"), ("Russia", "Moscow"), ("Brazil", "Sao Paulo")],
)
def test_one_city_stands_for_a_country_with_several_time_zones(country: str, city: str) -> None:
    place = place_named(country)
    assert place is not None
    assert (place.name, place.country) == (city, country)


@pytest.mark.parametrize("name", ["narnia", "", "   ", "x", "the", "?!"])
def test_an_unknown_name_gives_no_place(name: str) -> None:
    assert place_named(name) is None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("why don't we get the new york", ["New York"]),
        ("london or new delhi or delhi", ["London", "New Delhi", "Delhi"]),
        ("the time in salt lake city please", ["Salt Lake City"]),
        ("tell us how many days it is until christmas or easter", []),
        ("wake me in the north, have a nice day, and act normal", []),
    ],
)
def test_place_names_are_found_in_a_sentence(text: str, names: list[str]) -> None:
    assert [spot.place.name for spot in places_in(text.replace(",", "").split())] == names


def test_every_place_has_an_existing_time_zone() -> None:
    assert {place.zone for place in gazetteer().values()} <= available_timezones()
    assert set(MAIN_ZONES.values()) <= available_timezones()
    assert len(gazetteer()) > 1_000
