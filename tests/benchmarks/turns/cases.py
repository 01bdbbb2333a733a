"""All cases by which the end of a turn is judged."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.turns.case import Kind, Part, TurnCase
from tests.benchmarks.turns.recorded import recorded_cases
from tests.benchmarks.turns.spoken import spoken_cases

__all__ = ["Kind", "Part", "TurnCase", "all_cases"]


def all_cases() -> Iterator[TurnCase]:
    """Yields the cases whose audio can be had on this machine, in a fixed order."""
    yield from recorded_cases()
    yield from spoken_cases()
