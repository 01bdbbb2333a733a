"""Recordings to download, and conversations to import, for those who know the recording's name."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import IO, Annotated, Any

from fastapi import FastAPI, Path, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from voicebot.access.address import client_address
from voicebot.access.admission import MINUTE_S, RefusedError
from voicebot.access.rates import AddressBuckets, TokenBucket
from voicebot.access.refusal import Reason
from voicebot.dialogue.state import State
from voicebot.dialogue.view import view
from voicebot.recording.archive import ImportFileError, pack, read_packed
from voicebot.recording.lane import RATE_HZ
from voicebot.recording.recorder import GRACE_S, NAME_PATTERN, Recorder, Take
from voicebot.runtime import limits
from voicebot.runtime.threads import Threads
from voicebot.session.services import AppServices
from voicebot.storage.database import StoreError
from voicebot.web.conversations import unreachable
from voicebot.web.transfers import GaveWayError, NoPlaceError, Places, Transfer, TransferThreads

PATH = "/conversations"
"""Where imports are posted: the length of a request is limited here, not in the middleware."""

logger = logging.getLogger(__name__)

Name = Annotated[str, Path(pattern=NAME_PATTERN)]

CHUNK_BYTES = 256 * 1024
"""What is read from a file, or written to it, at a time; nothing more of a transfer is held in memory."""

STEREO_BYTES_PER_S = 2 * 2 * RATE_HZ
BUSY_S = 10


def add_recordings(app: FastAPI, services: AppServices, threads: TransferThreads) -> None:
    """Add the routes. An address may ask as often as it may try to connect; downloads and imports have lower rates of
    their own, as they cost more."""
    settings, recordings = services.settings, services.recordings
    rates = AddressBuckets(settings.offers_per_minute / MINUTE_S, settings.offers_per_minute)
    download_rates = AddressBuckets(limits.RECORDINGS_PER_S, limits.RECORDINGS_AT_ONCE)
    import_rates = AddressBuckets(limits.IMPORTS_PER_S, limits.IMPORTS_AT_ONCE)
    import_bytes = AddressBuckets(limits.IMPORTED_BYTES_PER_S, limits.IMPORTED_BYTES_AT_ONCE)
    uploads = Places(limits.UPLOADS_AT_ONCE, limits.TRANSFERS_PER_ADDRESS, limits.MAX_UPLOAD_S)
    downloads = Places(limits.DOWNLOADS_AT_ONCE, limits.TRANSFERS_PER_ADDRESS, limits.MAX_DOWNLOAD_S)
    packing = asyncio.Lock()
    most = limits.RECORDING_WORDS_BYTES + round(settings.recording_minutes * 60 * STEREO_BYTES_PER_S)

    def address_of(request: Request) -> str:
        return client_address(request.scope, settings.trusted_proxies)

    def find(name: str) -> Recorder:
        recorder = recordings.find(name)
        if recorder is None:
            gone = f"recording: there is none of this name; {GRACE_S / 60:g} minutes after its end each is gone"
            raise RefusedError(404, Reason.REQUEST, gone)
        return recorder

    @app.head("/recordings/{name}.zip")
    async def is_there(name: Name, request: Request) -> Response:
        """Whether a download would be refused just now, at no cost."""
        _count(rates.of(address_of(request)))
        if wait_s := download_rates.of(address_of(request)).wait_s:
            raise _too_often(wait_s)
        return Response(headers=_headers(find(name)), media_type="application/zip")

    @app.get("/recordings/{name}.zip")
    async def download(name: Name, request: Request) -> Response:
        _count(download_rates.of(address_of(request)))
        find(name)
        async with AsyncExitStack() as stack:
            with _refusing():
                transfer = await stack.enter_async_context(downloads.place(address_of(request)))
                file = stack.enter_context(_closing(tempfile.TemporaryFile()))  # noqa: SIM115 (the stack closes it)
                async with packing:
                    recorder = find(name)  # which may have been deleted meanwhile
                    taken = recorder.take()
                    try:
                        length = await threads.packing.run(_pack, taken, file)
                    finally:
                        taken.close()
            headers = _headers(recorder) | {"Content-Length": str(length)}
            return _Archive(threads.files, file, transfer, stack.pop_all(), headers)

    @app.delete("/recordings/{name}.zip", status_code=204)
    async def delete(name: Name, request: Request) -> None:
        """The same answer if there is none. A session that goes on records nothing more."""
        _count(rates.of(address_of(request)))
        recordings.drop(name)

    @app.post(PATH)
    async def bring_back(request: Request, response: Response) -> dict[str, Any]:
        """Answers as the state message of a session that has just gone on with it, and with its name."""
        address = address_of(request)
        _count(import_rates.of(address))
        with _refusing():
            async with uploads.place(address) as transfer:
                with _closing(tempfile.SpooledTemporaryFile(limits.SPOOLED_BYTES)) as file:
                    async with transfer.under_way():
                        await _receive(request, file, most, transfer, threads.files)
                    history, imported = await threads.reading.run(read_packed, file)
        _count(import_bytes.of(address), imported.unpacked_bytes)
        try:
            name = await services.conversations.put(imported, address)
        except StoreError:
            raise unreachable() from None
        if name is None:
            raise _no_room()
        response.headers["Cache-Control"] = "no-store"
        return view(State(history=history)) | {"conversation": name}


def _count(bucket: TokenBucket, tokens: float = 1) -> None:
    """Raises RefusedError if the address has used up what it may."""
    if not bucket.take(tokens):
        raise _too_often(bucket.wait_for_s(tokens))


def _too_often(wait_s: float) -> RefusedError:
    return RefusedError(429, Reason.RATE, "You are asking too often. Please wait a little.", wait_s)


def _no_room() -> RefusedError:
    return RefusedError(503, Reason.FULL, "There is no room for it just now. Please try again later.")


@contextmanager
def _refusing() -> Iterator[None]:
    """What goes wrong with a transfer, as RefusedError."""
    try:
        yield
    except NoPlaceError:
        busy = "Others are at it just now. Please try again in a moment."
        raise RefusedError(503, Reason.FULL, busy, BUSY_S) from None
    except GaveWayError:
        slow = "It was too slow, and others needed its place. Please try again in a moment."
        raise RefusedError(503, Reason.FULL, slow, BUSY_S) from None
    except TimeoutError:
        raise RefusedError(408, Reason.REQUEST, "the file took too long to come") from None
    except ImportFileError as error:
        raise RefusedError(422, Reason.REQUEST, f"This can't be imported: {error}.") from None
    except OSError as error:  # the disk is full, or the folder for temporary files is missing
        logger.error("no file for a recording: %s", error)
        raise _no_room() from None


@contextmanager
def _closing(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """`file`, which is closed at the end even if what it still holds can't be written: nobody needs it any more."""
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.close()


