"""The report of `make bench-turns`, as Markdown tables."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence

from tests.benchmarks.figures import NONE, p95
from tests.benchmarks.turns.case import Kind, Part, TurnCase
from tests.benchmarks.turns.curve import Point, least_cut_offs, least_delay
from tests.benchmarks.turns.edges import faded, inserted, score_edges, voice

Curves = Mapping[str, Sequence[Point]]
"""The points of each bot, by its name."""

BUDGETS_S = (0.3, 0.45, 0.6)
SHARES = (0.1, 0.05)
SLOW_S = 0.75
"""An end that is found later than this is listed as late."""


def counts(cases: Sequence[TurnCase]) -> Iterator[str]:
    """Yields the table of how many cases there are of each kind."""
    parts = list(Part)
    yield "| kind | " + " | ".join(f"{part}: goes on / over (speakers, sentences)" for part in parts) + " |"
    yield "|---" * (len(parts) + 1) + "|"
    for kind in [*(kind for kind in Kind if any(case.kind is kind for case in cases)), None]:
        cells = []
        for part in parts:
            here = [case for case in cases if case.part is part and kind in (None, case.kind)]
            over = sum(case.over for case in here)
            speakers, sentences = len({case.speaker for case in here}), len({case.sentence for case in here})
            cells.append(f"{len(here) - over} / {over} ({speakers}, {sentences})")
        yield f"| {kind or 'all'} | " + " | ".join(cells) + " |"


def edges(cases: Sequence[TurnCase]) -> Iterator[str]:
    """Yields the table of what a classifier of the edges knows."""
    yield "| the classifier sees | area under the curve | by chance (95 %) | right, of both answers alike | cases |"
    yield "|---|---|---|---|---|"
    for name, features in (
        ("60 ms of the inserted pause", inserted),
        ("50 ms of the voice, faded out by the script", faded),
        ("the 50 ms of the voice before, untouched", voice),
    ):
        score = score_edges(cases, features)
        low, high = score.chance
        yield f"| {name} | {score.auc:.2f} | {low:.2f} to {high:.2f} | {score.accuracy:.0%} | {score.cases} |"


def operating_points(curves: Curves) -> Iterator[str]:
    """Yields the table of the best that each bot reaches within a budget of delay or of cut-offs."""
    heads = [f"cut-offs at ≤ {1000 * budget_s:.0f} ms" for budget_s in BUDGETS_S]
    heads += [f"delay at ≤ {share:.0%} cut-offs" for share in SHARES]
    yield "| | " + " | ".join(heads) + " |"
    yield "|---" * (len(heads) + 1) + "|"
    for name, curve in curves.items():
        if not curve:
            continue
        cells = [_share(least_cut_offs(curve, budget_s)) for budget_s in BUDGETS_S]
        cells += [_median(least_delay(curve, share)) for share in SHARES]
        yield f"| {name} | " + " | ".join(cells) + " |"


def points(curves: Curves) -> Iterator[str]:
    """Yields the curves: cut-offs and median delay of each position of the knob."""
    for name, curve in curves.items():
        if len(curve) > 1:
            cells = (f"{point.knob:g}: {point.cut_off_share:.1%}, {1000 * point.median_s:.0f} ms" for point in curve)
            yield f"- {name} (knob: cut-offs, median delay): " + "; ".join(cells)


def by_kind(points: Mapping[str, Point]) -> Iterator[str]:
    """Yields the table of cut-offs and delays by kind, for one point of each bot."""
    yield "| kind | " + " | ".join(f"{name}: cut off | delay, median / p95" for name in points) + " |"
    yield "|---" * (2 * len(points) + 1) + "|"
    first = next(iter(points.values()))
    kinds = [kind for kind in Kind if any(each.case.kind is kind for each in first.outcomes)]
    for kind in kinds:
        yield f"| {kind} | " + " | ".join(_cells(_only(point, kind)) for point in points.values()) + " |"
    yield "| all | " + " | ".join(map(_cells, points.values())) + " |"


def by_language(points: Mapping[str, Point]) -> Iterator[str]:
    """Yields the same table by language."""
    yield "| language | " + " | ".join(f"{name}: cut off | delay, median / p95" for name in points) + " |"
    yield "|---" * (2 * len(points) + 1) + "|"
    first = next(iter(points.values()))
    for language in sorted({each.case.language for each in first.outcomes}):
        cells = (
            _cells(point.of([each for each in point.outcomes if each.case.language == language]))
            for point in points.values()
        )
        yield f"| {language} | " + " | ".join(cells) + " |"


def errors(point: Point) -> Iterator[str]:
    """Yields the cases that were cut off, and those whose turn ended late."""
    for each in point.outcomes:
        if each.cut_off:
            yield f"- cut off {1000 * each.delay_s:.0f} ms into {1000 * each.case.pause_s:.0f}: {each.case.name}"
        elif each.case.over and each.delay_s > SLOW_S:
            yield f"- late, {1000 * each.delay_s:.0f} ms: {each.case.name}"


def _only(point: Point, kind: Kind) -> Point:
    return point.of([each for each in point.outcomes if each.case.kind is kind])


def _cells(point: Point) -> str:
    cut = f"{point.cut_offs} of {len(point.pauses)} ({point.cut_off_share:.0%})" if point.pauses else NONE
    delays = [1000 * each.delay_s for each in point.ends]
    delay = f"{statistics.median(delays):.0f} / {p95(delays):.0f} ms ({len(delays)})" if delays else NONE
    return f"{cut} | {delay}"


def _share(point: Point | None) -> str:
    if point is None:
        return NONE
    return f"{point.cut_off_share:.1%} ({point.cut_offs} of {len(point.pauses)})"


def _median(point: Point | None) -> str:
    return NONE if point is None else f"{1000 * point.median_s:.0f} ms"
