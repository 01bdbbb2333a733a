"""The sound of an utterance as it comes, kept so that it can be heard again from the start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from voicebot.core.audio import Audio
from voicebot.engines.base import Pause


class Recording:
    """Any number of listeners, one after the other or side by side, each hear it whole."""

    def __init__(self) -> None:
        self._items: list[Audio | Pause] = []
        self._more = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended_s: float | None = None
        self._at_end: Callable[[float], None] | None = None

    @classmethod
    @asynccontextmanager
    async def of(cls, audio: AsyncIterable[Audio | Pause]) -> AsyncIterator[Recording]:
        """The recording of `audio`, which goes on by itself until this is left. What `audio` raises is raised here."""
        recording = cls()
        recorder = asyncio.create_task(recording._record(audio), name="recording")
        try:
            yield recording
        finally:
            recorder.cancel()
            await asyncio.wait([recorder])
            if not recorder.cancelled() and (failure := recorder.exception()) is not None:
                raise failure

    async def _record(self, audio: AsyncIterable[Audio | Pause]) -> None:
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
        """Until all of the sound has come, but no longer than this."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._ended.wait()

    def at_end(self, tell: Callable[[float], None] | None) -> None:
        """Have `tell` called with the loop's time when the sound ends: at once if it has. None: nobody any more."""
        self._at_end = tell
        if tell is not None and self._ended_s is not None:
            tell(self._ended_s)

    async def sound(self) -> AsyncGenerator[Audio | Pause]:
        """All of it from the start, then what is still to come."""
        heard = 0
        while True:
            while heard < len(self._items):
                yield self._items[heard]
                heard += 1
            if self._ended_s is not None:
                return
            self._more.clear()
            await self._more.wait()
