"""What can go wrong with a service, to be injected into a simulator: a fault for each request, in order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    REFUSE = "refuse"
    """The connection is closed before a byte of an answer (a port that nobody listens on is tried by closing it)."""
    UNAUTHORIZED = "401"
    PAYMENT_REQUIRED = "402"
    FORBIDDEN = "403"
    RATE_LIMITED = "429"
    NO_CREDIT = "no-credit"
    """The account has no credit, told as the service tells it: OpenAI with 429 and a code, ElevenLabs with 401 and a
    code, Deepgram with 402."""
    SERVER_ERROR = "500"
    HANG = "hang"
    """The request is taken, and nothing comes."""
    SLOW_FIRST_BYTE = "slow"
    """All is well, but late."""
    CUT = "cut"
    """The connection breaks in mid-stream."""
    GARBAGE = "garbage"
    """Something comes that is no answer."""
    STALL = "stall"
    """The answer stops in mid-stream, and the connection stays open."""
    RESET = "reset"
    """The TCP connection is reset in mid-stream."""
    TRICKLE = "trickle"
    """All comes, but each piece long after the one before."""
    HALF_OPEN = "half-open"
    """The service has gone without a word, as when its machine loses power: nothing comes, and nothing is read."""

    @property
    def is_in_mid_stream(self) -> bool:
        """Whether the answer begins as if all were well."""
        return self in (Fault.CUT, Fault.GARBAGE, Fault.STALL, Fault.RESET, Fault.TRICKLE)

    @property
    def status(self) -> int | None:
        """The HTTP status it is told by, if it is."""
        if self is Fault.NO_CREDIT:
            return 402
        return int(self.value) if self.value.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault with its particulars.

    A CUT, GARBAGE, STALL or RESET comes `after` so many pieces of the answer. `delay_s` is how late a SLOW_FIRST_BYTE
    is, and the time between two pieces of a TRICKLE.
    """

    fault: Fault
    retry_after_s: float | None = None
    delay_s: float = 1.0
    after: int = 1


class Faults:
    """The next request gets the next planned fault; when none is left, `always` if that is set, else health."""

    def __init__(self) -> None:
        self._planned: deque[Planned | None] = deque()
        self._always: Planned | None = None

    def plan(self, *planned: Planned | Fault | None) -> None:
        """Adds to the plan; None is a request that goes well."""
        self._planned.extend(Planned(each) if isinstance(each, Fault) else each for each in planned)

    def always(self, planned: Planned | Fault | None) -> None:
        """For all requests after the planned ones; None ends it."""
        self._always = Planned(planned) if isinstance(planned, Fault) else planned

    def next(self) -> Planned | None:
        return self._planned.popleft() if self._planned else self._always
