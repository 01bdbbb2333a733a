"""A session to take along, for those who know its recording's name; and a conversation that is brought back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import IO, Annotated, Any

from fastapi import FastAPI, Path, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from voicebot.config import Settings
from voicebot.core.state import State
from voicebot.doors.address import client_address
from voicebot.doors.admission import MINUTE_S, RefusedError
from voicebot.doors.rates import AddressBuckets
from voicebot.doors.refusal import Reason
from voicebot.recording.archive import ImportFileError, pack, read
from voicebot.recording.lane import RATE_HZ
from voicebot.recording.recorder import GRACE_S, NAME_PATTERN, Recorder
from voicebot.store.database import StoreError
from voicebot.transports.connections import Connections
from voicebot.transports.kept import unreachable

PATH = "/conversations"
"""Where what is brought back is posted: its length is limited here."""

logger = logging.getLogger(__name__)

Name = Annotated[str, Path(pattern=NAME_PATTERN)]

CHUNK_BYTES = 256 * 1024
IN_MEMORY_BYTES = 1024 * 1024
"""Of what comes in; the rest goes to disk, where it has no name."""

STEREO_BYTES_PER_S = 2 * 2 * RATE_HZ
WORDS_BYTES = 16 * 1024 * 1024
"""What a recording may have beside its sound."""

PATIENCE_S = 600.0
MAX_AT_ONCE = 4
"""Downloads, and imports: each has a file, and together they must not fill the disk."""


def add_recordings(app: FastAPI, settings: Settings, connections: Connections) -> None:
    """The routes. An address may ask as often as it may try to connect."""
    rates = AddressBuckets(settings.offers_per_minute / MINUTE_S, settings.offers_per_minute)
    packing, downloads, uploads = asyncio.Semaphore(1), asyncio.Semaphore(MAX_AT_ONCE), asyncio.Semaphore(MAX_AT_ONCE)
    most = WORDS_BYTES + round(settings.recording_minutes * 60 * STEREO_BYTES_PER_S)

    def count(request: Request) -> None:
        asked = rates.of(client_address(request.scope, settings.trusted_proxies))
        if not asked.take():
            raise RefusedError(429, Reason.RATE, "You are asking too often. Please wait a little.", asked.wait_s)

    def must_be_free(places: asyncio.Semaphore) -> None:
        if places.locked():
            raise RefusedError(503, Reason.FULL, "Others are at it just now. Please try again in a moment.", 10)

    def no_room(error: OSError) -> RefusedError:
        logger.error("no file for a recording: %s", error)
        return RefusedError(503, Reason.FULL, "There is no room for it just now. Please try again later.")

    def find(name: str) -> Recorder:
        recorder = connections.recordings.find(name)
        if recorder is None:
            gone = f"recording: there is none of this name; {GRACE_S / 60:g} minutes after its end each is gone"
            raise RefusedError(404, Reason.REQUEST, gone)
        return recorder

    @app.head("/recordings/{name}.zip")
    async def is_there(name: Name, request: Request) -> Response:
        """Whether it can be had, at no cost."""
        count(request)
        return Response(headers=_headers(find(name)), media_type="application/zip")

    @app.get("/recordings/{name}.zip")
    async def download(name: Name, request: Request) -> Response:
        count(request)
        find(name)
        must_be_free(downloads)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(downloads)
            try:
                file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (the stack closes it)
                async with packing:
                    recorder = find(name)  # which may have been deleted meanwhile
                    await asyncio.to_thread(pack, recorder.take(), file)
            except OSError as error:
                raise no_room(error) from None
            return _Archive(file, stack.pop_all(), _headers(recorder) | {"Content-Length": str(file.tell())})

    @app.delete("/recordings/{name}.zip", status_code=204)
    async def delete(name: Name, request: Request) -> None:
        """Of one that is not there the same. A session that goes on records no more."""
        count(request)
        connections.recordings.drop(name)

    @app.post(PATH)
    async def bring_back(request: Request, response: Response) -> dict[str, Any]:
        """As the state message of a session that has just gone on with it, and the name under which one will."""
        count(request)
        must_be_free(uploads)
        async with uploads:
            try:
                with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
                    await _receive(request, file, most)
                    history = await asyncio.to_thread(read, file)
            except ImportFileError as error:
                raise RefusedError(422, Reason.REQUEST, f"This can't be imported: {error}.") from None
            except OSError as error:
                raise no_room(error) from None
        try:
            name = await connections.conversations.put(history)
        except StoreError:
            raise unreachable() from None
        response.headers["Cache-Control"] = "no-store"
        return connections.view(State(history=history)) | {"conversation": name}


def _headers(recorder: Recorder) -> dict[str, str]:
    file_name = f"voice-bot-{recorder.began_at:%Y-%m-%d-%H%M%S}.zip"
    return {"Content-Disposition": f'attachment; filename="{file_name}"', "Cache-Control": "no-store"}


class _Archive(StreamingResponse):
    """What is in `file`. Whatever becomes of the client, `stack` is closed, with the file in it."""

    def __init__(self, file: IO[bytes], stack: AsyncExitStack, headers: dict[str, str]) -> None:
        super().__init__(_chunks(file), headers=headers, media_type="application/zip")
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stack:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await super().__call__(scope, receive, send)


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    file.seek(0)
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk


async def _receive(request: Request, file: IO[bytes], most: int) -> None:
    """The request's body, into `file`. Raises RefusedError."""
    too_long = RefusedError(413, Reason.BODY, f"the file is too long: {most} bytes are allowed")
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > most:
        raise too_long
    came = 0
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for chunk in request.stream():
                came += len(chunk)
                if came > most:
                    raise too_long
                file.write(chunk)
    except TimeoutError:
        raise RefusedError(408, Reason.REQUEST, "the file took too long to come") from None
    except ClientDisconnect:
        raise RefusedError(400, Reason.REQUEST, "not all of the file came") from None
