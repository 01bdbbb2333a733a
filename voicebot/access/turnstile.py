"""Lets those who wait pass one by one, the addresses taking turns."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque


class FullError(Exception):
    """Too many are waiting."""


class Turnstile:
    """One passes each `pace_s` seconds, never at once; of one address in the order in which they came.

    With a pace of 0 one passes in each turn of the event loop.
    """

    def __init__(self, pace_s: float, most: int, most_each: int) -> None:
        self._pace_s, self._most, self._most_each = pace_s, most, most_each
        self._waiting: OrderedDict[str, deque[asyncio.Future[bool]]] = OrderedDict()
        self._count = 0
        self._turning: asyncio.Task[None] | None = None
        """Runs while somebody waits."""

    def enter(self, address: str) -> asyncio.Future[bool]:
        """Queue up. The future is True at one's turn; cancelled, or set to something else, it leaves the queue.

        Raises FullError.
        """
        queue = self._waiting.get(address, deque())
        if self._count >= self._most or len(queue) >= self._most_each:
            raise FullError
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._waiting[address] = queue
        self._count += 1
        turn.add_done_callback(lambda _: self._leave(address, turn))
        if self._turning is None:
            self._turning = asyncio.create_task(self._turn(), name="turnstile")
        return turn

    async def _turn(self) -> None:
        """Lets one after the other pass, until nobody waits."""
        try:
            await asyncio.sleep(self._pace_s)
            while self._waiting:
                self._let_one_pass()
                await asyncio.sleep(self._pace_s)
        finally:
            self._turning = None

    def _let_one_pass(self) -> None:
        address, queue = next(iter(self._waiting.items()))
        turn = queue[0]
        self._leave(address, turn)
        if address in self._waiting:
            self._waiting.move_to_end(address)
        if not turn.done():
            turn.set_result(True)

    def _leave(self, address: str, turn: asyncio.Future[bool]) -> None:
        queue = self._waiting.get(address)
        if queue is None or turn not in queue:
            return
        queue.remove(turn)
        self._count -= 1
        if not queue:
            del self._waiting[address]
