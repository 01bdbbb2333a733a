"""The services that all sessions of this process share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from voicebot.access.admission import Admission, RefusedError, SessionSlot
from voicebot.access.close_codes import SessionClosed
from voicebot.access.refusal import Reason
from voicebot.access.turns import DailyTurns
from voicebot.engines.health import EngineHealth, Health
from voicebot.engines.protocols import Engines
from voicebot.observability.telemetry import AppTelemetry
from voicebot.recording.recorder import Recordings
from voicebot.session.available_preferences import AvailablePreferences
from voicebot.session.invitations import Invitations
from voicebot.session.tool_calls import RunningCalls
from voicebot.settings.config import Settings
from voicebot.storage.conversations import Conversations
from voicebot.workers.place import WorkerPlace
from voicebot.workers.siblings import Siblings

logger = logging.getLogger(__name__)


class LiveSession(Protocol):
    """What the rest of the application can see of a session, and ask of it."""

    @property
    def id(self) -> str:
        """Its name, which the message `connected` tells the client."""
        ...

    @property
    def transport(self) -> str:
        """Its transport: `webrtc` or `ws`."""
        ...

    @property
    def slot(self) -> SessionSlot: ...

    @property
    def conversation_id(self) -> str | None: ...

    @property
    def leaving(self) -> bool: ...

    @property
    def underruns(self) -> int: ...

    @property
    def over(self) -> asyncio.Event: ...

    def leave(self, closed: SessionClosed) -> None: ...


class Sessions:
    """The sessions that go on, of all transports."""

    def __init__(self) -> None:
        self._sessions: set[LiveSession] = set()
        self._closing: SessionClosed | None = None

    def __iter__(self) -> Iterator[LiveSession]:
        return iter(tuple(self._sessions))

    @property
    def closing(self) -> SessionClosed | None:
        """Why no session goes on any more; None while sessions may begin."""
        return self._closing

    def has(self, session_id: str) -> bool:
        """Returns whether the session with this name goes on."""
        return any(session.id == session_id for session in self._sessions)

    def count(self, transport: str) -> int:
        return sum(session.transport == transport for session in self._sessions)

    def add(self, session: LiveSession) -> None:
        """Adds a session that begins. If the server is shutting down, the session ends at once."""
        self._sessions.add(session)
        if self._closing is not None:
            session.leave(self._closing)

    def remove(self, session: LiveSession) -> None:
        self._sessions.discard(session)

    def place_of(self, conversation: str | None) -> SessionSlot | None:
        """The place of the session that is in this conversation, and ends when another one goes on with it.

        One that is ending already for a third one has given its place away.
        """
        if conversation is None:
            return None
        here = (each for each in self._sessions if each.conversation_id == conversation and not each.leaving)
        return next((each.slot for each in here), None)

    async def end_all(self, closed: SessionClosed) -> None:
        """End all sessions, telling their clients why, and wait until they have ended.

        A session that begins later ends at once. A failure of one session does not keep the others from ending.
        """
        self._closing = closed
        for session in self:
            try:
                session.leave(closed)
            except Exception:  # boundary: a session that cannot be ended must not keep the others from ending
                logger.exception("a session could not be ended")
        for session in self:
            await session.over.wait()


@dataclass(frozen=True)
class AppServices:
    """The application's services, made by `bootstrap/application.py`."""

    settings: Settings
    engines: Engines
    health: EngineHealth
    available_preferences: AvailablePreferences
    admission: Admission
    turns: DailyTurns
    conversations: Conversations
    recordings: Recordings
    telemetry: AppTelemetry
    sessions: Sessions = field(default_factory=Sessions)
    running_calls: RunningCalls = field(default_factory=RunningCalls)
    invitations: Invitations = field(default_factory=Invitations)
    place: WorkerPlace | None = None
    """The place of this process among several workers; None if it is alone."""
    siblings: Siblings = field(default_factory=lambda: Siblings(None))
    """The other workers of this machine."""

    @property
    def engine_health(self) -> Health:
        """The status of each engine, as far as it is known."""
        return self.health.health

    @property
    def turns_today(self) -> int:
        """How many turns of this day (UTC) count towards its limit, as far as this server knows."""
        return self.turns.used

    @property
    def turns_per_day(self) -> int:
        """How many turns a day may have; 0 means no limit."""
        return self.turns.limit

    def count_sessions(self, transport: str) -> int:
        """Returns how many sessions use this transport, `webrtc` or `ws`."""
        return self.sessions.count(transport)

    async def must_be_able_to_answer(self) -> None:
        """Raises RefusedError if the process ends, the day's turns are used up, or no engine of some stage works."""
        if (closing := self.sessions.closing) is not None:
            raise RefusedError(503, Reason.MOVING, closing.reason)
        await self.turns.admit()
        if self.health.problem is not None:
            await self.health.check()
        if (problem := self.health.problem) is not None:
            raise RefusedError(503, Reason.ENGINES, problem, problem_code=self.health.problem_code)
