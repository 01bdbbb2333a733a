"""Several workers in the test's own event loop: each serves a port of its own and its Unix socket."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import AsyncMock

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
    """An app that answers nothing while it is stopped. It handles the requests of that time when it goes on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._goes_on = asyncio.Event()
        self._goes_on.set()
        self._late: set[asyncio.Task[None]] = set()
        """The requests that came while it was stopped. A server would end them when their clients have given up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._goes_on.is_set():
            await self._app(scope, receive, send)
            return
        body = await receive()

        async def handle() -> None:
            await self._goes_on.wait()
            await self._app(scope, AsyncMock(side_effect=[body, {"type": "http.disconnect"}]), AsyncMock())

        self._late.add(asyncio.create_task(handle()))
        await receive()  # the client gives up

    @asynccontextmanager
    async def stopped(self) -> AsyncIterator[None]:
        self._goes_on.clear()
        yield
        self._goes_on.set()
        await asyncio.gather(*self._late)


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

    def stopped(self) -> AbstractAsyncContextManager[None]:
        """Makes the worker leave its siblings without an answer, as a stopped process does until it goes on."""
        return self._app.stopped()


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
