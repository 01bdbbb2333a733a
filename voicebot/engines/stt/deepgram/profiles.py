"""Sets of parameters for a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from websockets.exceptions import InvalidStatus, WebSocketException

from voicebot.engines.stt.deepgram.problems import of_opening

Profile = dict[str, Any]
Opened = TypeVar("Opened")
Socket = TypeVar("Socket", covariant=True)


class Opener(Protocol[Socket]):
    """Opens a connection with one set of parameters."""

    async def open(self, profile: Profile) -> Socket:
        """Raises what `websockets` does, or EngineError."""
        ...


class Profiles:
    """From rich to plain: when the service rejects one the next is tried, and the one that works is kept."""

    def __init__(self, engine: str, profiles: Sequence[Profile], open_timeout_s: float) -> None:
        self._engine = engine
        self._profiles = profiles
        self._open_timeout_s = open_timeout_s
        self._used = 0

    async def open(self, opener: Opener[Opened]) -> Opened:
        """Raises EngineError if none works."""
        while True:
            tried = self._used
            try:
                async with asyncio.timeout(self._open_timeout_s):
                    return await opener.open(self._profiles[tried])
            except (WebSocketException, OSError) as failure:
                rejected = isinstance(failure, InvalidStatus) and failure.response.status_code == 400
                if not rejected or tried + 1 == len(self._profiles):
                    raise of_opening(self._engine, failure) from None
                self._used = max(self._used, tried + 1)
