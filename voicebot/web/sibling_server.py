"""A worker's second server, on a Unix socket, which answers the other workers of this machine."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from voicebot.workers.place import WorkerPlace


class _SiblingServer(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals to `Ending`: this server answers until its process ends."""
        yield


@asynccontextmanager
async def answering_siblings(app: ASGIApp, place: WorkerPlace) -> AsyncIterator[None]:
    """Answers the other workers with `app` until the block ends. Only their user can open the socket's folder."""
    path = place.process_socket(os.getpid())
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        place.announce()
        server = _SiblingServer(
            uvicorn.Config(
                app,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=1,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="answer the other workers")
        try:
            yield
        finally:
            server.should_exit = True
            await asyncio.wait([serving])
            path.unlink(missing_ok=True)
