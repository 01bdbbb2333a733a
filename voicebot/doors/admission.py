"""Who may begin a session, and for how long: one register for all transports."""

from __future__ import annotations

import math
import time
from collections import defaultdict

from voicebot.config import Settings
from voicebot.doors.ending import Cause, Ending
from voicebot.doors.rates import AddressBuckets, Clock
from voicebot.doors.refusal import Reason

DAY_S = 86_400
MINUTE_S = 60


class RefusedError(Exception):
    """No session for this client: an HTTP status, a text for its user, and when to try again, if that is known."""

    def __init__(self, status: int, reason: Reason, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after_s is None else {"Retry-After": str(math.ceil(self.retry_after_s))}


class Ticket:
    """A place that is taken. `leave` gives it back, and may come twice."""

    def __init__(self, admission: Admission, address: str, now_s: float) -> None:
        self._admission = admission
        self.address = address
        self.began_s = self.counted_s = now_s
        """The time up to `counted_s` is in the day's account, or belongs to the day before."""

    def over(self) -> Ending | None:
        """Why the session has to end now; None while it may go on."""
        return self._admission.over(self)

    @property
    def left_s(self) -> float:
        """How long the session may go on."""
        return self._admission.left_s(self)

    def leave(self) -> None:
        self._admission.leave(self)


class Admission:
    """Counts sessions, their attempts and their minutes. `clock` is in seconds since the epoch; days are UTC's.

    `enter` never waits: between two calls nobody can slip in.
    """

    def __init__(self, settings: Settings, clock: Clock = time.time) -> None:
        self._max_sessions = settings.max_sessions
        self._max_per_address = settings.max_sessions_per_address
        self._session_minutes = settings.session_minutes
        self._minutes_per_day = settings.minutes_per_day_per_address
        self._clock = clock
        per_minute = settings.offers_per_minute
        self._attempts = AddressBuckets(per_minute / MINUTE_S, per_minute, clock)
        self._tickets: set[Ticket] = set()
        self.begun = 0
        """How many sessions were let in so far."""
        self._day = 0
        self._spent_s: dict[str, float] = defaultdict(float)
        """What each address has used today, but for what its open sessions have not yet been charged."""

    @property
    def sessions(self) -> int:
        return len(self._tickets)

    def enter(self, address: str, instead_of: Ticket | None = None) -> Ticket:
        """Take a place, also the one of a session that is about to end for this one. Raises RefusedError."""
        attempts = self._attempts.of(address)
        if not attempts.take():
            raise RefusedError(429, Reason.RATE, "You are connecting too often. Please wait a little.", attempts.wait_s)
        others = self._tickets - {instead_of}
        if len(others) >= self._max_sessions:
            message = f"All {self._max_sessions} places are taken. Please try again in a few minutes."
            raise RefusedError(503, Reason.FULL, message, MINUTE_S)
        own = sum(ticket.address == address for ticket in others)
        if self._max_per_address and own >= self._max_per_address:
            message = f"You have {own} sessions open, which is all you may. End one of them first."
            raise RefusedError(429, Reason.ADDRESS, message)
        if self._day_is_spent(address):
            raise RefusedError(429, Reason.DAY, self._day_over, DAY_S - self._clock() % DAY_S)
        ticket = Ticket(self, address, self._clock())
        self._tickets.add(ticket)
        self.begun += 1
        return ticket

    def over(self, ticket: Ticket) -> Ending | None:
        if self._clock() - ticket.began_s > self._session_minutes * MINUTE_S:
            return Ending(Cause.TIME, f"The time limit of {self._session_minutes:g} minutes is over.")
        return Ending(Cause.DAY, self._day_over) if self._day_is_spent(ticket.address) else None

    def left_s(self, ticket: Ticket) -> float:
        """The day's minutes are used up by all sessions of the address together."""
        session_s = ticket.began_s + self._session_minutes * MINUTE_S - self._clock()
        if not self._minutes_per_day:
            return max(0.0, session_s)
        self._charge(ticket.address)
        own = sum(each.address == ticket.address for each in self._tickets) or 1
        day_s = (self._minutes_per_day * MINUTE_S - self._spent_s[ticket.address]) / own
        return max(0.0, min(session_s, day_s))

    def leave(self, ticket: Ticket) -> None:
        if ticket in self._tickets:
            self._charge(ticket.address)
            self._tickets.remove(ticket)

    @property
    def _day_over(self) -> str:
        return f"You have used the {self._minutes_per_day:g} minutes that each visitor has a day. Come back tomorrow."

    def _day_is_spent(self, address: str) -> bool:
        if not self._minutes_per_day:
            return False
        self._charge(address)
        return self._spent_s[address] >= self._minutes_per_day * MINUTE_S

    def _charge(self, address: str) -> None:
        """Bring an address's account up to date; a new day begins with empty ones."""
        now_s = self._clock()
        if (day := int(now_s // DAY_S)) != self._day:
            self._day = day
            self._spent_s.clear()
        for ticket in self._tickets:
            if ticket.address == address and self._minutes_per_day:
                self._spent_s[address] += max(0.0, now_s - max(ticket.counted_s, day * DAY_S))
                ticket.counted_s = now_s
