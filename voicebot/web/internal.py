"""The app on the Unix socket of a worker: what only the other workers of the machine may ask, and its own metrics."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Receive, Scope, Send

from voicebot.access.address import UNKNOWN, client_address
from voicebot.access.admission import RefusedError
from voicebot.access.basic_auth import OPEN_FOLDER
from voicebot.dialogue.history import Message
from voicebot.engines.conversation import ConversationError, HandoverEnd, TooManyTextsError
from voicebot.session.other_workers import HeardMessage, Sender, TextToSay
from voicebot.session.services import AppServices
from voicebot.transports.webrtc.server import Offer, offer_of
from voicebot.web.application import Application
from voicebot.web.forwarding import REASON_HEADER, WorkerLoad, has_conversation, own_load, too_slow
from voicebot.web.recordings import Name, local_recordings
from voicebot.web.say import SayRequest, say_here
from voicebot.workers.siblings import ANSWER_S, CLIENT_HEADER, SENT_HEADER


def internal_app(application: Application) -> ASGIApp:
    """Returns the app for the worker's Unix socket, which only processes of the same user can reach.

    It asks for no login, counts no request but offers, and passes none on: the worker that the client has reached has
    checked and counted the request, and names the client's address in `CLIENT_HEADER`. Refusals bear their reason for
    that worker.
    """
    app = FastAPI(
        docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, dependencies=[Depends(_in_time)]
    )
    services, local = application.services, local_recordings(application)

    @app.get("/load")
    async def load() -> WorkerLoad:
        return own_load(application)

    @app.get("/metrics")
    async def metrics() -> Response:
        """Answers with the metrics of this worker alone."""
        return Response(services.telemetry.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    @app.post("/webrtc/offer")
    async def webrtc_offer(offer: Annotated[Offer, Depends(offer_of)], request: Request) -> dict[str, str]:
        async def is_wanted() -> bool:
            for _ in range(3):  # if the event loop stood still, it reads only now that the sender has gone
                await asyncio.sleep(0)
            return not await request.is_disconnected()

        return await application.webrtc.answer(offer, client_address(request.scope, 0), is_wanted)

    @app.get("/webrtc/sessions/{session_id}")
    async def session(session_id: str) -> Response:
        return _yes_or_no(services.sessions.has(session_id))

    @app.head("/recordings/{name}.zip")
    async def probe_recording(name: Name) -> Response:
        return local.probe(name)

    @app.get("/recordings/{name}.zip")
    async def download_recording(name: Name, request: Request) -> Response:
        return local.download(name, client_address(request.scope, 0))

    @app.delete("/recordings/{name}.zip", status_code=204)
    async def delete_recording(name: Name) -> None:
        local.drop(name)

    @app.post(f"{OPEN_FOLDER}{{capability}}", status_code=202)
    async def say(capability: str, body: SayRequest) -> Response:
        return await say_here(services, capability, body)

    @app.delete(f"{OPEN_FOLDER}{{capability}}", status_code=204)
    async def withdraw(capability: str) -> None:
        services.invitations.withdraw(capability)

    _add_conversations(app, services)

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> JSONResponse:
        return JSONResponse(error.content, error.status, error.headers | {REASON_HEADER: error.reason})

    return _WithClient(app)


def _add_conversations(app: FastAPI, services: AppServices) -> None:
    """Adds the routes by which workers tell each other of the sessions and invitations of a conversation.

    The key of a conversation gives no access to it; see `conversation_key`.
    """
    invitations = services.invitations

    @app.head("/conversations/{key}")
    async def conversation(key: str) -> Response:
        return _yes_or_no(has_conversation(services, key))

    @app.get("/conversations/{key}/session")
    async def session(key: str) -> Response:
        return _yes_or_no(invitations.has_session(key))

    @app.put("/conversations/{key}/session", status_code=204)
    async def session_began(key: str, sender: Sender) -> None:
        invitations.remote_session_began(key, sender)

    @app.delete("/conversations/{key}/session", status_code=204)
    async def session_ended(key: str, sender: Sender) -> None:
        invitations.remote_session_ended(key, sender)

    @app.delete("/conversations/{key}/invitations", status_code=204)
    async def cleared(key: str) -> None:
        invitations.end(key, HandoverEnd.CLEARED)

    @app.post("/conversations/{key}/texts", status_code=202)
    async def say(key: str, body: TextToSay) -> Response:
        try:
            await invitations.say_here(key, body.text)
        except ConversationError as error:
            return Response(status_code=429 if isinstance(error, TooManyTextsError) else 404)
        return Response(status_code=202)

    @app.put("/conversations/{key}/handover", status_code=204)
    async def person_answers(key: str, sender: Sender) -> None:
        invitations.set_remote_person(key, sender, answers=True)

    @app.delete("/conversations/{key}/handover", status_code=204)
    async def bot_answers(key: str, sender: Sender) -> None:
        invitations.set_remote_person(key, sender, answers=False)

    @app.post("/conversations/{key}/messages", status_code=204)
    async def heard(key: str, message: HeardMessage) -> Response:
        if not invitations.has_person(key):
            return Response(status_code=404)
        invitations.note_message(key, Message(message.role, message.text, interrupted=message.interrupted))
        return Response(status_code=204)


async def _in_time(sent_s: Annotated[float, Header(alias=SENT_HEADER)] = math.inf) -> None:
    """Raises RefusedError if the request was read so late that its sender has given this worker up.

    A worker that was stopped finds such requests when it goes on. It must not begin a session for an offer that another
    worker has answered by then, and so end that other session.
    """
    if time.monotonic() - sent_s > ANSWER_S:
        raise too_slow()


def _yes_or_no(answer: bool) -> Response:
    return Response(status_code=204 if answer else 404)


class _WithClient:
    """Makes the address that a sibling names the address of the request's client."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            named = (value for name, value in scope["headers"] if name == CLIENT_HEADER.encode())
            scope["client"] = (next(named, UNKNOWN.encode()).decode("latin-1"), 0)
        await self._app(scope, receive, send)
