"""The limit on open connections: slots for all clients, a share for each address, and a few for probes."""

from __future__ import annotations

import resource
from collections import defaultdict
from typing import Protocol

from voicebot.runtime import limits


class SlotHolder(Protocol):
    """A connection that has a slot."""

    @property
    def is_expendable(self) -> bool:
        """True if closing the connection loses no work: no complete request has come, or its answer is not read."""
        ...

    def evict(self) -> None:
        """Closes the connection at once."""
        ...


class ConnectionSlot:
    """The slot of one connection."""

    def __init__(self, slots: ConnectionSlots, address: str, holder: SlotHolder, *, probes_only: bool) -> None:
        self._slots = slots
        self.address = address
        self.holder = holder
        self.probes_only = probes_only
        """The connection is beyond the limit, and may only ask for `/health`, `/ready` and `/metrics`."""

    def mark_idle(self) -> None:
        """Marks the connection as idle. Connections that have been idle for longer are evicted before it."""
        self._slots.mark_idle(self)

    def release(self) -> None:
        """Gives the slot back. Can be called more than once."""
        self._slots.release(self)


class ConnectionSlots:
    """Limits the number of connections to `maximum`, and that of one address to `maximum_per_address`.

    Once all slots are taken, a new connection evicts an expendable one of the address that has most connections: the
    one that has been idle for longest. So an address that floods the server loses connections, and its victims do not.
    A new connection of an address that has reached its limit evicts one of the same address. If no connection is
    expendable, the new one may only be used for probes, and later ones evict it.
    """

    def __init__(self, maximum: int, maximum_per_address: int, probes: int = limits.PROBE_CONNECTIONS) -> None:
        self.maximum = maximum
        self.maximum_per_address = maximum_per_address
        self._probes = probes
        self._by_address: defaultdict[str, dict[ConnectionSlot, None]] = defaultdict(dict)
        self._beyond_limit: dict[ConnectionSlot, None] = {}
        self._taken = 0

    def __len__(self) -> int:
        return self._taken + len(self._beyond_limit)

    def take_slot(self, address: str, holder: SlotHolder) -> ConnectionSlot | None:
        """Returns a slot for a new connection, or None if it must be closed."""
        if self._make_room(address):
            slot = ConnectionSlot(self, address, holder, probes_only=False)
            self._by_address[address][slot] = None
            self._taken += 1
            return slot
        if len(self._beyond_limit) >= self._probes and not self._evict_one(self._beyond_limit):
            return None
        slot = ConnectionSlot(self, address, holder, probes_only=True)
        self._beyond_limit[slot] = None
        return slot

    def mark_idle(self, slot: ConnectionSlot) -> None:
        group = self._group_of(slot)
        if slot in group:
            del group[slot]
            group[slot] = None

    def release(self, slot: ConnectionSlot) -> None:
        group = self._group_of(slot)
        if slot not in group:
            return
        del group[slot]
        if not slot.probes_only:
            self._taken -= 1
            if not group:
                del self._by_address[slot.address]

    def _group_of(self, slot: ConnectionSlot) -> dict[ConnectionSlot, None]:
        return self._beyond_limit if slot.probes_only else self._by_address.get(slot.address, {})

    def _make_room(self, address: str) -> bool:
        """Returns True if a slot is free, evicting another connection if necessary."""
        own = self._by_address.get(address, {})
        if len(own) >= self.maximum_per_address:
            return self._evict_one(own)
        if self._taken < self.maximum:
            return True
        return any(self._evict_one(group) for group in sorted(self._by_address.values(), key=len, reverse=True))

    def _evict_one(self, group: dict[ConnectionSlot, None]) -> bool:
        for slot in group:
            if slot.holder.is_expendable:
                slot.release()
                slot.holder.evict()
                return True
        return False


def connection_slots_for(max_sessions: int, trusted_proxies: int) -> ConnectionSlots:
    """Raises the limit on open files as far as allowed, and returns as many slots as it leaves room for."""
    files = _raise_file_limit()
    wanted = files - limits.OWN_FILES - limits.FILES_PER_SESSION * max_sessions
    maximum = min(limits.CONNECTIONS, max(files // 4, wanted))
    per_address = maximum if trusted_proxies else max(1, int(maximum * limits.ADDRESS_SHARE))
    return ConnectionSlots(maximum, per_address)


def _raise_file_limit() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.FILES if hard == resource.RLIM_INFINITY else min(limits.FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # macOS allows less than its hard limit
            return soft
        return wanted
    return limits.FILES if soft == resource.RLIM_INFINITY else soft
