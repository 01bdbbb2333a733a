"""Fillers: short sentences that the bot says while a tool takes long, so that there is no long silence."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from itertools import cycle

from voicebot.languages.loader import language_of

AGAIN_S = 4.0
"""The least time from one filler to the next."""


class Filler(str):
    """A whole sentence of the answer. It is spoken at once, without waiting for the text that follows."""

    __slots__ = ()


class Fillers:
    """Chooses the fillers of one reply and when they are said.

    The first one is due after a tool has worked for `after_s`, but not before the reply is `wanted`. The next one is
    due `AGAIN_S` later. Nothing is said in a language without fillers.
    """

    def __init__(self, language: str, after_s: float, wanted: asyncio.Event) -> None:
        phrases = language_of(language).fillers
        self._phrases = cycle(random.sample(phrases, len(phrases)))  # so that no filler comes twice in a row
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
