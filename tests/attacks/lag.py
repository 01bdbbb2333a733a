"""Collects the measurements of `probe` in the background."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.attacks.probe import PATIENCE_S, STEP_S
from tests.benchmarks.figures import p95
from tests.support.paths import PROJECT
from tests.support.signal import Signal

FRESH_MS = 1_000.0
"""A health check of an operator gives up after this time."""


@dataclass(frozen=True, slots=True)
class Lag:
    """Lag in ms; `refused` of `tried` fresh connections got no answer, or none in time."""

    p95: float
    most: float
    refused: int
    tried: int


@dataclass(slots=True)
class LagLog:
    """All measurements since the probe began: the time of the end of each (monotonic), and its duration."""

    kept: list[tuple[float, float]] = field(default_factory=list)
    fresh: list[tuple[float, float]] = field(default_factory=list)
    _changed: Signal = field(default_factory=Signal)

    def add(self, line: str) -> None:
        kind, at_s, ms = line.split()
        (self.kept if kind == "lag" else self.fresh).append((float(at_s), float(ms)))
        self._changed.notify()

    async def between(self, since_s: float, until_s: float, fresh_ms: float = FRESH_MS) -> Lag:
        """Returns the lag in all measurements within this time, and waits for one under way. Raises TimeoutError.

        If none was under way, the next one counts. The answer on a fresh connection is in time if it took at most
        `fresh_ms`.
        """
        for log in (self.kept, self.fresh):
            await self._changed.until(
                lambda log=log: (log and log[-1][0] > until_s) or None,  # type: ignore[misc]
                3 * PATIENCE_S,
                "end of a measurement",
            )
        kept = delays(_overlapping(self.kept, since_s, until_s))
        fresh = _overlapping(self.fresh, since_s, until_s)
        return Lag(p95(kept), max(kept), sum(ms < 0 or ms > fresh_ms for ms in fresh), len(fresh))


def _overlapping(measured: list[tuple[float, float]], since_s: float, until_s: float) -> list[float]:
    within = [ms for at_s, ms in measured if since_s <= at_s and at_s - abs(ms) / 1_000 <= until_s]
    return within or [next(ms for at_s, ms in measured if at_s > until_s)]


def delays(measured_ms: list[float]) -> list[float]:
    """Spreads each stall over all the questions that would have been asked during it, not only the one that was.

    A missing answer counts as the longest wait.
    """
    step_ms = STEP_S * 1_000
    felt: list[float] = []
    for ms in measured_ms:
        left_ms = PATIENCE_S * 1_000 if ms < 0 else ms
        while left_ms > 0:
            felt.append(left_ms)
            left_ms -= step_ms
    return felt or [PATIENCE_S * 1_000]


@asynccontextmanager
async def measured_lag(url: str, address: str, app: int | None = None) -> AsyncIterator[LagLog]:
    """Measures from `address` while the block runs.

    With the process number of the `app`, the time in which it waits for a processor in use by others does not count.
    """
    arguments = [url, address] if app is None else [url, address, str(app)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.attacks.probe", *arguments, cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )
    log = LagLog()

    async def collect() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            log.add(line.decode())

    collecting = asyncio.create_task(collect())
    try:
        yield log
    finally:
        assert process.returncode is None, "the probe has died"
        process.kill()
        await process.wait()
        await collecting
