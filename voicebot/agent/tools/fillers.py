"""Fillers: short sentences that are said while a tool takes longer than people wait in silence."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from itertools import cycle

from voicebot.languages.loader import language_of

AGAIN_S = 4.0
"""The least time from one filler to the next."""


class Filler(str):
    """A whole sentence of the answer, which is spoken at once, without waiting for what follows."""

    __slots__ = ()


class Fillers:
    """Chooses the fillers of one reply, and when they are said.

    The first is due after `after_s` of work, but never before the reply is `wanted`; the next `AGAIN_S` later. In a
    language without fillers nothing is said: a sentence in another language would be worse.
    """

    def __init__(self, language: str, after_s: float, wanted: asyncio.Event) -> None:
        phrases = language_of(language).fillers
        self._phrases = cycle(random.sample(phrases, len(phrases)))  # never the same twice in a row
        self._after_s = after_s
        self._wanted = wanted
        self._silent_until_s = 0.0

    async def while_working(self) -> AsyncGenerator[Filler]:
        """Yields each filler when it is due. Start it when a tool begins to work; close it when the tool is done."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._after_s
        for phrase in self._phrases:
            await asyncio.sleep(max(due_s, self._silent_until_s) - loop.time())
            await self._wanted.wait()
            self._silent_until_s = loop.time() + AGAIN_S
            yield Filler(phrase)
