"""The figures of a bot, and Markdown tables that compare bots."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

NONE = "–"


@dataclass(slots=True)
class Figures:
    """The measurements of a bot: values by measure, counts as (yes, of), and notes on failures."""

    values: dict[str, list[float]] = field(default_factory=dict)
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, measure: str, value: float) -> None:
        self.values.setdefault(measure, []).append(value)

    def count(self, measure: str, yes: bool) -> None:
        before, of = self.counts.get(measure, (0, 0))
        self.counts[measure] = (before + yes, of + 1)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def p95(values: Sequence[float]) -> float:
    """Returns the 95th percentile by the nearest rank; of fewer than 20 values, the largest."""
    return sorted(values)[min(len(values) - 1, -(-95 * len(values) // 100) - 1)]


def spread(values: Sequence[float] | None, unit: str) -> str:
    if not values:
        return NONE
    return " ".join(f"{statistics.median(values):.0f} / {p95(values):.0f} {unit}".split()) + f" (n {len(values)})"


def table(title: str, rows: Sequence[tuple[str, str, str]], bots: Mapping[str, Figures]) -> list[str]:
    """Returns a table whose rows are (measure, label, unit). The unit "of" marks a count. Rows without values are
    left out."""
    lines = [f"### {title}", "", "| | " + " | ".join(bots) + " |", "|---" * (len(bots) + 1) + "|"]
    for measure, name, unit in rows:
        if unit == "of":
            cells = [counted(figures.counts.get(measure)) for figures in bots.values()]
        else:
            cells = [spread(figures.values.get(measure), unit) for figures in bots.values()]
        if set(cells) != {NONE}:
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def counted(count: tuple[int, int] | None) -> str:
    return NONE if count is None else f"{count[0]} of {count[1]}"
