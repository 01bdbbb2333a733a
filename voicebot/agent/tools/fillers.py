"""What is said while a tool works longer than one waits in silence."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from itertools import cycle

AGAIN_S = 4.0
"""How long nothing more is said after a filler."""

PHRASES: Mapping[str, tuple[str, ...]] = {
    "en": ("One moment, please.", "Let me check that.", "Just a second."),
    "es": ("Un momento, por favor.", "Déjeme comprobarlo.", "Un segundo."),
    "de": ("Einen Moment, bitte.", "Ich sehe kurz nach.", "Einen Augenblick."),
    "fr": ("Un instant, s'il vous plaît.", "Je vérifie cela.", "Une seconde."),
    "hi": ("एक क्षण रुकिए।", "ज़रा देख लेते हैं।", "बस एक पल।"),
}
"""By language (ISO 639-1). Whole sentences that fit before any answer.

A language without any stays silent: a sentence in another one would be worse.
"""


class Filler(str):
    """A sentence of the answer that is complete as it is: it is to be spoken now, without waiting for what follows."""

    __slots__ = ()


class Fillers:
    """What is said while the tools of one reply work, and when.

    After `after_s` of work, but never before the reply is `wanted`, nor twice within `AGAIN_S`.
    """

    def __init__(self, language: str, after_s: float, wanted: asyncio.Event) -> None:
        phrases = PHRASES.get(language, ())
        self._phrases = cycle(random.sample(phrases, len(phrases)))  # never the same twice in a row
        self._after_s = after_s
        self._wanted = wanted
        self._silent_until_s = 0.0

    async def while_working(self) -> AsyncGenerator[Filler]:
        """A tool begins to work: yields each filler when it is to be said. Close it when the tool is done."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._after_s
        for phrase in self._phrases:
            await asyncio.sleep(max(due_s, self._silent_until_s) - loop.time())
            await self._wanted.wait()
            self._silent_until_s = loop.time() + AGAIN_S
            yield Filler(phrase)
