"""Routes to download recordings and to import conversations."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from voicebot.access.address import client_address
from voicebot.access.admission import MINUTE_S, RefusedError
from voicebot.access.rates import AddressBuckets, TokenBucket
from voicebot.access.refusal import Reason
from voicebot.dialogue.state import State
from voicebot.dialogue.view import view
from voicebot.recording.archive import pack_archive
from voicebot.recording.recorder import GRACE_S, NAME_PATTERN, Recorder, Recordings
from voicebot.recording.transcript_import import ImportFileError, read_import
from voicebot.runtime import limits
from voicebot.runtime.threads import Threads
from voicebot.storage.database import StoreError
from voicebot.web.application import Application
from voicebot.web.conversations import store_unreachable
from voicebot.web.download_slots import DownloadSlots, NoSlotError
from voicebot.web.forwarding import ForwardedDownload, passed_on, too_slow
from voicebot.workers.siblings import SiblingAnswer, SiblingError

Name = Annotated[str, Path(pattern=NAME_PATTERN)]

BUSY_S = 10
"""The wait that a client is told when no slot for a download became free."""


class LocalRecordings:
    """The recordings of this process, as routes answer with them."""

    def __init__(self, recordings: Recordings, slots: DownloadSlots, packing: Threads) -> None:
        self._recordings, self._slots, self._packing = recordings, slots, packing

    def has(self, name: str) -> bool:
        return self._recordings.find(name) is not None

    def probe(self, name: str) -> Response:
        """Returns the answer to HEAD. Raises RefusedError if there is no such recording."""
        return Response(headers=_headers(self._find(name)), media_type="application/zip")

    def download(self, name: str, address: str) -> Response:
        """Returns the archive, which a client at this address downloads. Raises RefusedError."""
        self._find(name)
        return _Archive(lambda: self._find(name), address, self._slots, self._packing)

    def drop(self, name: str) -> None:
        """Deletes a recording if it exists. A session that goes on records nothing more."""
        self._recordings.drop(name)

    def _find(self, name: str) -> Recorder:
        recorder = self._recordings.find(name)
        if recorder is None:
            gone = f"recording: none with this name exists; each is deleted {GRACE_S / 60:g} minutes after its end"
            raise RefusedError(404, Reason.REQUEST, gone)
        return recorder


def local_recordings(application: Application) -> LocalRecordings:
    return LocalRecordings(application.services.recordings, application.downloads, application.threads.packing)


def add_recordings(app: FastAPI, application: Application) -> None:
    """Adds the routes. They have the same rate limit for each address as offers.

    Downloads and imports have lower limits of their own, because they cost more. The worker that a client reaches
    counts its requests, and passes them on if another worker has the recording.
    """
    services, threads = application.services, application.threads
    settings, siblings, counter = services.settings, services.siblings, services.telemetry.metrics
    local = local_recordings(application)
    rates = AddressBuckets(settings.offers_per_minute / MINUTE_S, settings.offers_per_minute)
    download_rates = AddressBuckets(limits.RECORDINGS_PER_S, limits.RECORDINGS_AT_ONCE)
    import_rates = AddressBuckets(limits.IMPORTS_PER_S, limits.IMPORTS_AT_ONCE)
    import_bytes = AddressBuckets(limits.IMPORTED_BYTES_PER_S, limits.IMPORTED_BYTES_AT_ONCE)

    def address_of(request: Request) -> str:
        return client_address(request.scope, settings.trusted_proxies)

    async def elsewhere(name: str) -> SiblingAnswer | None:
        """Returns the answer to HEAD of the worker that has the recording; None if it is here, or nowhere."""
        if local.has(name):
            return None
        try:
            return await siblings.find("HEAD", recording_path(name))
        except SiblingError:
            raise too_slow() from None

    @app.head("/recordings/{name}.zip")
    async def probe_recording(name: Name, request: Request) -> Response:
        """Answers whether a download would be refused now. Does not count as a download."""
        _count(rates.of(address_of(request)))
        if wait_s := download_rates.of(address_of(request)).wait_s:
            raise _too_often(wait_s)
        there = await elsewhere(name)
        return local.probe(name) if there is None else passed_on(there, counter)

    @app.get("/recordings/{name}.zip")
    async def download_recording(name: Name, request: Request) -> Response:
        address = address_of(request)
        _count(download_rates.of(address))
        there = await elsewhere(name)
        if there is None:
            return local.download(name, address)
        return ForwardedDownload(siblings, there.sibling, recording_path(name), address, counter)

    @app.delete("/recordings/{name}.zip", status_code=204)
    async def delete_recording(name: Name, request: Request) -> None:
        """Answers in the same way if there is no such recording. A session that goes on records nothing more."""
        _count(rates.of(address_of(request)))
        if local.has(name):
            local.drop(name)
        else:
            answers = await siblings.ask_all("DELETE", recording_path(name))
            if any(isinstance(each, SiblingError) and each.slow for each in answers):
                raise too_slow()

    @app.post("/conversations")
    async def import_conversation(request: Request, response: Response) -> dict[str, Any]:
        """Answers with the new conversation's name and the state message of a session that goes on with it."""
        address = address_of(request)
        _count(import_rates.of(address))
        try:
            history, imported = await threads.reading.run(read_import, await request.body())
        except ImportFileError as error:
            raise RefusedError(422, Reason.REQUEST, str(error)) from None
        _count(import_bytes.of(address), imported.unpacked_bytes)
        try:
            name = await services.conversations.put(imported, address)
        except StoreError:
            raise store_unreachable() from None
        if name is None:
            raise RefusedError(503, Reason.FULL, "There is no room for this import just now. Please try again later.")
        response.headers["Cache-Control"] = "no-store"
        return view(State(history=history)) | {"conversation": name}