def _pack(take: Take, file: IO[bytes]) -> int:
    """Write the whole archive, to be read from its beginning; returns its length. Blocking. Raises OSError."""
    pack(take, file)
    file.flush()
    length = file.tell()
    file.seek(0)
    return length


def _headers(recorder: Recorder) -> dict[str, str]:
    file_name = f"voice-bot-{recorder.began_at:%Y-%m-%d-%H%M%S}.zip"
    return {"Content-Disposition": f'attachment; filename="{file_name}"', "Cache-Control": "no-store"}


class _Archive(StreamingResponse):
    """The content of `file`. Whatever becomes of the client, `stack` is closed, with the file and the place in it."""

    def __init__(
        self, files: Threads, file: IO[bytes], transfer: Transfer, stack: AsyncExitStack, headers: dict[str, str]
    ) -> None:
        super().__init__(_chunks(files, file), headers=headers, media_type="application/zip")
        self._transfer, self._stack = transfer, stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            await send(message)
            self._transfer.moved(len(message.get("body", b"")))

        async with self._stack:
            with contextlib.suppress(TimeoutError, GaveWayError):
                async with self._transfer.under_way():
                    await super().__call__(scope, receive, counted)


async def _chunks(files: Threads, file: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await files.run(file.read, CHUNK_BYTES):
        yield chunk


async def _receive(request: Request, file: IO[bytes], most: int, transfer: Transfer, files: Threads) -> None:
    """Write the request's body into `file`. Raises RefusedError and OSError."""
    too_long = RefusedError(413, Reason.BODY, f"the file is too long: {most} bytes are allowed")
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > most:
        raise too_long
    came, waiting = 0, bytearray()
    try:
        async for chunk in request.stream():
            came += len(chunk)
            transfer.moved(len(chunk))
            if came > most:
                raise too_long
            waiting += chunk
            if len(waiting) >= CHUNK_BYTES:
                await files.run(file.write, bytes(waiting))
                waiting.clear()
        await files.run(file.write, bytes(waiting))
    except ClientDisconnect:
        raise RefusedError(400, Reason.REQUEST, "not all of the file came") from None
