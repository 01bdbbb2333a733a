"""The application: the services of all sessions, and the transports that carry sessions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from voicebot.access.close_codes import SHUTDOWN
from voicebot.runtime import limits
from voicebot.session.services import AppServices
from voicebot.session.tool_calls import CLOSE_S, NOTED_S
from voicebot.transports.webrtc.server import WebRtcServer
from voicebot.transports.websocket.recording_decoder import RecordingDecoder
from voicebot.web.download_slots import DownloadSlots
from voicebot.web.recording_threads import RecordingThreads

logger = logging.getLogger(__name__)

LAST_WORDS_S = 8.0
"""How long the server waits at its end until the last words of all sessions are stored."""

CALLS_S = CLOSE_S + NOTED_S + 1
"""How long the calls of tools that are still running may take to end."""


@dataclass(frozen=True)
class Application:
    """Everything that the routes of the web server use. The caller starts and closes the engines."""

    services: AppServices
    webrtc: WebRtcServer
    decoder: RecordingDecoder
    threads: RecordingThreads = field(default_factory=RecordingThreads)
    """The threads that pack recordings and read imports."""
    downloads: DownloadSlots = field(
        default_factory=lambda: DownloadSlots(
            limits.DOWNLOADS_AT_ONCE, limits.DOWNLOADS_PER_ADDRESS, limits.MAX_DOWNLOAD_S
        )
    )

    async def end_sessions(self) -> None:
        """Ends all sessions and tells their clients why, within a bounded time. No session begins afterwards."""
        with _contained("the sessions"):
            async with asyncio.timeout(limits.PEER_CLOSING_S + 1):
                await self.services.sessions.end_all(SHUTDOWN)

    async def close(self) -> None:
        """Closes all parts, and waits until the last words are stored. A part that fails does not stop the others."""
        services = self.services
        await self.end_sessions()
        with _contained("the invitations"):
            services.invitations.close()
        await _close_contained("the connections", self.webrtc, 2 * limits.PEER_CLOSING_S)
        await _close_contained("the TURN servers' credentials", self.webrtc.ice, limits.PEER_CLOSING_S)
        await _close_contained("the calls of tools", services.running_calls, CALLS_S)
        await _close_contained("the conversations", services.conversations, LAST_WORDS_S)
        await _close_contained("the workers that decode recordings", self.decoder, limits.PEER_CLOSING_S)
        with _contained("the recordings"):
            services.recordings.close()
        with _contained("the threads"):
            self.threads.close()
        await _close_contained("telemetry", services.telemetry, limits.PEER_CLOSING_S)


class Closable(Protocol):
    async def close(self) -> None: ...


async def _close_contained(what: str, part: Closable, timeout_s: float) -> None:
    with _contained(what):
        async with asyncio.timeout(timeout_s):
            await part.close()


@contextmanager
def _contained(what: str) -> Iterator[None]:
    try:
        yield
    except Exception:  # the boundary of each part: the others are closed all the same
        logger.exception("%s could not be closed", what)
