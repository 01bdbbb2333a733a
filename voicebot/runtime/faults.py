"""Contains faults of a session's observers, such as its recorder, so that the conversation goes on."""

from __future__ import annotations

import logging
from types import TracebackType

logger = logging.getLogger(__name__)


class Faults:
    """Contains and logs the faults of one session. Each place is logged once, as it may fail fifty times a second."""

    def __init__(self) -> None:
        self._places: dict[str, _FaultyPlace] = {}

    def contained(self, place: str) -> _FaultyPlace:
        """Catches and logs an exception of the `with` block, because the session must go on."""
        if place not in self._places:
            self._places[place] = _FaultyPlace(place)
        return self._places[place]


class _FaultyPlace:
    """The context manager of one place. A generator (`contextlib`) takes 2.5 times as long."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._is_logged = False

    def __enter__(self) -> None: ...

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> bool:
        if error is None:
            return False
        if not isinstance(error, Exception):
            return False  # a cancellation, or the end of the process
        if not self._is_logged:  # the boundary between a session and its observers
            self._is_logged = True
            logger.error("%s failed; further faults of this session are not logged", self._place, exc_info=error)
        return True
