"""What is expected of every attack, and whether it was so."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.attacks.attack import Attack, Lock, Place
from tests.attacks.figures import Reading
from tests.attacks.lag import Lag

LAG_P95_MS, LAG_MOST_MS = 50.0, 250.0
"""Others' lag while the attack goes on."""

QUIET_MS = 5.0
"""The idle control's 95th percentile must be below, or the machine is too busy for lag to say anything."""

MEMORY_MB, DISK_MB = 30.0, 1.0
"""How far the app may stay above what it held before."""

LOG_KB = 100.0
"""How much an attack may add to the log."""

DESCRIPTORS = 40
"""How many more may stay open: recordings of the attackers' sessions, two files each, are kept for some minutes."""

UNNAMED_MB = 20.0
"""Sound of sessions that may still be downloaded: at most MAX_SESSIONS of 64 kB a second."""

REST_CPU = 0.3
"""Cores that the app may use more than before, once the attack is over."""


@dataclass(slots=True)
class Row:
    """One attack from one place: all that was measured."""

    attack: Attack
    lock: Lock
    place: Place
    lag: Lag
    before: Reading
    most_mb: float
    after: Reading
    rest_cpu: tuple[float, float]
    """Cores used at rest, before and after."""
    app_cpu: float
    """Cores used by the app while it went on."""
    attacker_cpu: float
    honest: dict[str, str | None] = field(default_factory=dict)
    """What became of each honest user: None is well."""
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    """What the attack itself found."""
    problem: str | None = None
    """Why it could not be judged at all."""

    @property
    def failures(self) -> list[str]:
        """What was not as expected; nothing if all is well."""
        if self.problem is not None:
            return [self.problem]
        return [*self._of_others, *self.marks, *self.problems]

    @property
    def leaves_marks(self) -> bool:
        """Whether the next attack needs an app that this one has not touched."""
        return self.problem is not None or bool(self.marks) or any(self.honest.values())

    @property
    def _of_others(self) -> list[str]:
        """What the others felt."""
        found = exceeded(("lag p95", self.lag.p95, LAG_P95_MS, "ms"), ("lag at most", self.lag.most, LAG_MOST_MS, "ms"))
        if self.lag.refused and self.place == "other":
            found.append(f"/health had no answer for {self.lag.refused} of {self.lag.tried} new connections")
        return found + [f"{who}: {what}" for who, what in self.honest.items() if what is not None]

    @property
    def marks(self) -> list[str]:
        """What it left behind."""
        before, after = self.before, self.after
        found = exceeded(
            ("memory not given back", after.memory_mb - before.memory_mb, MEMORY_MB, "MB"),
            ("disk not given back", after.disk_mb - before.disk_mb, DISK_MB, "MB"),
            ("files without a name", after.unnamed_mb - before.unnamed_mb, UNNAMED_MB, "MB"),
            ("log grew", after.log_kb - before.log_kb, LOG_KB, "kB"),
            ("open files left", after.descriptors - before.descriptors, DESCRIPTORS, ""),
        )
        if self.rest_cpu[1] - self.rest_cpu[0] > REST_CPU:
            found.append(f"still uses {self.rest_cpu[1]:.0%} of a core")
        if after.sessions > before.sessions >= 0:
            found.append(f"{after.sessions - before.sessions} of the attacker's sessions are still open")
        return found


def exceeded(*bounds: tuple[str, float, float, str]) -> list[str]:
    """Name, value, the most it may be, and unit."""
    return [f"{name} {value:.0f} {unit}".strip() for name, value, most, unit in bounds if value > most]
