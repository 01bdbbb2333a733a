"""The audio of an utterance as it comes, kept so that recognisers can hear it again from the start.

It serves a second attempt of the same recogniser and an attempt of another one. An engine that needs the sound again
within one attempt refers to the same arrays, as Deepgram's does for sound that has no final words yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager, suppress

import numpy as np

from voicebot.audio.sound import SPEECH_RATE_HZ, Audio, Samples
from voicebot.engines.protocols import Pause


class ReplayBuffer:
    """Gives the whole utterance to any number of recognisers, one after the other or side by side."""

    def __init__(self) -> None:
        self._items: list[Audio | Pause] = []
        self._more = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended_s: float | None = None
        self._limit: asyncio.Timeout | None = None
        self._limit_s = self._limit_since_s = 0.0

    @classmethod
    @asynccontextmanager
    async def of(cls, audio: AsyncIterable[Audio | Pause]) -> AsyncIterator[ReplayBuffer]:
        """Gives a buffer that is filled from `audio` until the context is left; `audio` itself if it is a buffer.

        An exception of `audio` is raised when the context is left.
        """
        if isinstance(audio, cls):
            yield audio
            return
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
                self.put(item)
        finally:
            self.end()

    def put(self, item: Audio | Pause) -> None:
        """Adds the next audio, or the mark of a pause."""
        self._items.append(item)
        self._more.set()

    def newest(self, duration_s: float) -> Samples:
        """Returns the last `duration_s` of the audio that has come, or all of it if there is less: int16 at 16 kHz."""
        most = round(duration_s * SPEECH_RATE_HZ)
        pieces: list[Samples] = []
        count = 0
        for item in reversed(self._items):
            if isinstance(item, Audio):
                pieces.append(item.samples)
                count += len(item.samples)
                if count >= most:
                    break
        return np.concatenate(pieces[::-1])[-most:] if pieces else np.zeros(0, np.int16)

    def end(self) -> None:
        """Ends the utterance: no more audio will come."""
        self._ended_s = asyncio.get_running_loop().time()
        self._ended.set()
        self._more.set()
        self._start_limit()

    @property
    def ended(self) -> bool:
        """Whether all of the audio has come."""
        return self._ended_s is not None

    async def wait_for_end(self, timeout_s: float | None = None) -> None:
        """Waits until all of the audio has come, or until the time-out."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._ended.wait()

    @asynccontextmanager
    async def limit_after_end(self, limit_s: float, since_s: float) -> AsyncIterator[None]:
        """Raises TimeoutError if the block lasts for more than `limit_s` after the end of the audio.

        If `since_s`, by the loop's clock, is later than that end, the limit counts from there.
        """
        async with asyncio.timeout(None) as self._limit:
            self._limit_s, self._limit_since_s = limit_s, since_s
            self._start_limit()
            try:
                yield
            finally:
                self._limit = None

    def _start_limit(self) -> None:
        if self._limit is not None and self._ended_s is not None:
            self._limit.reschedule(max(self._ended_s, self._limit_since_s) + self._limit_s)

    async def __aiter__(self) -> AsyncGenerator[Audio | Pause]:
        """Yields all items from the start, and then those that are still to come."""
        heard = 0
        while True:
            while heard < len(self._items):
                yield self._items[heard]
                heard += 1
            if self._ended_s is not None:
                return
            self._more.clear()
            await self._more.wait()
