"""The trade-off of a bot: wrong cut-offs against the delay after turns that are over, while one knob moves."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.turns.replay import Outcome


@dataclass(frozen=True, slots=True)
class Point:
    """One position of the knob, with what the bot did with each case."""

    knob: float
    outcomes: tuple[Outcome, ...]

    @property
    def pauses(self) -> list[Outcome]:
        """The cases in which the user goes on."""
        return [each for each in self.outcomes if not each.case.over]

    @property
    def ends(self) -> list[Outcome]:
        """The cases in which the turn is over, except those that were ended too soon."""
        return [each for each in self.outcomes if each.case.over and not each.cut_off]

    @property
    def cut_offs(self) -> int:
        return sum(each.cut_off for each in self.pauses)

    @property
    def too_soon(self) -> int:
        """How many turns were ended even before their last pause."""
        return sum(each.cut_off for each in self.outcomes if each.case.over)

    @property
    def cut_off_share(self) -> float:
        """Wrong cut-offs among the cases in which the user goes on, 0 to 1."""
        return self.cut_offs / len(self.pauses) if self.pauses else 0.0

    @property
    def median_s(self) -> float:
        """The median delay after turns that are over, in seconds."""
        return statistics.median(each.delay_s for each in self.ends) if self.ends else 0.0

    def of(self, outcomes: Sequence[Outcome]) -> Point:
        return Point(self.knob, tuple(outcomes))


def least_cut_offs(curve: Sequence[Point], budget_s: float) -> Point | None:
    """Returns the point with the fewest cut-offs whose median delay is within the budget; None if there is none."""
    within = [point for point in curve if point.median_s <= budget_s + 1e-9]
    return min(within, key=lambda point: (point.cut_off_share, point.median_s), default=None)


def least_delay(curve: Sequence[Point], share: float) -> Point | None:
    """Returns the quickest point with at most this share of cut-offs; None if there is none."""
    within = [point for point in curve if point.cut_off_share <= share]
    return min(within, key=lambda point: point.median_s, default=None)
