"""Keeps faults of what only stands beside a conversation, a recorder or a meter say, away from the conversation."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)


class Faults:
    """The faults of one session. Each place is logged once, as it may fail fifty times a second."""

    def __init__(self) -> None:
        self._places: set[str] = set()

    @contextmanager
    def contained(self, place: str) -> Iterator[None]:
        """Ends what goes wrong inside here: a session must go on whatever its recorder, meter or store raises."""
        try:
            yield
        except Exception:  # the boundary to what only stands beside a conversation
            if place not in self._places:
                self._places.add(place)
                logger.exception("%s failed; further faults of this session are not logged", place)
