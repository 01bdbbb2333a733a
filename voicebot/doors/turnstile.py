"""Lets those who wait pass one by one, at a fixed pace, the addresses taking turns."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable

from voicebot import limits

Later = Callable[[float, Callable[[], None]], object]
"""Calls a function after so many seconds."""


class FullError(Exception):
    """Too many are waiting."""


class Turnstile:
    """One passes each `limits.TURN_S` seconds, never at once; of one address in the order in which they came."""

    def __init__(self, later: Later | None = None) -> None:
        self._later = later or _later
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._count = 0
        self._is_turning = False

    async def wait(self, address: str) -> None:
        """Wait for a turn. Raises FullError; who is cancelled leaves the queue."""
        queue = self._waiting.get(address, deque())
        if self._count >= limits.WAITING_LOGINS or len(queue) >= limits.WAITING_LOGINS_EACH:
            raise FullError
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._waiting[address] = queue
        self._count += 1
        if not self._is_turning:
            self._is_turning = True
            self._later(limits.TURN_S, self._turn)
        try:
            await turn
        finally:
            if turn.cancelled():
                self._leave(address, turn)

    def _turn(self) -> None:
        if not self._waiting:
            self._is_turning = False
            return
        address, queue = next(iter(self._waiting.items()))
        turn = queue[0]
        self._leave(address, turn)
        if address in self._waiting:
            self._waiting.move_to_end(address)
        if not turn.done():
            turn.set_result(None)
        self._later(limits.TURN_S, self._turn)

    def _leave(self, address: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(address)
        if queue is None or turn not in queue:
            return
        queue.remove(turn)
        self._count -= 1
        if not queue:
            del self._waiting[address]


def _later(seconds: float, function: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(seconds, function)
