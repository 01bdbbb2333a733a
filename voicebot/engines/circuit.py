"""Whether an engine may be tried: one that failed rests, each time longer, while another does its work."""

from __future__ import annotations

import time

from voicebot.engines.errors import EngineError, Fault
from voicebot.runtime.clock import Clock

LONGEST_REST_S = 600.0

MOST_COUNTED = 20
"""More failures in a row make no rest longer: it has long been the longest."""

UNUSED = 8
"""After a failure that only an operator can mend, an engine is tried again after this many times the usual rest: the
key was not accepted, the account has no credit, or the service has no such model."""


class CircuitBreaker:
    """One engine's. `rest_s` is the first rest after a failure; it doubles with each one that follows."""

    def __init__(self, rest_s: float, clock: Clock = time.monotonic) -> None:
        self._rest_s = rest_s
        self._clock = clock
        self._failures = self._rejected = 0
        self._until_s = 0.0
        self.error: EngineError | None = None
        """Why it rests, or did last; None once it has worked again."""

    @property
    def remaining_s(self) -> float:
        """How long it will still rest."""
        return max(0.0, self._until_s - self._clock())

    @property
    def closed(self) -> bool:
        """It may be tried."""
        return self.remaining_s == 0

    def failed(self, error: EngineError) -> None:
        """It could not do its work, or can't be reached by a probe.

        One request that was not accepted says nothing about the next: no rest then, but after several in a row. Work
        begun before it rested may fail while it does, which is no further failure. Work that does not suit an engine
        says nothing about the engine: others must not lose it because one user asked for something it cannot do.
        """
        if error.fault is Fault.UNSUITABLE:
            return
        self.error = error
        self._rejected = self._rejected + 1 if error.fault is Fault.REJECTED else 0
        if self._rejected == 1:
            return
        self._failures = min(self._failures + self.closed, MOST_COUNTED)
        rest_s = self._rest_s * 2 ** (self._failures - 1)
        if error.fault in (Fault.DENIED, Fault.UNPAID, Fault.MISSING):
            rest_s *= UNUSED
        rest_s = min(max(rest_s, error.retry_after_s or 0.0), LONGEST_REST_S)
        self._until_s = max(self._until_s, self._clock() + rest_s)

    def may_work(self, doubt: EngineError | None = None) -> None:
        """A probe went well: it may be tried, but one more failure makes it rest longer than the last.

        A probe that was not accepted leaves a `doubt`: the service is there, and only its work will tell.
        """
        self._until_s = 0.0
        self.error = doubt

    def worked(self) -> None:
        self.may_work()
        self._failures = self._rejected = 0
