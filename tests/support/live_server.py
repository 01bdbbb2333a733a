"""The real server in the test's own event loop, so that a test can inspect its state."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from voicebot.bootstrap import application as bootstrap
from voicebot.engines.protocols import Engines
from voicebot.session.services import AppServices, LiveSession
from voicebot.settings.config import Settings
from voicebot.transports.webrtc import aiortc_tuning
from voicebot.transports.webrtc.server import WebRtcServer
from voicebot.web import server
from voicebot.web.application import Application
from voicebot.web.port import bind
from voicebot.workers.place import WorkerPlace


@dataclass(frozen=True, slots=True)
class LiveServer:
    url: str
    application: Application
    serves: asyncio.Task[None]
    """Ends when the server has closed all connections, after `application.ending` was told to end."""

    @property
    def services(self) -> AppServices:
        return self.application.services

    @property
    def webrtc(self) -> WebRtcServer:
        return self.application.webrtc

    def sessions(self, transport: str) -> list[LiveSession]:
        """Returns the running sessions of this transport."""
        return [session for session in self.services.sessions if session.transport == transport]

    async def get(self, path: str) -> Any:
        async with httpx.AsyncClient(trust_env=False) as http:
            response = await http.get(self.url + path)
        response.raise_for_status()
        return response.json()

    async def post(self, path: str, body: Any) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as http:
            return await http.post(self.url + path, json=body)


@asynccontextmanager
async def serving(
    engines: Engines, settings: Settings, port: int = 0, place: WorkerPlace | None = None
) -> AsyncIterator[LiveServer]:
    """Runs all of `server.serve` except its signal handling: starts and closes the engines and serves all routes.

    Port 0 stands for any free port. Conversations are stored where the settings say, otherwise in a temporary folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        if settings.database_url is None:
            url = SecretStr(f"sqlite:///{folder}/conversations.db")
            settings = settings.model_copy(update={"database_url": url})
        async with _serving(engines, settings, port, place) as live:
            yield live


@asynccontextmanager
async def _serving(
    engines: Engines, settings: Settings, port: int, place: WorkerPlace | None
) -> AsyncIterator[LiveServer]:
    aiortc_tuning.apply()
    await engines.start()
    application = bootstrap.application(settings, engines, place)
    await application.services.conversations.start()
    await application.services.turns.refresh()
    application.webrtc.ice.start()
    listener = bind("127.0.0.1", port)
    port = listener.getsockname()[1]
    application.services.invitations.base_url = f"http://127.0.0.1:{port}"
    web = server.Server(server.create_app(application), application, timeout_graceful_shutdown=1)
    serve = asyncio.create_task(web.serve(sockets=[listener]))
    try:
        yield LiveServer(f"http://127.0.0.1:{port}", application, serve)
    finally:
        await application.close()
        web.should_exit = True
        await serve
        await engines.close()
