"""The inputs of a session: whatever happens in its conversation is posted here, and dealt with in its order."""

from __future__ import annotations

import asyncio
import time

from voicebot.dialogue.events import Input


class Mailbox:
    """What has happened and was not dealt with yet, each with the time when it happened, by the monotonic clock.

    `post` may be called from the event loop at any time, also before anybody reads.
    """

    def __init__(self) -> None:
        self._inputs: asyncio.Queue[tuple[Input, float]] = asyncio.Queue()

    def post(self, input: Input) -> None:
        """This has happened, now."""
        self._inputs.put_nowait((input, time.monotonic()))

    async def next(self) -> tuple[Input, float]:
        """Waits for the next input; returns it with the time when it happened."""
        return await self._inputs.get()
