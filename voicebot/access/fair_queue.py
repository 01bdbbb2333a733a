"""A queue that lets waiting clients pass one by one, and in which addresses take turns."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque


class QueueFullError(Exception):
    """Too many clients wait already."""


class FairQueue:
    """Lets one client pass each `interval_s` seconds. Clients of one address pass in the order in which they came.

    With an interval of 0 one client passes in each turn of the event loop. At most `max_waiting` clients wait, and
    `max_per_address` of one address.
    """

    def __init__(self, interval_s: float, max_waiting: int, max_per_address: int) -> None:
        self._interval_s, self._max_waiting, self._max_per_address = interval_s, max_waiting, max_per_address
        self._queues: OrderedDict[str, deque[asyncio.Future[bool]]] = OrderedDict()
        """The waiting clients by address. A client of the first address passes next."""
        self._count = 0
        self._passing: asyncio.Task[None] | None = None
        """Runs while somebody waits."""

    def enter(self, address: str) -> asyncio.Future[bool]:
        """Returns a future that becomes True when it is the client's turn. Raises QueueFullError.

        To leave the queue, cancel the future or set its result.
        """
        queue = self._queues.get(address, deque())
        if self._count >= self._max_waiting or len(queue) >= self._max_per_address:
            raise QueueFullError
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._queues[address] = queue
        self._count += 1
        turn.add_done_callback(lambda _: self._remove(address, turn))
        if self._passing is None:
            self._passing = asyncio.create_task(self._let_all_pass(), name="fair queue")
        return turn

    async def _let_all_pass(self) -> None:
        try:
            await asyncio.sleep(self._interval_s)
            while self._queues:
                self._let_one_pass()
                await asyncio.sleep(self._interval_s)
        finally:
            self._passing = None

    def _let_one_pass(self) -> None:
        address, queue = next(iter(self._queues.items()))
        turn = queue[0]
        self._remove(address, turn)
        if address in self._queues:
            self._queues.move_to_end(address)
        if not turn.done():
            turn.set_result(True)

    def _remove(self, address: str, turn: asyncio.Future[bool]) -> None:
        queue = self._queues.get(address)
        if queue is None or turn not in queue:
            return
        queue.remove(turn)
        self._count -= 1
        if not queue:
            del self._queues[address]
