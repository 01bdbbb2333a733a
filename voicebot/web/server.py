"""The web server: all routes, and the start and the end of the process."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Request
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
from voicebot.recording.recorder import GRACE_S, Recordings
from voicebot.runtime import limits, memory
from voicebot.settings.config import Settings
from voicebot.settings.destinations import EMBEDDED, host_of, is_this_machine
from voicebot.settings.registry import LOCAL, SERVICES
from voicebot.transports.webrtc import aiortc_tuning
from voicebot.transports.webrtc.server import Offer, offer_of
from voicebot.transports.websocket import add_websocket
from voicebot.web.application import Application, Readiness
from voicebot.web.connection_slots import connection_slots_for
from voicebot.web.conversations import add_conversations
from voicebot.web.ending import Ending
from voicebot.web.forwarding import Loads, OfferForwarding, processes, session_lives
from voicebot.web.http_server import BoundedServer, ConnectionRules
from voicebot.web.internal import internal_app
from voicebot.web.port import address_of
from voicebot.web.recordings import add_recordings
from voicebot.web.say import add_say
from voicebot.web.sibling_server import answering_siblings
from voicebot.web.ui.rendered import add_page
from voicebot.web.ui.share import open_link
from voicebot.web.websocket_server import WebSocketServerProtocol, max_message_bytes
from voicebot.workers.link import SupervisorLink, WorkerState

logger = logging.getLogger(__name__)

SessionId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]

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
    engines = services.engines
    loads = Loads(application)
    offers = OfferForwarding(application, loads, counted)

    @app.get("/health")
    async def health(request: Request) -> dict[str, Any]:
        status = "healthy" if engine_health.problem is None else "unhealthy"
        if not is_logged_in(request.scope):
            return {"status": status}
        workers = await loads.all()
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
            "sessions": sum(each.sessions for each in workers),
            "max_sessions": settings.max_sessions,
            "turns_per_day": services.turns_per_day,
            "turns_today": max(each.turns_today for each in workers),
            "underruns": sum(each.underruns for each in workers),
            "workers": [] if services.place is None else workers,
        }

    @app.get("/ready")
    async def ready() -> JSONResponse:
        every = await loads.all()
        readiness = application.readiness
        if any(each.status is Readiness.READY for each in every):  # another worker takes the next session
            is_full = sum(each.sessions for each in every) >= settings.max_sessions
            readiness = Readiness.FULL if is_full else Readiness.READY
        return JSONResponse({"status": readiness}, 200 if readiness is Readiness.READY else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        if services.place is None:
            page = counted.exposition()
        else:
            page = await counted.exposition_of_all(processes(await loads.all()))
        return Response(page, media_type=CONTENT_TYPE_LATEST)

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
    async def webrtc_offer(offer: Annotated[Offer, Depends(offer_of)], request: Request) -> Response:
        return await offers.answer(offer, client_address(request.scope, settings.trusted_proxies))

    session_rates = AddressBuckets(limits.SESSION_CHECKS_PER_S, limits.SESSION_CHECKS)

    @app.get("/webrtc/sessions/{session_id}", status_code=204)
    async def session_goes_on(session_id: SessionId, request: Request) -> None:
        """Answers 204 while the session goes on, in any worker, and 404 otherwise."""
        bucket = session_rates.of(client_address(request.scope, settings.trusted_proxies))
        if not bucket.take():
            message = "You are asking for sessions too often. Please wait a little."
            raise RefusedError(429, Reason.RATE, message, bucket.wait_s)
        if not await session_lives(services, session_id):
            raise RefusedError(404, Reason.REQUEST, "session: none with this name goes on")

    add_websocket(app, services, application.decoder)
    add_conversations(app, services)
    add_recordings(app, application)
    add_say(app, services)

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> JSONResponse:
        counted.count_refusal(error.reason)
        return JSONResponse(error.content, error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        counted.count_refusal(Reason.REQUEST)
        problems = [f"{'.'.join(str(part) for part in each['loc'][1:])}: {each['msg']}" for each in error.errors()]
        return JSONResponse({"error": jsonable_encoder("; ".join(problems))}, 422)

    add_page(app, settings.tuning.max_text_chars)
    process_count = 1 if services.place is None else services.place.count
    app.state.own_names = guard(app, settings, counted, services.conversations.leases, process_count)
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

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals to `Ending`, which heeds them until everything is closed."""
        yield

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._application.ending.begun.is_set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()  # refuses new connections; uvicorn closes the servers again
        await self._application.end_sessions()
        hurry = asyncio.create_task(self._hurry(), name="hurry")
        try:
            await super().shutdown(sockets)
        finally:
            await _cancel(hurry)

    async def _hurry(self) -> None:
        await self._application.ending.hurried.wait()
        self.force_exit = True


