"""Conversations that were brought along to a server that keeps none: in memory, few, and not for long."""

from __future__ import annotations

from collections.abc import Callable

from voicebot.core.history import History

HELD_S = 3_600.0
MAX_HELD = 32
"""Of more the oldest are forgotten; each has 4 MB at most, as an import has no more."""


class Held:
    """By name. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._histories: dict[str, tuple[float, History]] = {}

    def put(self, id: str, history: History) -> None:
        self._forget_old()
        self._histories[id] = self._clock(), history
        if len(self._histories) > MAX_HELD:
            self.drop(next(iter(self._histories)))

    def find(self, id: str) -> History | None:
        self._forget_old()
        return self._histories[id][1] if id in self._histories else None

    def drop(self, id: str) -> None:
        self._histories.pop(id, None)

    def _forget_old(self) -> None:
        since_s = self._clock() - HELD_S
        for id in [id for id, (put_s, _) in self._histories.items() if put_s < since_s]:
            del self._histories[id]
