"""What a client has sent and its session has not dealt with yet, in order and bounded."""

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
    """A text message that only a recording can make so long, as it came: nobody has looked into it yet."""

    data: bytes


Item = bytes | LargeMessage | ClientMessage | MessageError
"""`bytes` are live sound; an error is what is to be said of a message that could not be read."""


class Inbox:
    """A queue of one session. What is being dealt with still counts as waiting.

    While it is full `put` waits: then nothing more is read, and TCP slows the client down.
    """

    def __init__(self) -> None:
        self._items: asyncio.Queue[tuple[Item, int]] = asyncio.Queue()
        self._bytes = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._full_s: float | None = None
        """Since when it has been full, or at least half full after that."""

    async def put(self, item: Item, size: int) -> None:
        """Raises FloodError if it has been full for too long."""
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
        """The oldest item. Leaving the block makes room for others."""
        item, size = await self._items.get()
        try:
            yield item
        finally:
            self._bytes -= size
            if self._bytes < limits.WS_WAITING_BYTES:
                self._has_room.set()
            if self._bytes < limits.WS_WAITING_BYTES // 2:
                self._full_s = None
