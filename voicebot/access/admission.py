"""Who may begin a session, and for how long: one register for all transports."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict

from voicebot.access.close_codes import CloseCode, SessionClosed
from voicebot.access.rates import AddressBuckets
from voicebot.access.refusal import Reason
from voicebot.runtime import limits
from voicebot.runtime.clock import Clock
from voicebot.settings.config import Settings

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


class SessionSlot:
    """A place that is taken, or is asked for while the client connects. `leave` gives it back, and may come twice."""

    def __init__(self, admission: Admission, address: str, instead_of: SessionSlot | None) -> None:
        self._admission = admission
        self.address = address
        self.instead_of = instead_of
        """The session whose place this one has: it is about to end."""
        self.began_s = self.counted_s = 0.0
        """The time up to `counted_s` is in the day's account, or belongs to the day before."""
        self.lost = False
        """Another client's offer has pushed this one, which had not connected yet, out."""

    def begin(self) -> None:
        """The client has connected: take a place for it. Raises RefusedError if there is none left."""
        self._admission.begin(self)

    def over(self) -> SessionClosed | None:
        """Why the session has to end now; None while it may go on."""
        return self._admission.over(self)

    @property
    def left_s(self) -> float:
        """How long the session may go on."""
        return self._admission.left_s(self)

    def leave(self) -> None:
        self._admission.leave(self)


