"""Contains faults of a session's observers, such as its recorder, so that the conversation goes on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)


class Faults:
    """Contains and logs the faults of one session. Each place is logged once, as it may fail fifty times a second."""

    def __init__(self) -> None:
        self._places: set[str] = set()

    @contextmanager
    def contained(self, place: str) -> Iterator[None]:
        """Catches and logs an exception of the block, because the session must go on."""
        try:
            yield
        except Exception:  # the boundary between a session and its observers
            if place not in self._places:
                self._places.add(place)
                logger.exception("%s failed; further faults of this session are not logged", place)
