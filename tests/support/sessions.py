"""A session over a connection that only records what happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.signal import Signal
from voicebot.access.close_codes import HUNG_UP, SessionClosed
from voicebot.audio.sound import Samples
from voicebot.bootstrap import application as bootstrap
from voicebot.engines.protocols import Engines
from voicebot.session.messages import ServerMessage
from voicebot.session.session import Session
from voicebot.settings import config
from voicebot.storage.conversation import StoredConversation


@dataclass
class NotedConnection:
    """Takes each frame that is ready, and records the messages that it is sent."""

    session: Session | None = None
    sent: list[ServerMessage] = field(default_factory=list)
    played: list[Samples] = field(default_factory=list)
    changed: Signal = field(default_factory=Signal)

    def send(self, message: ServerMessage) -> None:
        self.sent.append(message)

    def tick(self) -> None:
        assert self.session is not None
        self.played.append(self.session.next_frame())
        self.changed.notify()

    async def cut(self) -> None:
        """Does nothing, because this connection knows what was played."""


@dataclass
class Running:
    session: Session
    connection: NotedConnection
    closed: asyncio.Task[SessionClosed]


@asynccontextmanager
async def running_session(engines: Engines) -> AsyncIterator[Running]:
    """Runs a session until the block ends, or until the session ends by itself."""
    await engines.start()
    application = bootstrap.application(config.load(keep_conversations=False), engines)
    services, connection = application.services, NotedConnection()
    session = Session("ws", services, await services.admission.take_slot("192.0.2.1"), StoredConversation(), connection)
    connection.session = session
    closed = asyncio.create_task(session.run())
    try:
        yield Running(session, connection, closed)
    finally:
        session.leave(HUNG_UP)
        await closed
        await application.close()
        await engines.close()
