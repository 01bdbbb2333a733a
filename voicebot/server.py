"""The web server: the page, the WebRTC door, and what operators look at."""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import socket
from typing import Any

import gradio as gr
import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from gradio.networking import setup_tunnel

import voicebot
from voicebot.build import build
from voicebot.config import Settings
from voicebot.engines.base import Engines
from voicebot.transports import aiortc_tuning
from voicebot.transports.connections import Connections, Offer, OfferError
from voicebot.ui import panel
from voicebot.ui.page import build_page

logger = logging.getLogger(__name__)

DEFAULT_PORT = 7860
PORTS_TRIED = 100
"""Without a port of its own the server takes the first free one from the default upwards, as Gradio does."""


def create_app(settings: Settings, engines: Engines, connections: Connections) -> FastAPI:
    """All routes over engines that the caller starts and closes."""
    app = FastAPI(title="Voice Bot", version=voicebot.__version__, docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {
            "status": "healthy",
            "version": voicebot.__version__,
            "deepgram_configured": settings.deepgram_api_key is not None,
            "groq_configured": settings.groq_api_key is not None,
            "groq_model": settings.groq_model,
            "engines": engines.names,
            "language": settings.language,
            "sessions": len(connections.sessions),
            "max_sessions": settings.max_sessions,
            "underruns": sum(session.underruns for session in connections.sessions),
        }

    @app.get("/webrtc/config")
    async def webrtc_config() -> dict[str, Any]:
        return {"iceServers": settings.ice_servers, "engines": engines.names, "notice": notice(settings)}

    @app.post("/webrtc/offer")
    async def webrtc_offer(offer: Offer) -> Any:
        return await connections.answer(offer)

    @app.exception_handler(OfferError)
    async def refused(_: Request, error: OfferError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, error.status)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        problems = [f"{'.'.join(str(part) for part in each['loc'][1:])}: {each['msg']}" for each in error.errors()]
        return JSONResponse({"error": jsonable_encoder("; ".join(problems))}, 422)

    gr.mount_gradio_app(app, build_page(settings.max_text_chars), path="/")
    return app


def notice(settings: Settings) -> str | None:
    """What a visitor should know of the engines."""
    unused = [
        name
        for name, key in (("DEEPGRAM_API_KEY", settings.deepgram_api_key), ("GROQ_API_KEY", settings.groq_api_key))
        if key is not None
    ]
    if unused:
        return f"{' and '.join(unused)} found, but this version has only the embedded engines."
    return "Running on the embedded engines: no key, no internet, everything stays on this machine."


def bind(host: str, port: int | None) -> socket.socket:
    """A listening socket: on `port`, or on the first free one from the default upwards. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ports = range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED) if port is None else (port,)
    refused: OSError | None = None
    for each in ports:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, each))
            listener.listen()
        except OSError as error:
            listener.close()
            refused = error
        else:
            return listener
    raise OSError(f"can't listen on {host}, port {ports[0]}: {refused}")


async def serve(settings: Settings, listener: socket.socket, *, share: bool) -> None:
    """Serve until interrupted. Raises SettingsError or EngineError if it can't even start."""
    engines = build(settings)
    aiortc_tuning.apply()
    try:
        await engines.start()
        connections = Connections(engines, settings, panel.view)
        app = create_app(settings, engines, connections)
        host, port = listener.getsockname()[:2]
        logger.info("engines: %s", ", ".join(f"{stage} {name}" for stage, name in engines.names.items()))
        logger.info("open http://%s:%d in a browser", "127.0.0.1" if host in ("0.0.0.0", "::") else host, port)
        _settle_memory()
        sharing = asyncio.create_task(_share(host, port), name="share") if share else None
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=3)
        try:
            await uvicorn.Server(config).serve(sockets=[listener])
        finally:
            if sharing is not None:
                sharing.cancel()
            await connections.close()
    finally:
        await engines.close()


def _settle_memory() -> None:
    """Take all that was loaded so far out of the garbage collector's rounds.

    They become short, which the sound needs, and frequent enough to take the cycles (aiortc's, FastRTC's) of ended
    connections with them: these grew to 0.9 MB a connection.
    """
    gc.collect()
    gc.freeze()


async def _share(host: str, port: int) -> None:
    """Open Gradio's public link to this server. Without one the bot works on, and the log says why."""
    try:
        link = await asyncio.to_thread(setup_tunnel, host, port, secrets.token_urlsafe(32), None, None)
    except (RuntimeError, OSError, ValueError, httpx.HTTPError) as error:
        logger.error("no public link: %s", error)
    else:
        logger.info("public link: %s (voice over it needs a TURN server: see TURN_URL)", link)