async def serve(
    application: Application, listener: socket.socket, *, share: bool, link: SupervisorLink | None = None
) -> None:
    """Serves until the process is asked to end. Starts and closes the engines.

    A worker has a `link` to its supervisor. Raises EngineError if the engines can't be started.
    """
    services, ending = application.services, application.ending
    memory.return_large_pieces()
    memory.read_small_pieces()
    aiortc_tuning.apply()
    async with AsyncExitStack() as stack:
        stack.callback(ending.forget_signals)
        stack.callback(application.close_recordings)
        async with AsyncExitStack() as parts:
            parts.push_async_callback(services.engines.close)
            await services.engines.start()
            parts.push_async_callback(application.close_service)
            app = create_app(application)
            await services.conversations.start()
            await services.turns.refresh()
            application.webrtc.ice.start()
            await _log_engines(services.health, only_problems=services.place is not None and services.place.number > 0)
            address = address_of(listener)
            services.invitations.base_url = services.settings.public_address or address
            memory.settle()
            background = {
                "loop lag": services.telemetry.metrics.time_loop(),
                "memory": memory.tidy_up(services.admission),
            }
            if share:
                host, port = listener.getsockname()[:2]
                background["share"] = open_link(host, port, services.settings, app.state.own_names)
            for name, work in background.items():
                parts.push_async_callback(_cancel, asyncio.create_task(work, name=name))
            web = Server(app, application, timeout_graceful_shutdown=3)
            if services.place is not None:
                await stack.enter_async_context(answering_siblings(internal_app(application), services.place))
            ending.heed_signals()
            if link is None:
                logger.info("open %s in a browser", address)
            else:
                stack.callback(link.close)
                link.listen(ending.obey, app.state.own_names.add)
                link.report(WorkerState.SERVING)
                parts.push_async_callback(
                    _cancel, asyncio.create_task(_report_end(link, ending), name="report the end")
                )
            await web.serve(sockets=[listener])
        if services.place is not None:
            await _outlast_recordings(services.recordings, ending)


async def _report_end(link: SupervisorLink, ending: Ending) -> None:
    """Tells the supervisor as soon as the end begins, so that a replacement starts at once."""
    await ending.begun.wait()
    link.report(WorkerState.ENDING)


async def _outlast_recordings(recordings: Recordings, ending: Ending) -> None:
    """Stays until the recordings of this worker's sessions are too old for its siblings to fetch them."""
    if not len(recordings) or ending.stopped.is_set():
        return
    logger.info("has no sessions any more, and keeps %d recordings for %g s at most", len(recordings), GRACE_S)
    memory.return_free_memory()
    waits = {asyncio.create_task(each) for each in (recordings.wait_until_gone(), ending.stopped.wait())}
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for each in waits:
        await _cancel(each)


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def _log_engines(engine_health: EngineHealth, *, only_problems: bool) -> None:
    """Probes all engines and logs which of them are ready, or only those that are not."""
    for stage, engines in (await engine_health.check()).items():
        if stage == MCP:
            continue  # they are starting, and log themselves when they are ready
        for engine in engines:
            name = f"{engine.name} with {engine.model}" if engine.model else engine.name
            name = f"{name} in {engine.graph}" if engine.graph not in (None, engine.name) else name
            if engine.ready and only_problems:
                continue
            state = f"ready ({engine.probe_ms} ms)" if engine.ready else "not ready"
            logger.info("%s: %s is %s%s", stage, name, state, f": {engine.reason}" if engine.reason else "")
            if engine.warning:
                logger.warning("%s: %s: %s", stage, name, engine.warning)
    if engine_health.problem is not None:
        logger.error("%s", engine_health.problem)