class Admission:
    """Counts sessions, their attempts and their minutes.

    `clock` is monotonic: rates and durations do not depend on the date. `wall` is in seconds since the epoch and only
    tells when a new day (UTC) begins. No method waits: between two calls nobody can slip in.
    """

    def __init__(self, settings: Settings, clock: Clock = time.monotonic, wall: Clock = time.time) -> None:
        self._max_sessions = settings.max_sessions
        self._max_per_address = settings.max_sessions_per_address
        self._session_minutes = settings.session_minutes
        self._minutes_per_day = settings.minutes_per_day_per_address
        self._max_pending = max(limits.PENDING_OFFERS, settings.max_sessions)
        self._max_pending_per_address = self._max_pending
        if settings.max_sessions_per_address:
            self._max_pending_per_address = max(limits.PENDING_OFFERS_PER_ADDRESS, settings.max_sessions_per_address)
        self._clock, self._wall = clock, wall
        per_minute = settings.offers_per_minute
        self._attempts = AddressBuckets(per_minute / MINUTE_S, per_minute, clock)
        self._slots: set[SessionSlot] = set()
        self._pending: dict[SessionSlot, None] = {}
        """Those who are connecting, the oldest first: they hold no place yet."""
        self.begun = 0
        """How many sessions were let in so far."""
        self._day, self._day_began_s = -1, 0.0
        self._spent_s: dict[str, float] = defaultdict(float)
        """What each address has used today, but for what its open sessions have not yet been charged."""

    @property
    def sessions(self) -> int:
        return len(self._slots)

    @property
    def pending(self) -> int:
        """How many clients have made an offer and are connecting."""
        return len(self._pending)

    def enter(self, address: str, instead_of: SessionSlot | None = None) -> SessionSlot:
        """Take a place, also the one of a session that is about to end for this one. Raises RefusedError."""
        self._count_attempt(address)
        slot = SessionSlot(self, address, instead_of)
        self.begin(slot)
        return slot

    def ask(self, address: str, instead_of: SessionSlot | None = None) -> SessionSlot:
        """Take no place yet, but allow the client to connect, after which `begin` takes one. Raises RefusedError.

        Clients that never connect keep nobody out: with too many of them connecting, the oldest of the address that
        has most of them is pushed out. Its slot is `lost` then, and the caller has to end its connection.
        """
        self._count_attempt(address)
        self._check(address, instead_of)
        if sum(each.address == address for each in self._pending) >= self._max_pending_per_address:
            self._push_out(address)
        elif len(self._pending) >= self._max_pending:
            ((busiest, _),) = Counter(each.address for each in self._pending).most_common(1)
            self._push_out(busiest)
        slot = SessionSlot(self, address, instead_of)
        self._pending[slot] = None
        return slot

    def begin(self, slot: SessionSlot) -> None:
        """Take a place. Raises RefusedError if there is none left."""
        self._check(slot.address, slot.instead_of)
        self._pending.pop(slot, None)
        slot.began_s = slot.counted_s = self._clock()
        self._slots.add(slot)
        self.begun += 1

    def over(self, slot: SessionSlot) -> SessionClosed | None:
        if self._clock() - slot.began_s > self._session_minutes * MINUTE_S:
            return SessionClosed(CloseCode.TIME, f"The time limit of {self._session_minutes:g} minutes is over.")
        return SessionClosed(CloseCode.DAY, self._day_over) if self._day_is_spent(slot.address) else None

    def left_s(self, slot: SessionSlot) -> float:
        """The day's minutes are used up by all sessions of the address together."""
        session_s = slot.began_s + self._session_minutes * MINUTE_S - self._clock()
        if not self._minutes_per_day:
            return max(0.0, session_s)
        self._charge(slot.address)
        own = sum(each.address == slot.address for each in self._slots) or 1
        day_s = (self._minutes_per_day * MINUTE_S - self._spent_s[slot.address]) / own
        return max(0.0, min(session_s, day_s))

    def leave(self, slot: SessionSlot) -> None:
        self._pending.pop(slot, None)
        if slot in self._slots:
            self._charge(slot.address)
            self._slots.remove(slot)

    def _count_attempt(self, address: str) -> None:
        attempts = self._attempts.of(address)
        if not attempts.take():
            raise RefusedError(429, Reason.RATE, "You are connecting too often. Please wait a little.", attempts.wait_s)

    def _check(self, address: str, instead_of: SessionSlot | None) -> None:
        """Raises RefusedError if no session of this address can begin now."""
        others = self._slots - {instead_of}
        if len(others) >= self._max_sessions:
            message = f"All {self._max_sessions} places are taken. Please try again in a few minutes."
            raise RefusedError(503, Reason.FULL, message, MINUTE_S)
        own = sum(slot.address == address for slot in others)
        if self._max_per_address and own >= self._max_per_address:
            message = f"You have {own} sessions open, which is all you may. End one of them first."
            raise RefusedError(429, Reason.ADDRESS, message)
        if self._day_is_spent(address):
            left_s = self._day_began_s + DAY_S - self._clock()
            raise RefusedError(429, Reason.DAY, self._day_over, left_s)

    def _push_out(self, address: str) -> None:
        oldest = next(each for each in self._pending if each.address == address)
        del self._pending[oldest]
        oldest.lost = True

    @property
    def _day_over(self) -> str:
        return f"You have used the {self._minutes_per_day:g} minutes that each visitor has a day. Come back tomorrow."

    def _day_is_spent(self, address: str) -> bool:
        if not self._minutes_per_day:
            return False
        self._charge(address)
        return self._spent_s[address] >= self._minutes_per_day * MINUTE_S

    def _charge(self, address: str) -> None:
        """Bring an address's account up to date."""
        self._turn_day()
        now_s = self._clock()
        for slot in self._slots:
            if slot.address == address and self._minutes_per_day:
                self._spent_s[address] += max(0.0, now_s - slot.counted_s)
                slot.counted_s = now_s

    def _turn_day(self) -> None:
        """Begin a new day with empty accounts if the date is later than that of the accounts.

        A clock that was set back begins no new day; the accounts of the day that it had come to hold for 24 hours.
        """
        wall_s, now_s = self._wall(), self._clock()
        day = int(wall_s // DAY_S)
        if day <= self._day and now_s - self._day_began_s < DAY_S:
            return
        self._day, self._day_began_s = day, now_s - wall_s % DAY_S
        self._spent_s.clear()
        for slot in self._slots:
            slot.counted_s = max(slot.counted_s, self._day_began_s)
