"""Admission of sessions: how many there may be and how long they may last, on all transports together."""

from __future__ import annotations

import math
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Collection

from voicebot.access.close_codes import CloseCode, SessionClosed
from voicebot.access.places import Occupancy, PlaceLimits, SessionPlace, SharedPlaces
from voicebot.access.rates import AddressBuckets
from voicebot.access.refusal import Reason
from voicebot.runtime import limits
from voicebot.runtime.clock import Clock
from voicebot.settings.config import Settings

DAY_S = 86_400
MINUTE_S = 60


class RefusedError(Exception):
    """A client was refused: with an HTTP status, a text for its user, and when to try again, if that is known."""

    def __init__(
        self,
        status: int,
        reason: Reason,
        message: str,
        retry_after_s: float | None = None,
        *,
        problem_code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.problem_code = problem_code
        """The kind of problem that the engines have, if that is the reason."""

    @property
    def content(self) -> dict[str, str]:
        """The JSON of the answer."""
        content = {"error": str(self), "code": self.reason.value}
        return content if self.problem_code is None else content | {"problem_code": self.problem_code}

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after_s is None else {"Retry-After": str(math.ceil(self.retry_after_s))}


class SessionSlot:
    """One client's place among all sessions. It is pending while the client connects, then occupied until `release`."""

    def __init__(self, admission: Admission, address: str, replaces: SessionSlot | None) -> None:
        self._admission = admission
        self.address = address
        self.place = SessionPlace(secrets.token_hex(8), address)
        """The name of this slot in all processes that share their places."""
        self.replaces = replaces
        """The slot of a session that is about to close, whose place this one takes over."""
        self.began_s = self.counted_s = 0.0
        """The time up to `counted_s` has been charged to the address's minutes, or belongs to the day before."""
        self.displaced = False
        """A newer client took this place before this one had connected."""

    def occupy(self) -> None:
        """Occupies a place of this process, as the client has connected. Raises RefusedError if there is none left."""
        self._admission.occupy(self)

    async def confirm(self, conversation: str | None) -> None:
        """Occupies a place among those of all processes, for a session that writes to this conversation.

        Returns at once if no other process shares them. Raises RefusedError if there is none left.
        """
        await self._admission.confirm(self, conversation)

    def closed_by_limit(self) -> SessionClosed | None:
        """Returns why the session must close now; None while it may go on."""
        return self._admission.closed_by_limit(self)

    @property
    def left_s(self) -> float:
        """How long the session may still last."""
        return self._admission.left_s(self)

    def release(self) -> None:
        """Gives the place back. May be called again."""
        self._admission.release(self)


class Admission:
    """Counts sessions, attempts to connect, and the minutes that each address has used today.

    `clock` is monotonic, so that rates and durations do not depend on the date. `wall` is in seconds since 1970 and
    only tells when a new day (UTC) begins.

    With `shared` places the limits hold for all processes together, and `take_slot`, `add_pending` and `confirm` ask
    the database. While it can't be asked, this process admits its share of the sessions. Without, no method waits, so
    that no other client can come in between, and one of several `processes` never admits more than its share.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock = time.monotonic,
        wall: Clock = time.time,
        *,
        shared: SharedPlaces | None = None,
        processes: int = 1,
    ) -> None:
        self._shared = shared
        self._max_sessions = settings.max_sessions
        self._limits = PlaceLimits(settings.max_sessions, settings.max_sessions_per_address)
        if shared is None:
            self._limits = self._limits.share_of(processes)
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
        """The slots of clients that are connecting, the oldest first. They occupy no place yet."""
        self.begun = 0
        """How many sessions have begun so far."""
        self._day, self._day_began_s = -1, 0.0
        self._spent_s: dict[str, float] = defaultdict(float)
        """The seconds charged to each address today. The time of its open sessions comes on top."""

    @property
    def sessions(self) -> int:
        return len(self._slots)

    @property
    def is_full(self) -> bool:
        """True if no place is left, as far as this process knows."""
        taken = self.sessions if self._shared is None else max(self.sessions, self._shared.taken)
        return taken >= self._limits.sessions

    @property
    def pending(self) -> int:
        """How many clients are connecting."""
        return len(self._pending)

    async def take_slot(
        self, address: str, replaces: SessionSlot | None = None, conversation: str | None = None
    ) -> SessionSlot:
        """Occupies a place of this process, if need be that of the session that this one replaces. Raises RefusedError.

        The slot has to be confirmed. In another process, a session in this conversation is the one that is replaced.
        """
        self._count_attempt(address)
        slot = SessionSlot(self, address, replaces)
        self.occupy(slot)
        try:
            await self._check_others(slot, conversation)
        except BaseException:
            self.release(slot)
            raise
        return slot

    async def add_pending(
        self, address: str, replaces: SessionSlot | None = None, conversation: str | None = None
    ) -> SessionSlot:
        """Lets a client connect, after which its slot can `occupy` a place and be confirmed. Raises RefusedError.

        Clients that never connect keep nobody out: if too many are connecting, the oldest client of the address that
        has most of them is displaced, and the caller has to end its connection.
        """
        self._count_attempt(address)
        self._check(address, replaces)
        slot = SessionSlot(self, address, replaces)
        await self._check_others(slot, conversation)
        if sum(each.address == address for each in self._pending) >= self._max_pending_per_address:
            self._displace(address)
        elif len(self._pending) >= self._max_pending:
            ((busiest, _),) = Counter(each.address for each in self._pending).most_common(1)
            self._displace(busiest)
        self._pending[slot] = None
        return slot

    def occupy(self, slot: SessionSlot) -> None:
        self._check(slot.address, slot.replaces)
        self._pending.pop(slot, None)
        slot.began_s = slot.counted_s = self._clock()
        self._slots.add(slot)
        self.begun += 1

    async def confirm(self, slot: SessionSlot, conversation: str | None) -> None:
        if self._shared is None:
            return
        occupied = await self._shared.claim(slot.place, conversation, self._limits)
        if occupied is None:
            self._check_share(slot)
        else:
            self._check_places(occupied, self._limits)

    async def _check_others(self, slot: SessionSlot, conversation: str | None) -> None:
        """Raises RefusedError if the sessions of all processes leave no place for this one."""
        if self._shared is None:
            return
        occupied = await self._shared.count(slot.place, conversation, self._day if self._minutes_per_day else None)
        if occupied is None:
            self._check_share(slot)
        else:
            self._check_places(occupied, self._limits)
        self._check_day(slot.address)

    def _check_share(self, slot: SessionSlot) -> None:
        """Raises RefusedError if this process has its share of the sessions, without this and the one it replaces."""
        assert self._shared is not None
        others = self._slots - {slot, slot.replaces}
        self._check_places(_occupancy(others, slot.address), self._limits.share_of(self._shared.processes))

    def closed_by_limit(self, slot: SessionSlot) -> SessionClosed | None:
        if self._clock() - slot.began_s > self._session_minutes * MINUTE_S:
            return SessionClosed(CloseCode.TIME, f"The time limit of {self._session_minutes:g} minutes is over.")
        return SessionClosed(CloseCode.DAY, self._day_over) if self._day_is_spent(slot.address) else None

    def left_s(self, slot: SessionSlot) -> float:
        """Returns the session's remaining time. All sessions of an address share its minutes of the day."""
        session_s = slot.began_s + self._session_minutes * MINUTE_S - self._clock()
        if not self._minutes_per_day:
            return max(0.0, session_s)
        own = sum(each.address == slot.address for each in self._slots) or 1
        day_s = (self._minutes_per_day * MINUTE_S - self._talked_s(slot.address)) / own
        return max(0.0, min(session_s, day_s))

    def release(self, slot: SessionSlot) -> None:
        self._pending.pop(slot, None)
        if slot in self._slots:
            self._charge(slot.address)
            self._slots.remove(slot)
        if self._shared is not None:
            self._shared.release(slot.place)

    def _count_attempt(self, address: str) -> None:
        attempts = self._attempts.of(address)
        if not attempts.take():
            raise RefusedError(429, Reason.RATE, "You are connecting too often. Please wait a little.", attempts.wait_s)

    def _check(self, address: str, replaces: SessionSlot | None) -> None:
        """Raises RefusedError if this process knows that no session of this address may begin now."""
        self._check_places(_occupancy(self._slots - {replaces}, address), self._limits)
        self._check_day(address)

    def _check_places(self, occupied: Occupancy, limits: PlaceLimits) -> None:
        if limits.is_full(occupied):
            message = f"All {self._max_sessions} places are taken. Please try again in a few minutes."
            raise RefusedError(503, Reason.FULL, message, MINUTE_S)
        if limits.address_is_full(occupied):
            message = f"You have {occupied.of_address} sessions open, which is all you may. End one of them first."
            raise RefusedError(429, Reason.ADDRESS, message)

    def _check_day(self, address: str) -> None:
        if self._day_is_spent(address):
            left_s = self._day_began_s + DAY_S - self._clock()
            raise RefusedError(429, Reason.DAY, self._day_over, left_s)

    def _displace(self, address: str) -> None:
        oldest = next(each for each in self._pending if each.address == address)
        del self._pending[oldest]
        oldest.displaced = True

    @property
    def _day_over(self) -> str:
        return f"You have used the {self._minutes_per_day:g} minutes that each visitor has a day. Come back tomorrow."

    def _day_is_spent(self, address: str) -> bool:
        return bool(self._minutes_per_day) and self._talked_s(address) >= self._minutes_per_day * MINUTE_S

    def _talked_s(self, address: str) -> float:
        """Returns for how long the address has talked today, in all processes as far as this one knows."""
        self._charge(address)
        shared_s = 0.0 if self._shared is None else self._shared.talk_time_s(self._day, address)
        return max(self._spent_s[address], shared_s)

    def _charge(self, address: str) -> None:
        """Charges an address for the time of its open sessions up to now."""
        self._begin_new_day()
        now_s = self._clock()
        for slot in self._slots:
            if slot.address == address and self._minutes_per_day:
                spent_s = max(0.0, now_s - slot.counted_s)
                self._spent_s[address] += spent_s
                slot.counted_s = now_s
                if self._shared is not None:
                    self._shared.add_talk_time(self._day, address, spent_s)

    def _begin_new_day(self) -> None:
        """Forgets the charges once the date has changed.

        Setting the clock back begins no new day: the charges then hold for 24 hours.
        """
        wall_s, now_s = self._wall(), self._clock()
        day = int(wall_s // DAY_S)
        if day <= self._day and now_s - self._day_began_s < DAY_S:
            return
        self._day, self._day_began_s = day, now_s - wall_s % DAY_S
        self._spent_s.clear()
        for slot in self._slots:
            slot.counted_s = max(slot.counted_s, self._day_began_s)


def _occupancy(slots: Collection[SessionSlot], address: str) -> Occupancy:
    return Occupancy(len(slots), sum(slot.address == address for slot in slots))
