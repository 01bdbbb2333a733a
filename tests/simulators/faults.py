"""Faults of a service that a test injects into a simulator, one for each request, in order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    REFUSE = "refuse"
    """The connection is closed before the answer. (Tests of a port without a listener close the port instead.)"""
    UNAUTHORIZED = "401"
    PAYMENT_REQUIRED = "402"
    FORBIDDEN = "403"
    RATE_LIMITED = "429"
    NO_CREDIT = "no-credit"
    """The account has no credit. OpenAI answers 429 with a code, ElevenLabs 401 with a code, Deepgram 402."""
    SERVER_ERROR = "500"
    HANG = "hang"
    """The request is accepted, but no answer comes."""
    SLOW_FIRST_BYTE = "slow"
    """The answer is good, but late."""
    CUT = "cut"
    """The connection breaks in mid-stream."""
    GARBAGE = "garbage"
    """The service sends bytes that are no answer."""
    STALL = "stall"
    """The answer stops in mid-stream, and the connection stays open."""
    RESET = "reset"
    """The TCP connection is reset in mid-stream."""
    TRICKLE = "trickle"
    """The whole answer comes, but with long pauses between its pieces."""
    HALF_OPEN = "half-open"
    """The service sends and reads nothing more, as when its machine loses power."""

    @property
    def is_in_mid_stream(self) -> bool:
        """True if the answer begins normally."""
        return self in (Fault.CUT, Fault.GARBAGE, Fault.STALL, Fault.RESET, Fault.TRICKLE)

    @property
    def status(self) -> int | None:
        """The HTTP status of the fault, if it has one."""
        if self is Fault.NO_CREDIT:
            return 402
        return int(self.value) if self.value.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault and its parameters.

    A CUT, GARBAGE, STALL or RESET comes after `after` pieces of the answer. `delay_s` is the delay of a
    SLOW_FIRST_BYTE, or the time between two pieces of a TRICKLE.
    """

    fault: Fault
    retry_after_s: float | None = None
    delay_s: float = 1.0
    after: int = 1


class Faults:
    """The planned faults. When none is left, each request gets the fault of `always`, if set, or goes well."""

    def __init__(self) -> None:
        self._planned: deque[Planned | None] = deque()
        self._always: Planned | None = None

    def plan(self, *planned: Planned | Fault | None) -> None:
        """Appends to the plan. None stands for a request that goes well."""
        self._planned.extend(Planned(each) if isinstance(each, Fault) else each for each in planned)

    def always(self, planned: Planned | Fault | None) -> None:
        """Sets the fault of all requests after the planned ones. None removes it."""
        self._always = Planned(planned) if isinstance(planned, Fault) else planned

    def next(self) -> Planned | None:
        return self._planned.popleft() if self._planned else self._always
