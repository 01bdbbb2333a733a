"""The mailbox of a session: everything that happens is posted here as an input, and handled in order."""

from __future__ import annotations

import asyncio
import time

from voicebot.dialogue.events import Input


class Mailbox:
    """Inputs that wait to be handled, each with the time when it happened, by the monotonic clock.

    `post` may be called from the event loop at any time, even before anybody reads.
    """

    def __init__(self) -> None:
        self._inputs: asyncio.Queue[tuple[Input, float]] = asyncio.Queue()

    def post(self, input: Input) -> None:
        """Adds an input that happens now."""
        self._inputs.put_nowait((input, time.monotonic()))

    async def next(self) -> tuple[Input, float]:
        """Waits for the next input; returns it with the time when it happened."""
        return await self._inputs.get()
