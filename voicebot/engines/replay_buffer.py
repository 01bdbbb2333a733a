"""The sound of an utterance as it comes, kept so that it can be heard again from the start.

It serves a second try of a recogniser and a try of another one. Engines keep sound only for what happens within one
try, and say so where they do: Deepgram's waits to be sent, and outlasts a lost connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from voicebot.core.audio import Audio
from voicebot.engines.base import Pause


class ReplayBuffer:
    """Any number of recognisers, one after the other or side by side, each hear the whole utterance from it."""

    def __init__(self) -> None:
        self._items: list[Audio | Pause] = []
        self._more = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended_s: float | None = None
        self._at_end: Callable[[float], None] | None = None

    @classmethod
    @asynccontextmanager
    async def of(cls, audio: AsyncIterable[Audio | Pause]) -> AsyncIterator[ReplayBuffer]:
        """Gives a buffer that takes in `audio` until the context is left. What `audio` raises is raised here."""
        buffer = cls()
        filling = asyncio.create_task(buffer._fill(audio), name="replay buffer")
        try:
            yield buffer
        finally:
            filling.cancel()
            await asyncio.wait([filling])
            if not filling.cancelled() and (failure := filling.exception()) is not None:
                raise failure

    async def _fill(self, audio: AsyncIterable[Audio | Pause]) -> None:
        try:
            async for item in audio:
                self._items.append(item)
                self._more.set()
        finally:
            self._ended_s = asyncio.get_running_loop().time()
            self._ended.set()
            self._more.set()
            if self._at_end is not None:
                self._at_end(self._ended_s)

    @property
    def ended(self) -> bool:
        """Whether all of the sound has come."""
        return self._ended_s is not None

    async def wait_for_end(self, timeout_s: float) -> None:
        """Waits until all of the sound has come, but no longer than `timeout_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._ended.wait()

    def at_end(self, tell: Callable[[float], None] | None) -> None:
        """Calls `tell` with the loop's time when the sound ends, or at once if it has ended. None ends that."""
        self._at_end = tell
        if tell is not None and self._ended_s is not None:
            tell(self._ended_s)

    async def from_start(self) -> AsyncGenerator[Audio | Pause]:
        """Yields all of the sound from its start, then what is still to come."""
        heard = 0
        while True:
            while heard < len(self._items):
                yield self._items[heard]
                heard += 1
            if self._ended_s is not None:
                return
            self._more.clear()
            await self._more.wait()
