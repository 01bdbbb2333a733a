"""The HTTP server of the simulator: keys, addresses, planned faults, recordings over REST, and a log of requests."""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

import av
import numpy as np

from tests.simulators.deepgram.flux import FluxLive
from tests.simulators.deepgram.live import Live, Setting, seconds, text_of
from tests.simulators.deepgram.nova import NovaLive, described
from tests.simulators.deepgram.recognisers import HeardWord
from tests.simulators.deepgram.wire import Head, Wire
from tests.simulators.faults import Fault, Faults, Planned
from voicebot.audio.sound import SPEECH_RATE_HZ, Samples

PROTOCOLS: dict[str, type[Live]] = {"/v1/listen": NovaLive, "/v2/listen": FluxLive}

KEY = "dg-test-key-51c0ffee"

REASONS = {
    400: ("Bad Request", "Bad Request: failed to process the request"),
    401: ("INVALID_AUTH", "Invalid credentials."),
    402: ("ASR_PAYMENT_REQUIRED", "Project does not have enough credits for an ASR request."),
    403: ("INSUFFICIENT_PERMISSIONS", "Project does not have access to the requested model."),
    404: ("NOT_FOUND", "no such address"),
    429: ("TOO_MANY_REQUESTS", "Too many requests. Please try again later"),
    500: ("INTERNAL_SERVER_ERROR", "something went wrong"),
}


@dataclass(slots=True)
class Request:
    """A client's request as received. `gone` is set when the client has left, at `gone_s` of the loop's clock."""

    head: Head
    body: bytes = field(default=b"", repr=False)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    gone_s: float = 0.0


class DeepgramSimulator:
    """A server in an `async with` block: `async with DeepgramSimulator() as deepgram:` serves at `deepgram.url`.

    Each connection or request gets the next of `faults`. On a live connection, a fault in mid-stream comes after the
    planned number of messages. If that number is 0, and for a recording, the HTTP answer itself is cut, is garbage or
    never ends.
    """

    def __init__(self, setting: Setting | None = None, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.setting = setting or Setting()
        self.faults = Faults()
        self.requests: list[Request] = []
        self.messages = 0
        """The number of messages from all clients."""
        self.open = 0
        """The open connections."""
        self.url = ""
        self._port, self._tls = port, tls
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._asked = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port, limit=2**20, ssl=self._tls)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"{'http' if self._tls is None else 'https'}://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    async def requested(self, count: int) -> Request:
        """Waits for the request with this number, counted from 1, and returns it."""
        async with self._asked:
            await self._asked.wait_for(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(Wire(reader, writer)), name="deepgram simulator")
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, wire: Wire) -> None:
        self.open += 1
        try:
            await self._serve_requests(wire)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            wire.reset()

    async def _serve_requests(self, wire: Wire) -> None:
        while (head := await wire.head()) is not None:
            request = Request(head)
            async with self._asked:
                self.requests.append(request)
                self._asked.notify_all()
            try:
                if head.wants_websocket:
                    await self._serve_live(wire, request)
                    return
                request.body = await wire.body(head)
                if not await self._inject_fault(wire, request, self.faults.next()):
                    await self._transcribe(wire, request)
            finally:
                request.gone_s = asyncio.get_running_loop().time()
                request.gone.set()

    async def _inject_fault(self, wire: Wire, request: Request, planned: Planned | None) -> bool:
        """Injects the faults that come before an answer. Returns True if the request needs no further answer."""
        if planned is not None:
            if planned.fault is Fault.REFUSE:
                wire.reset()
                raise ConnectionAbortedError
            if planned.fault.status is not None:
                await refuse(wire, planned.fault.status, planned.retry_after_s)
                return True
            if planned.fault is Fault.SLOW_FIRST_BYTE and await wire.left_within(planned.delay_s):
                return True
            if planned.fault is Fault.HANG:
                await wire.left()
                return True
            if planned.fault is Fault.HALF_OPEN and not (request.head.wants_websocket and planned.after):
                wire.stop_reading()
                await asyncio.Event().wait()
            if not request.head.wants_websocket or not planned.after:
                if planned.fault is Fault.GARBAGE:
                    await wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n\x00{no]}\xff")
                    return True
                if planned.fault in (Fault.STALL, Fault.TRICKLE):
                    await wire.write(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"metadata": {"tra')
                    await wire.left()
                    return True
                if planned.fault in (Fault.CUT, Fault.RESET):
                    await wire.write(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"metadata": {"tra')
                    wire.hang_up()
                    return True
        accepted = request.head.headers.get("authorization") == f"Token {KEY}"
        if status := self.setting.status if accepted else 401:
            await refuse(wire, status)
            return True
        return False

    async def _serve_live(self, wire: Wire, request: Request) -> None:
        planned = self.faults.next()
        if await self._inject_fault(wire, request, planned):
            return
        protocol = PROTOCOLS.get(request.head.path)
        if protocol is None or request.head.method != "GET":
            await refuse(wire, 404)
        elif self.setting.rejects & request.head.query.keys():
            await refuse(wire, 400)
        else:
            await wire.open_websocket(request.head)
            await protocol(wire, self.setting, planned, self._count).serve(request.head.query)

    def _count(self) -> int:
        self.messages += 1
        return self.messages

    async def _transcribe(self, wire: Wire, request: Request) -> None:
        """Answers a request to transcribe a whole recording."""
        if request.head.path != "/v1/listen" or request.head.method != "POST":
            await refuse(wire, 404)
            return
        try:
            samples = decoded(request.body)
        except av.FFmpegError:
            await refuse(wire, 400)
            return
        recogniser = self.setting.make_recogniser()
        recogniser.receive_audio(samples)
        if not await wire.left_within(self.setting.delay_s):
            await wire.answer(200, answer(await recogniser.words(0, all_heard=True), len(samples)))


async def refuse(wire: Wire, status: int, retry_after_s: float | None = None) -> None:
    code, text = REASONS[status]
    headers = {"dg-error": text, "dg-request-id": str(uuid4())}
    if retry_after_s is not None:
        headers["Retry-After"] = f"{retry_after_s:g}"
    await wire.answer(status, {"err_code": code, "err_msg": text, "request_id": headers["dg-request-id"]}, headers)


def answer(words: Sequence[HeardWord], length: int) -> dict[str, Any]:
    confidence = min((word.confidence for word in words), default=0.0)
    alternative = {"transcript": text_of(words), "confidence": confidence, "words": [described(word) for word in words]}
    metadata = {
        "transaction_key": "deprecated",
        "request_id": str(uuid4()),
        "sha256": "0" * 64,
        "created": "2026-01-01T00:00:00Z",
        "duration": seconds(length),
        "channels": 1,
        "models": [],
        "model_info": {},
    }
    return {"metadata": metadata, "results": {"channels": [{"alternatives": [alternative]}]}}


def decoded(recording: bytes) -> Samples:
    """Decodes a file in any container that ffmpeg knows to 16 kHz."""
    resampler = av.AudioResampler("s16", "mono", SPEECH_RATE_HZ)
    with av.open(io.BytesIO(recording), "r") as container:
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    parts = [part.to_ndarray().reshape(-1) for part in [*frames, *resampler.resample(None)]]
    return np.concatenate([np.zeros(0, np.int16), *parts])
