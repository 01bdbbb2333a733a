"""The web server: all routes, and the start and the end of the process."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from contextlib import AsyncExitStack
from types import FrameType
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

import voicebot
from voicebot.access import guard
from voicebot.access.address import client_address
from voicebot.access.admission import RefusedError
from voicebot.access.basic_auth import is_logged_in
from voicebot.access.rates import AddressBuckets
from voicebot.access.refusal import Reason, RefusalCounter
from voicebot.engines.health import MCP, EngineHealth, Health
from voicebot.recording.recorder import GRACE_S
from voicebot.runtime import limits, memory
from voicebot.settings.config import Settings
from voicebot.settings.destinations import EMBEDDED, host_of, is_this_machine
from voicebot.settings.registry import LOCAL, SERVICES
from voicebot.transports.webrtc import aiortc_tuning
from voicebot.transports.webrtc.server import Offer, offer_of
from voicebot.transports.websocket import add_websocket
from voicebot.web.application import Application
from voicebot.web.connection_slots import connection_slots_for
from voicebot.web.conversations import add_conversations
from voicebot.web.http_server import BoundedServer, ConnectionRules
from voicebot.web.recordings import add_recordings
from voicebot.web.say import add_say
from voicebot.web.ui.rendered import add_page
from voicebot.web.ui.share import open_link
from voicebot.web.websocket_server import WebSocketServerProtocol, max_message_bytes

logger = logging.getLogger(__name__)

UVICORN: dict[str, Any] = {
    "ws": WebSocketServerProtocol,
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "proxy_headers": False,
    "ws_per_message_deflate": False,
}
"""Options of uvicorn. `client_address` evaluates proxy headers instead, by TRUSTED_PROXIES. Messages are not
compressed, because they are mostly MP3."""


def create_app(application: Application) -> FastAPI:
    """Returns the app with all routes. The caller starts and closes the application and its engines."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    services, ice = application.services, application.webrtc.ice
    settings, engine_health, counted = services.settings, services.health, services.telemetry.metrics
    engines, turns = services.engines, services.turns

    @app.get("/health")
    async def health(request: Request) -> dict[str, Any]:
        status = "healthy" if engine_health.problem is None else "unhealthy"
        if not is_logged_in(request.scope):
            return {"status": status}
        return {
            "status": status,
            "version": voicebot.__version__,
            "deepgram_configured": settings.deepgram_api_key is not None,
            "groq_configured": settings.groq_api_key is not None,
            "groq_model": _groq_model(engine_health.health, settings),
            "engines": engines.names,
            "stages": engine_health.health,
            "problem": engine_health.problem,
            "problem_code": engine_health.problem_code,
            "store": services.conversations.health,
            "turn": ice.health,
            "language": settings.language,
            "sessions": services.admission.sessions,
            "max_sessions": settings.max_sessions,
            "turns_per_day": turns.limit,
            "turns_today": turns.used,
            "underruns": sum(session.underruns for session in services.sessions),
        }

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(counted.exposition(), media_type=CONTENT_TYPE_LATEST)

    preflight_rates = AddressBuckets(1 / limits.PREFLIGHT_S, limits.PREFLIGHTS)

    @app.post("/preflight")
    async def check(request: Request) -> dict[str, Any]:
        bucket = preflight_rates.of(client_address(request.scope, settings.trusted_proxies))
        if not bucket.take():
            message = "You are checking the engines too often. Please wait a little."
            raise RefusedError(429, Reason.RATE, message, bucket.wait_s)
        stages = await engine_health.check()
        return {"stages": stages, "problem": engine_health.problem, "problem_code": engine_health.problem_code}

    @app.get("/webrtc/config")
    async def webrtc_config() -> dict[str, Any]:
        return {
            **await application.webrtc.page_configuration(),
            "iceValidS": ice.valid_s,
            "engines": engines.names,
            "stages": engine_health.health,
            "problem": engine_health.problem,
            "problem_code": engine_health.problem_code,
            "notice": " ".join(
                filter(None, (engine_health.typing_only, notice(engine_health.health, settings), ice.notice))
            ),
            "options": services.available_preferences.view(),
        }

    @app.post("/webrtc/offer")
    async def webrtc_offer(offer: Annotated[Offer, Depends(offer_of)], request: Request) -> Any:
        return await application.webrtc.answer(offer, client_address(request.scope, settings.trusted_proxies))

    add_websocket(app, services, application.decoder)
    add_conversations(app, services)
    add_recordings(app, services, application.threads)
    add_say(app, services)

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> JSONResponse:
        counted.count_refusal(error.reason)
        content = {"error": str(error), "code": error.reason}
        if error.problem_code is not None:
            content["problem_code"] = error.problem_code
        return JSONResponse(content, error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        counted.count_refusal(Reason.REQUEST)
        problems = [f"{'.'.join(str(part) for part in each['loc'][1:])}: {each['msg']}" for each in error.errors()]
        return JSONResponse({"error": jsonable_encoder("; ".join(problems))}, 422)

    add_page(app, settings.tuning.max_text_chars)
    app.state.own_names = guard(app, settings, counted)
    return app


def _groq_model(health: Health, settings: Settings) -> str:
    """Returns the Groq model that is in use, or the first one that would be tried."""
    models = (engine.model for engine in health["llm"] if engine.name == "groq")
    return next(filter(None, models), settings.groq_model[0])


def notice(health: Health, settings: Settings) -> str:
    """Returns a notice for visitors: which services may get their words, and how long words and sound are kept."""
    engines = _where_words_go(health, settings)
    if servers := [server.name for server in health.get(MCP, ())]:
        engines = f"{engines} Its tools may pass parts of what you say to {' and '.join(servers)}."
    sound = "Sound is not recorded."
    if settings.recording_minutes:
        sound = f"Sound is kept until {GRACE_S / 60:g} minutes after you hang up."
    if not settings.keep_conversations:
        return f"{engines} Words are not kept. {sound}"
    days = f"for {settings.retention_days:g} days or " if settings.retention_days else ""
    return f"{engines} Words are kept {days}until you begin a new conversation. {sound}"


WHAT_SERVICES_DO = {
    "stt": "{} hears you",
    "llm": "your words go to {}, which answers",
    "tts": "the answers go to {}, which speaks them",
}
"""What visitors are told about the services of each stage."""


def _display_name(engine: str) -> str:
    if engine == LOCAL:
        return "the model"
    return (SERVICES[engine].display_name if engine in SERVICES else None) or engine


def _where_words_go(health: Health, settings: Settings) -> str:
    """Returns the part about services that get what is said, and their hosts if the operator chose them.

    Only the local model is known to keep words on this machine. Any other service on this machine may pass them on,
    and so may an operator's own graph.
    """
    parts, stays = [], False
    own = next((engine.graph for engine in health["llm"] if engine.graph is not None), None)
    for stage, what_it_does in WHAT_SERVICES_DO.items():
        names = []
        for engine in health[stage]:
            host = host_of(engine.name, settings)
            if engine.graph == engine.name:
                names.append(f"{own}, the operator's own agent")
            elif engine.name == LOCAL and host is not None and is_this_machine(host):
                stays = True
            elif engine.name not in EMBEDDED:
                name = _display_name(engine.name)
                names.append(name if host is None else f"{name} at {host}")
        if names:
            parts.append(what_it_does.format(" or ".join(dict.fromkeys(names))))
            stays = stays and stage != "tts"
    if own is not None:
        stays = False
        if not any(engine.graph == engine.name for engine in health["llm"]):
            parts.append(f"{own}, the operator's own agent, takes part in the answers and may pass your words on")
    if parts:
        text = "; ".join(parts)
        engines = f"{text[0].upper()}{text[1:]}."
        return f"{engines} What the local model answers stays on this machine." if stays else engines
    if stays:
        return "What is said here stays on this machine: a local model answers it, and no service hears you."
    return "On the embedded engines: no key, no internet, no service hears you."


def connection_rules(settings: Settings, counter: RefusalCounter) -> ConnectionRules:
    """Returns the limits on connections; `counter` counts each connection that is refused or evicted."""
    slots = connection_slots_for(settings.max_sessions, settings.trusted_proxies)
    return ConnectionRules(slots, counter, trusted_proxies=settings.trusted_proxies)


class Server(BoundedServer):
    """The web server for `app`. It tells clients why their sessions end before it closes their connections."""

    def __init__(self, app: FastAPI, application: Application, **options: Any) -> None:
        settings = application.services.settings
        rules = connection_rules(settings, application.services.telemetry.metrics)
        super().__init__(app, rules, ws_max_size=max_message_bytes(settings), **UVICORN, **options)
        self._application = application

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()  # refuses new connections; uvicorn closes the servers again
        await self._application.end_sessions()
        await super().shutdown(sockets)


async def serve(application: Application, listener: socket.socket, *, share: bool) -> None:
    """Serves until interrupted. Starts and closes the engines. Raises EngineError if they can't be started."""
    services = application.services
    memory.return_large_pieces()
    memory.read_small_pieces()
    aiortc_tuning.apply()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(services.engines.close)
        await services.engines.start()
        stack.push_async_callback(application.close)
        app = create_app(application)
        await services.conversations.start()
        await services.turns.refresh()
        application.webrtc.ice.start()
        await _log_engines(services.health)
        host, port = listener.getsockname()[:2]
        name = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        address = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
        services.invitations.base_url = services.settings.public_address or address
        logger.info("open %s in a browser", address)
        memory.settle()
        background = {
            "loop lag": services.telemetry.metrics.time_loop(),
            "memory": memory.tidy_up(services.admission),
        }
        if share:
            background["share"] = open_link(host, port, services.settings, app.state.own_names)
        for name, work in background.items():
            stack.push_async_callback(_cancel, asyncio.create_task(work, name=name))
        web = Server(app, application, timeout_graceful_shutdown=3)
        _ignore_repeated_signals()
        await web.serve(sockets=[listener])


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _ignore_repeated_signals() -> None:
    """Ignores one SIGINT and one SIGTERM.

    uvicorn raises the signal that ended it once more, which would end the process before everything is closed. A second
    signal from outside has its usual effect.
    """
    usual = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}

    def ignore_once(number: int, _: FrameType | None) -> None:
        signal.signal(number, usual[signal.Signals(number)])

    for each in usual:
        signal.signal(each, ignore_once)


async def _log_engines(engine_health: EngineHealth) -> None:
    """Probes all engines and logs which of them are ready."""
    for stage, engines in (await engine_health.check()).items():
        if stage == MCP:
            continue  # they are starting, and log themselves when they are ready
        for engine in engines:
            name = f"{engine.name} with {engine.model}" if engine.model else engine.name
            name = f"{name} in {engine.graph}" if engine.graph not in (None, engine.name) else name
            state = f"ready ({engine.probe_ms} ms)" if engine.ready else "not ready"
            logger.info("%s: %s is %s%s", stage, name, state, f": {engine.reason}" if engine.reason else "")
            if engine.warning:
                logger.warning("%s: %s: %s", stage, name, engine.warning)
    if engine_health.problem is not None:
        logger.error("%s", engine_health.problem)
