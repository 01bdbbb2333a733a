"""The smallest possible FastRTC bot. It sends back what it hears and is silent otherwise."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastrtc import AsyncStreamHandler
from fastrtc.webrtc_connection_mixin import WebRTCConnectionMixin

from voicebot.audio.sound import WIRE_RATE_HZ, Samples


class EchoHandler(AsyncStreamHandler):
    """Returns each frame unchanged."""

    def __init__(self) -> None:
        super().__init__("mono", output_sample_rate=WIRE_RATE_HZ, input_sample_rate=WIRE_RATE_HZ)
        self.ended = asyncio.Event()
        self._frames: asyncio.Queue[tuple[int, Samples] | None] = asyncio.Queue()

    def copy(self) -> EchoHandler:
        return EchoHandler()

    async def receive(self, frame: tuple[int, Samples]) -> None:
        self._frames.put_nowait(frame)

    async def emit(self) -> tuple[int, Samples] | None:
        return await self._frames.get()

    def shutdown(self) -> None:
        self.ended.set()
        self._frames.put_nowait(None)


class EchoBot(WebRTCConnectionMixin):
    """Serves `POST /webrtc/offer` as FastRTC's Stream does, without its page, at `base_url`."""

    def __init__(self, concurrency_limit: int) -> None:
        super().__init__()
        self.mode = "send-receive"
        self.modality = "audio"
        self.concurrency_limit = concurrency_limit
        self.time_limit = None
        self.allow_extra_tracks = False
        self.rtc_configuration: dict[str, Any] = {"iceServers": []}
        self.server_rtc_configuration = self.convert_to_aiortc_format(self.rtc_configuration)
        self.event_handler = EchoHandler()
        self.base_url = ""

    async def offer(self, body: dict[str, Any]) -> Any:
        set_outputs = self.set_additional_outputs(body["webrtc_id"])
        return await self.handle_offer(body, set_outputs)

    def handler(self, webrtc_id: str) -> EchoHandler:
        """Returns the handler that serves this connection."""
        handler = self.handlers[webrtc_id]
        assert isinstance(handler, EchoHandler)
        return handler


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


@asynccontextmanager
async def echo_bot(concurrency_limit: int = 4) -> AsyncIterator[EchoBot]:
    """Serves the bot on a free port of this machine, in this event loop, until the block ends."""
    bot = EchoBot(concurrency_limit)
    app = FastAPI()
    app.post("/webrtc/offer")(bot.offer)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        bot.base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = _Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve([listening]))
        await server.is_up.wait()
        try:
            yield bot
        finally:
            server.should_exit = True
            await serving
