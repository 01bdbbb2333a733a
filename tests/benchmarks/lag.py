"""Measures the lag of an event loop."""

from __future__ import annotations

import asyncio
import time
from statistics import fmean

from tests.benchmarks.figures import p95

STEP_S = 0.02

LATE_MS = 20.0


class Lag:
    """The delay in ms with which a task wakes that wants to wake every 20 ms."""

    def __init__(self) -> None:
        self._late_ms: list[float] = [0.0]
        self.late_s = 0.0
        """The last time at which the delay was more than `LATE_MS`."""

    async def watch(self) -> None:
        while True:
            due_s = time.monotonic() + STEP_S
            await asyncio.sleep(STEP_S)
            self._late_ms.append((time.monotonic() - due_s) * 1000)
            if self._late_ms[-1] > LATE_MS:
                self.late_s = time.monotonic()

    def take(self) -> dict[str, float]:
        """Returns the lag since the last call: {"mean": ms, "p95": ms, "most": ms}."""
        late_ms, self._late_ms = self._late_ms, [0.0]
        return {"mean": fmean(late_ms), "p95": p95(late_ms), "most": max(late_ms)}
