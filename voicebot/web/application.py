"""The application: its services, and the transports that carry sessions over them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from voicebot.access.ending import SHUTDOWN
from voicebot.runtime import limits
from voicebot.session.services import AppServices
from voicebot.transports.webrtc.server import WebRtcServer
from voicebot.transports.websocket.recording_decoder import RecordingDecoder
from voicebot.web.workers import RecordingThreads

logger = logging.getLogger(__name__)

LAST_WORDS_S = 8.0
"""How long the last words of all sessions may take to be kept when the server ends."""


@dataclass(frozen=True)
class Application:
    """All that the routes of the web server use. Engines are started and closed by whoever has made them."""

    services: AppServices
    webrtc: WebRtcServer
    decoder: RecordingDecoder
    """Of what is uploaded over `/ws`."""
    workers: RecordingThreads = field(default_factory=RecordingThreads)
    """For files of recordings."""

    async def end_sessions(self) -> None:
        """End all sessions, telling their clients why, and wait until they have ended, but not for ever.

        None begins after that.
        """
        with _alone("the sessions"):
            async with asyncio.timeout(limits.PEER_CLOSING_S + 1):
                await self.services.sessions.end_all(SHUTDOWN)

    async def close(self) -> None:
        """Close everything, and wait until the last words are kept; each step whatever became of the others."""
        services = self.services
        await self.end_sessions()
        await _closed_alone("the connections", self.webrtc, 2 * limits.PEER_CLOSING_S)
        await _closed_alone("the TURN servers' credentials", self.webrtc.ice, limits.PEER_CLOSING_S)
        await _closed_alone("the conversations", services.conversations, LAST_WORDS_S)
        await _closed_alone("the workers that decode recordings", self.decoder, limits.PEER_CLOSING_S)
        with _alone("the recordings"):
            services.recordings.close()
        with _alone("the threads"):
            self.workers.close()
        await _closed_alone("telemetry", services.telemetry, limits.PEER_CLOSING_S)


class Closable(Protocol):
    async def close(self) -> None: ...


async def _closed_alone(what: str, part: Closable, patience_s: float) -> None:
    with _alone(what):
        async with asyncio.timeout(patience_s):
            await part.close()


@contextmanager
def _alone(what: str) -> Iterator[None]:
    try:
        yield
    except Exception:  # what can't be closed keeps nothing else from being closed
        logger.exception("%s could not be closed", what)