def recording_path(name: str) -> str:
    return f"/recordings/{name}.zip"


def _count(bucket: TokenBucket, tokens: float = 1) -> None:
    """Raises RefusedError if the address has used up its rate."""
    if not bucket.take(tokens):
        raise _too_often(bucket.wait_for_s(tokens))


def _too_often(wait_s: float) -> RefusedError:
    return RefusedError(429, Reason.RATE, "You are asking too often. Please wait a little.", wait_s)


def _headers(recorder: Recorder) -> dict[str, str]:
    file_name = f"voice-bot-{recorder.began_at:%Y-%m-%d-%H%M%S}.zip"
    return {"Content-Disposition": f'attachment; filename="{file_name}"', "Cache-Control": "no-store"}


class _Archive(Response):
    """Packs a recording while it is sent, and holds a slot for downloads meanwhile.

    `find` is called once there is a slot, because the recording can be deleted before. It raises RefusedError.
    """

    def __init__(self, find: Callable[[], Recorder], address: str, slots: DownloadSlots, packing: Threads) -> None:
        super().__init__()
        self._find, self._address, self._slots, self._packing = find, address, slots, packing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_count(message: Message) -> None:
            await send(message)
            download.add_bytes(len(message.get("body", b"")))

        try:
            with contextlib.suppress(TimeoutError):  # the archive ends incomplete
                async with self._slots.hold_slot(self._address) as download:
                    recorder = self._find()
                    with contextlib.closing(recorder.snapshot()) as recording:
                        pieces = _packed(self._packing, pack_archive(recording))
                        response = StreamingResponse(pieces, headers=_headers(recorder), media_type="application/zip")
                        await response(scope, receive, send_and_count)
        except NoSlotError:
            busy = "Others are downloading just now. Please try again in a moment."
            raise RefusedError(503, Reason.FULL, busy, BUSY_S) from None


async def _packed(packing: Threads, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await packing.run(next, pieces, None)) is not None:
        if piece:
            yield piece
