"""Several workers in the test's own event loop: each serves a port of its own and its Unix socket."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.live_server import LiveServer, serving
from tests.support.unsignalled import Unsignalled
from voicebot.engines.protocols import Engines
from voicebot.session.services import AppServices
from voicebot.settings.config import Settings
from voicebot.web.internal import internal_app
from voicebot.workers.place import WorkerPlace


class _Stoppable:
    """An app that answers nothing while it is stopped."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.is_stopped = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.is_stopped:
            await receive()
            await receive()  # the client gives up
        else:
            await self._app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class LiveWorker:
    """One of several workers."""

    server: LiveServer
    place: WorkerPlace
    _app: _Stoppable
    _internal: Unsignalled

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def services(self) -> AppServices:
        return self.server.services

    async def vanish(self) -> None:
        """Closes the Unix socket and leaves its file there, as a killed process does."""
        for each in self._internal.servers:
            each.close()
            await each.wait_closed()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Makes the worker leave its siblings without an answer, as a stopped process does."""
        self._app.is_stopped = True
        yield
        self._app.is_stopped = False


@asynccontextmanager
async def workers(engines: Sequence[Engines], settings: Settings) -> AsyncIterator[list[LiveWorker]]:
    """Runs a worker for each of the engines, on one database."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if settings.database_url is None:
            url = SecretStr(f"sqlite:///{folder}/conversations.db")
            settings = settings.model_copy(update={"database_url": url})
        yield [
            await stack.enter_async_context(_worker(each, settings, WorkerPlace(folder, number, len(engines))))
            for number, each in enumerate(engines)
        ]


@asynccontextmanager
async def _worker(engines: Engines, settings: Settings, place: WorkerPlace) -> AsyncIterator[LiveWorker]:
    async with serving(engines, settings, place=place) as server:
        app = _Stoppable(internal_app(server.application))
        internal = Unsignalled(uvicorn.Config(app, log_config=None, lifespan="off", access_log=False))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(place.process_socket(os.getpid())))
        listener.listen()
        serve = asyncio.create_task(internal.serve(sockets=[listener]))
        try:
            yield LiveWorker(server, place, app, internal)
        finally:
            internal.should_exit = internal.force_exit = True
            await serve
