"""Who may have a connection: a number of places for all, a share for each address, and a few for probes."""

from __future__ import annotations

import resource
from collections import defaultdict
from typing import Protocol

from voicebot.runtime import limits


class Holder(Protocol):
    """A connection, seen from here."""

    @property
    def is_expendable(self) -> bool:
        """Whether nobody loses anything if it is broken off: no whole request has come, or its answer is not read."""
        ...

    def break_off(self) -> None: ...


class Place:
    """The place of one connection. `leave` gives it back, and may come twice."""

    def __init__(self, places: Places, address: str, holder: Holder, *, for_probes: bool) -> None:
        self._places = places
        self.address = address
        self.holder = holder
        self.for_probes = for_probes
        """The connection is beyond the limit: it is only to be asked how the server is."""

    def rest(self) -> None:
        """The connection has nothing to do from now on: others have been idle for longer."""
        self._places.make_youngest(self)

    def leave(self) -> None:
        self._places.leave(self)


class Places:
    """Keeps the number of connections within `most`, and those of one address within `most_each`.

    Where all places are taken, a newcomer gets that of the connection that is expendable for longest, among those of
    the address that has most of them; then it is the flood that makes room, not its victims. At an address that has
    all it may, the newcomer gets one of its own address. If no connection is expendable the newcomer is let in for a
    probe only, and newer ones take even that place from it.
    """

    def __init__(self, most: int, most_each: int, probes: int = limits.PROBE_CONNECTIONS) -> None:
        self.most = most
        self.most_each = most_each
        self._probes = probes
        self._by_address: defaultdict[str, dict[Place, None]] = defaultdict(dict)
        self._beyond: dict[Place, None] = {}
        self._taken = 0

    def __len__(self) -> int:
        return self._taken + len(self._beyond)

    def enter(self, address: str, holder: Holder) -> Place | None:
        """A place, or None if there is none."""
        if self._has_room(address):
            place = Place(self, address, holder, for_probes=False)
            self._by_address[address][place] = None
            self._taken += 1
            return place
        if len(self._beyond) >= self._probes and not self._break_one(self._beyond):
            return None
        place = Place(self, address, holder, for_probes=True)
        self._beyond[place] = None
        return place

    def make_youngest(self, place: Place) -> None:
        group = self._group(place)
        if place in group:
            del group[place]
            group[place] = None

    def leave(self, place: Place) -> None:
        group = self._group(place)
        if place not in group:
            return
        del group[place]
        if not place.for_probes:
            self._taken -= 1
            if not group:
                del self._by_address[place.address]

    def _group(self, place: Place) -> dict[Place, None]:
        return self._beyond if place.for_probes else self._by_address.get(place.address, {})

    def _has_room(self, address: str) -> bool:
        """Whether there is a place, if need be because one was taken from another connection."""
        own = self._by_address.get(address, {})
        if len(own) >= self.most_each:
            return self._break_one(own)
        if self._taken < self.most:
            return True
        return any(self._break_one(group) for group in sorted(self._by_address.values(), key=len, reverse=True))

    def _break_one(self, group: dict[Place, None]) -> bool:
        for place in group:
            if place.holder.is_expendable:
                place.leave()
                place.holder.break_off()
                return True
        return False


def places_for(max_sessions: int, trusted_proxies: int) -> Places:
    """Places for as many connections as there are open files for; raises the limit on these as far as it may."""
    files = _raise_file_limit()
    wanted = files - limits.OWN_FILES - limits.FILES_PER_SESSION * max_sessions
    most = min(limits.CONNECTIONS, max(files // 4, wanted))
    return Places(most, most if trusted_proxies else max(1, int(most * limits.ADDRESS_SHARE)))


def _raise_file_limit() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.FILES if hard == resource.RLIM_INFINITY else min(limits.FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # macOS allows less than it says
            return soft
        return wanted
    return limits.FILES if soft == resource.RLIM_INFINITY else soft
