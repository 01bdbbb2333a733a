"""The application: the services of all sessions, and the transports that carry sessions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

from voicebot.runtime import limits
from voicebot.session.services import AppServices
from voicebot.session.tool_calls import CLOSE_S, NOTED_S
from voicebot.transports.webrtc.server import WebRtcServer
from voicebot.transports.websocket.recording_decoder import RecordingDecoder
from voicebot.web.download_slots import DownloadSlots
from voicebot.web.ending import Ending
from voicebot.web.recording_threads import RecordingThreads

logger = logging.getLogger(__name__)

LAST_WORDS_S = 8.0
"""How long the server waits at its end until the last words of all sessions are stored."""

CALLS_S = CLOSE_S + NOTED_S + 1
"""How long the calls of tools that are still running may take to end."""

HURRY_S = 0.3
"""How long each part may still take to close once the end is hurried."""


class Readiness(StrEnum):
    """Whether this process can take another session."""

    READY = "ready"
    FULL = "full"
    """All places are taken."""
    DRAINING = "draining"
    """The process ends."""
    UNHEALTHY = "unhealthy"
    """No engine of some stage works."""


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
    ending: Ending = field(default_factory=Ending)
    """How the process is asked to end."""

    @property
    def readiness(self) -> Readiness:
        """Whether this process can take another session, and if not, why."""
        if self.ending.begun.is_set() or self.services.sessions.closing is not None:
            return Readiness.DRAINING
        if self.services.health.problem is not None:
            return Readiness.UNHEALTHY
        return Readiness.FULL if self.services.admission.is_full else Readiness.READY

    async def end_sessions(self) -> None:
        """Ends all sessions and tells their clients why, within a bounded time. No session begins afterwards."""
        end_all = partial(self.services.sessions.end_all, self.ending.closed)
        await self._wait_contained("the sessions", end_all, limits.PEER_CLOSING_S + 1)

    async def close(self) -> None:
        """Closes all parts, and waits until the last words are stored. A part that fails does not stop the others."""
        await self.close_service()
        self.close_recordings()

    async def close_service(self) -> None:
        """Closes everything but the recordings. An end that is hurried waits only for the last words."""
        services = self.services
        await self.end_sessions()
        await self._close_contained("the invitations", services.invitations, limits.PEER_CLOSING_S)
        await self._close_contained("the connections", self.webrtc, 2 * limits.PEER_CLOSING_S)
        await self._close_contained("the TURN servers' credentials", self.webrtc.ice, limits.PEER_CLOSING_S)
        await self._close_contained("the calls of tools", services.running_calls, CALLS_S)
        with _contained("the conversations"):
            async with asyncio.timeout(LAST_WORDS_S):
                await services.conversations.close()
        await self._close_contained("the workers that decode recordings", self.decoder, limits.PEER_CLOSING_S)
        await self._close_contained("telemetry", services.telemetry, limits.PEER_CLOSING_S)

    def close_recordings(self) -> None:
        """Deletes the recordings, and ends the threads that pack them. Can be called more than once."""
        with _contained("the recordings"):
            self.services.recordings.close()
        with _contained("the threads"):
            self.threads.close()

    async def _close_contained(self, what: str, part: Closable, timeout_s: float) -> None:
        await self._wait_contained(what, part.close, timeout_s)

    async def _wait_contained(
        self, what: str, close: Callable[[], Coroutine[Any, Any, None]], timeout_s: float
    ) -> None:
        """Waits until something is closed, but only `HURRY_S` more once the end is hurried."""
        with _contained(what):
            work = asyncio.create_task(close(), name=f"close {what}")
            hurry = asyncio.create_task(self.ending.hurried.wait(), name="hurry")
            try:
                async with asyncio.timeout(timeout_s):
                    await asyncio.wait({work, hurry}, return_when=asyncio.FIRST_COMPLETED)
                    done, _ = await asyncio.wait({work}, timeout=HURRY_S)
                if done:
                    work.result()
            finally:
                for task in (work, hurry):
                    task.cancel()
                await asyncio.wait({work, hurry})


class Closable(Protocol):
    async def close(self) -> None: ...


@contextmanager
def _contained(what: str) -> Iterator[None]:
    try:
        yield
    except Exception:  # the boundary of each part: the others are closed all the same
        logger.exception("%s could not be closed", what)
