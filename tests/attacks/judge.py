"""The bounds that hold for every attack, and the check of a measured attack against them."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.attacks.attack import Attack, Lock, Place
from tests.attacks.figures import Reading
from tests.attacks.lag import Lag

LAG_P95_MS, LAG_MOST_MS = 50.0, 250.0
"""The highest lag of others during the attack."""

QUIET_MS = 5.0
"""The highest 95th percentile of the idle control. Above it, the machine is too busy for lag to mean anything."""

MEMORY_MB, DISK_MB = 30.0, 1.0
"""The memory that the app may keep after the attack, above what it held before."""

LOG_KB = 100.0
"""The most that an attack may add to the log."""

DESCRIPTORS = 40
"""The most files that may stay open. Recordings of the attackers' sessions, two files each, are kept for some
minutes."""

UNNAMED_MB = 20.0
"""The recordings that may still be downloaded: at most MAX_SESSIONS of 64 kB a second."""

REST_CPU = 0.3
"""The cores that the app may use after the attack, above what it used before."""


@dataclass(slots=True)
class Row:
    """The measurements of one attack from one place."""

    attack: Attack
    lock: Lock
    place: Place
    lag: Lag
    before: Reading
    most_mb: float
    after: Reading
    rest_cpu: tuple[float, float]
    """The cores used at rest, before and after."""
    app_cpu: float
    """The cores used by the app during the attack."""
    attacker_cpu: float
    honest: dict[str, str | None] = field(default_factory=dict)
    """The problem that each honest user had, or None."""
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    """The problems that the attack itself found."""
    problem: str | None = None
    """The reason why the attack could not be measured, if it could not."""

    @property
    def failures(self) -> list[str]:
        """Descriptions of all bounds that were exceeded, and of the other problems."""
        if self.problem is not None:
            return [self.problem]
        return [*self._of_others, *self.marks, *self.problems]

    @property
    def leaves_marks(self) -> bool:
        """True if the next attack needs a new app."""
        return self.problem is not None or bool(self.marks) or any(self.honest.values())

    @property
    def _of_others(self) -> list[str]:
        """Descriptions of the effects on others."""
        found = exceeded(("lag p95", self.lag.p95, LAG_P95_MS, "ms"), ("lag at most", self.lag.most, LAG_MOST_MS, "ms"))
        if self.lag.refused and self.place == "other":
            found.append(f"/health had no answer for {self.lag.refused} of {self.lag.tried} new connections")
        return found + [f"{who}: {what}" for who, what in self.honest.items() if what is not None]

    @property
    def marks(self) -> list[str]:
        """Descriptions of what the attack left behind."""
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
    """Describes each value above its bound, from tuples of name, value, bound and unit."""
    return [f"{name} {value:.0f} {unit}".strip() for name, value, most, unit in bounds if value > most]
