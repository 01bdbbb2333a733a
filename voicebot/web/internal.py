"""The app on the Unix socket of a worker: what only the other workers of the machine may ask, and its own metrics."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Receive, Scope, Send

from voicebot.access.address import UNKNOWN, client_address
from voicebot.access.admission import RefusedError
from voicebot.access.basic_auth import OPEN_FOLDER
from voicebot.transports.webrtc.server import Offer, offer_of
from voicebot.web.application import Application
from voicebot.web.forwarding import REASON_HEADER, WorkerLoad, own_load
from voicebot.web.recordings import Name, local_recordings
from voicebot.web.say import SayRequest, say_here
from voicebot.workers.siblings import CLIENT_HEADER


def internal_app(application: Application) -> ASGIApp:
    """Returns the app for the worker's Unix socket, which only processes of the same user can reach.

    It asks for no login, counts no request and passes none on: the worker that the client has reached has checked and
    counted the request, and names the client's address in `CLIENT_HEADER`. Refusals bear their reason for that worker.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
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
        return await application.webrtc.answer(offer, client_address(request.scope, 0))

    @app.get("/webrtc/sessions/{session_id}")
    async def session(session_id: str) -> Response:
        return Response(status_code=204 if services.sessions.has(session_id) else 404)

    @app.head("/conversations/{key}")
    async def conversation(key: str) -> Response:
        return Response(status_code=204 if services.invitations.know(key) else 404)

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
        return say_here(services, capability, body)

    @app.delete(f"{OPEN_FOLDER}{{capability}}", status_code=204)
    async def withdraw(capability: str) -> None:
        services.invitations.withdraw(capability)

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> JSONResponse:
        return JSONResponse(error.content, error.status, error.headers | {REASON_HEADER: error.reason})

    return _WithClient(app)


class _WithClient:
    """Makes the address that a sibling names the address of the request's client."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            named = (value for name, value in scope["headers"] if name == CLIENT_HEADER.encode())
            scope["client"] = (next(named, UNKNOWN.encode()).decode("latin-1"), 0)
        await self._app(scope, receive, send)
