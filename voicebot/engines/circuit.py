"""The circuit breaker of an engine: after a failure the engine rests, each time longer, while another one works."""

from __future__ import annotations

import time

from voicebot.engines.errors import EngineError, Fault
from voicebot.runtime.clock import Clock

LONGEST_REST_S = 600.0

MOST_COUNTED = 20
"""More failures in a row than this do not make the rest longer: it has reached its maximum long before."""

UNUSED = 8
"""After a failure that only an operator can mend (key, credit, missing model), the rest is this many times as long."""


class CircuitBreaker:
    """The circuit breaker of one engine. The first rest lasts `rest_s`, and doubles with each further failure."""

    def __init__(self, rest_s: float, clock: Clock = time.monotonic) -> None:
        self._rest_s = rest_s
        self._clock = clock
        self._failures = self._rejected = 0
        self._until_s = 0.0
        self.error: EngineError | None = None
        """Why the engine rests, or rested last; None after it has worked again."""

    @property
    def remaining_s(self) -> float:
        """How long the engine will still rest, in seconds."""
        return max(0.0, self._until_s - self._clock())

    @property
    def closed(self) -> bool:
        """Whether the engine may be tried."""
        return self.remaining_s == 0

    def failed(self, error: EngineError) -> None:
        """Notes a failure of the engine, or of a probe.

        One rejected request says nothing about the next, so the engine rests only after several in a row. Requests that
        began before a rest may fail during it: these do not count as further failures. A request that does not suit the
        engine does not count, as other users must not lose the engine because of it.
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
        """Notes a probe that succeeded: the engine may be tried, but one more failure makes it rest longer than before.

        After a rejected probe there is a `doubt`: the service is reachable, and only a request will tell.
        """
        self._until_s = 0.0
        self.error = doubt

    def worked(self) -> None:
        """Notes a request that succeeded: the next failure counts as the first."""
        self.may_work()
        self._failures = self._rejected = 0
