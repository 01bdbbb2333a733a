"""A bounded queue of what a client has sent and its session has not handled yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from voicebot.access.rates import FloodError
from voicebot.runtime import limits
from voicebot.session.messages import ClientMessage, MessageError

TOO_FAST = "Your sound comes faster than anybody can speak."


@dataclass(frozen=True, slots=True)
class LargeMessage:
    """A text message that is longer than any message without a recording, not parsed yet."""

    data: bytes


Item = bytes | LargeMessage | ClientMessage | MessageError
"""`bytes` are live sound. A MessageError stands for a message that could not be read."""


class Inbox:
    """The queue of one session. An item counts as waiting until it has been handled.

    While the queue is full, `put` waits. Then nothing more is read from the socket, and TCP slows the client down.
    """

    def __init__(self) -> None:
        self._items: asyncio.Queue[tuple[Item, int]] = asyncio.Queue()
        self._bytes = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._full_s: float | None = None
        """When the queue became full. It is None once the queue is less than half full again."""

    async def put(self, item: Item, size: int) -> None:
        """Adds an item of `size` bytes. Raises FloodError if the queue has been full for too long."""
        loop = asyncio.get_running_loop()
        if not self._has_room.is_set():
            if self._full_s is None:
                self._full_s = loop.time()
            try:
                async with asyncio.timeout_at(self._full_s + limits.WS_AHEAD_S):
                    await self._has_room.wait()
            except TimeoutError:
                raise FloodError(TOO_FAST) from None
        self._bytes += size
        if self._bytes >= limits.WS_WAITING_BYTES:
            self._has_room.clear()
        self._items.put_nowait((item, size))

    @asynccontextmanager
    async def next(self) -> AsyncIterator[Item]:
        """Yields the oldest item. At the end of the `async with` block it has been handled."""
        item, size = await self._items.get()
        try:
            yield item
        finally:
            self._bytes -= size
            if self._bytes < limits.WS_WAITING_BYTES:
                self._has_room.set()
            if self._bytes < limits.WS_WAITING_BYTES // 2:
                self._full_s = None
