"""Measures the curves of several bots on the same cases, in worker processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.benchmarks.turns.case import TurnCase
from tests.benchmarks.turns.curve import Point
from tests.benchmarks.turns.decide import BotOf
from tests.benchmarks.turns.replay import Conditions, Outcome, replay


@dataclass(frozen=True, slots=True)
class Contestant:
    """A bot with a knob: what makes it, and the positions that are measured."""

    of: Callable[[float], BotOf]
    knobs: Sequence[float]
    conditions: Conditions = field(default_factory=Conditions)


Contestants = Mapping[str, Contestant]


def measure(contestants: Contestants, cases: Sequence[TurnCase], jobs: int) -> dict[str, list[Point]]:
    """Returns the points of each contestant. With one job, nothing leaves this process."""
    work = [(name, knob) for name, each in contestants.items() for knob in each.knobs]
    if jobs == 1:
        ends = [_ends(contestants[name], knob, cases) for name, knob in work]
    else:
        # Cases and contestants reach the workers by fork: contestants hold functions, which cannot be pickled.
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(jobs, context, _Worker.begin, (contestants, cases)) as pool:
            ends = list(pool.map(_Worker.run, work))
    curves: dict[str, list[Point]] = {name: [] for name in contestants}
    for (name, knob), ended in zip(work, ends, strict=True):
        outcomes = tuple(Outcome(case, end_s) for case, end_s in zip(cases, ended, strict=True))
        curves[name].append(Point(knob, outcomes))
    return curves


def _ends(contestant: Contestant, knob: float, cases: Sequence[TurnCase]) -> list[float | None]:
    bot_of = contestant.of(knob)
    return [replay(case, bot_of(case), contestant.conditions).ended_s for case in cases]


class _Worker:
    """Holds the cases and contestants that a worker process measures."""

    contestants: Contestants
    cases: Sequence[TurnCase]

    @classmethod
    def begin(cls, contestants: Contestants, cases: Sequence[TurnCase]) -> None:
        cls.contestants, cls.cases = contestants, cases

    @classmethod
    def run(cls, work: tuple[str, float]) -> list[float | None]:
        name, knob = work
        return _ends(cls.contestants[name], knob, cls.cases)
