"""Formats the rows as lines for a reader, and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tests.attacks.judge import Row
from tests.attacks.lag import Lag

HEAD = (
    f"{'attack':31} {'lock':13} {'from':5} {'lag ms p95/most':>15} {'memory MB':>15} {'disk':>5} {'log':>5}"
    f" {'sessions':>8} {'cpu app/attacker':>16} {'honest':>6}  verdict"
)
UNITS = (
    "lag: of GET /health from outside while the attack goes on. memory: before > most > after, of all the app's"
    " processes. disk, log: growth in MB and kB. cpu: cores. honest: answered of asked, newcomers with them."
)


def line(row: Row) -> str:
    before, after = row.before, row.after
    well = sum(what is None for what in row.honest.values())
    verdict = "; ".join(row.failures)
    return (
        f"{row.attack.name:31} {row.lock:13} {row.place:5} {lag(row.lag):>15}"
        f" {before.memory_mb:>5.0f}>{row.most_mb:.0f}>{after.memory_mb:<4.0f}"
        f" {after.disk_mb - before.disk_mb:>5.1f} {after.log_kb - before.log_kb:>5.0f}"
        f" {before.sessions:>5}>{after.sessions:<2} {row.app_cpu:>8.2f} /{row.attacker_cpu:>5.2f}"
        f"  {well:>3}/{len(row.honest)}  {'FAILED: ' + verdict if verdict else 'ok'}"
    )


def lag(lag: Lag) -> str:
    return f"{lag.p95:.0f} / {lag.most:.0f}"


def counts(row: Row) -> str:
    """Describes what the attacker saw: statuses, events, errors."""
    listed = ", ".join(f"{what} × {round(count)}" for what, count in sorted(row.counts.items()))
    return f"    {row.attack.meaning}\n    the app answered: {listed or 'nothing'}"


def as_json(row: Row) -> dict[str, Any]:
    fields = asdict(row)
    return fields | {"attack": row.attack.name, "failures": row.failures}
