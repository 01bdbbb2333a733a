"""A small app with one route of each kind, protected as the real app is, on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI, Request, WebSocket
from pydantic import SecretStr

from tests.support.refusals import Refusals
from tests.support.unsignalled import UnsignalledBounded
from voicebot.access import guard
from voicebot.access.basic_auth import is_logged_in
from voicebot.settings import config
from voicebot.web import server
from voicebot.web.port import bind

PASSWORD = "correct horse ☃"
LOCKED = {"app_username": "ann", "app_password": SecretStr(PASSWORD)}
RIGHT = httpx.BasicAuth("ann", PASSWORD.encode())
GETS = ("/", "/config", "/gradio_api/info", "/webrtc/config", "/metrics")
POSTS = ("/webrtc/offer", "/preflight", "/gradio_api/queue/join")


def own_app(**settings: Any) -> FastAPI:
    app = FastAPI()

    async def answer(request: Request) -> dict[str, Any]:
        return {"path": request.url.path, "bytes": len(await request.body())}

    for path in GETS:
        app.get(path)(answer)
    for path in POSTS:
        app.post(path)(answer)

    @app.get("/health")
    async def health(request: Request) -> bool:
        return is_logged_in(request.scope)

    @app.post("/fault")
    async def fault() -> None:
        raise ZeroDivisionError

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())

    guard(app, config.load(**settings), Refusals())
    return app


@asynccontextmanager
async def own_server(**settings: Any) -> AsyncIterator[str]:
    """Yields its host and port."""
    listener = bind("127.0.0.1", 0)
    rules = server.connection_rules(config.load(**settings), Refusals())
    web = UnsignalledBounded(own_app(**settings), rules, **server.UVICORN, timeout_graceful_shutdown=1)
    serve = asyncio.create_task(web.serve(sockets=[listener]))
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        web.should_exit = True
        await serve


@asynccontextmanager
async def client(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with own_server(**settings) as host, httpx.AsyncClient(base_url=f"http://{host}", trust_env=False) as http:
        yield http


def in_process(**settings: Any) -> httpx.AsyncClient:
    app = own_app(**{"allowed_hosts": "bot.example"} | settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://bot.example")
