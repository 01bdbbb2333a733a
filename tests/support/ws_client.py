"""A client of `/ws` that does what the test says, over a real socket."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import av
import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from tests.support.engines import loud
from tests.support.live_server import LiveServer
from voicebot.audio.sound import Samples


class WsClient:
    """Keeps the messages that have not been asked for yet. `came` holds all messages."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.came: list[dict[str, Any]] = []

    async def send(self, type: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": type, **fields}))

    async def next(self, event: str, timeout_s: float = 5.0, **fields: Any) -> dict[str, Any]:
        """Returns the next message of this event with these fields. Other messages are skipped."""
        async with asyncio.timeout(timeout_s):
            while True:
                message: dict[str, Any] = json.loads(await self.socket.recv())
                self.came.append(message)
                if message["event"] == event and all(message[name] == value for name, value in fields.items()):
                    return message

    def all(self, event: str) -> list[dict[str, Any]]:
        return [message for message in self.came if message["event"] == event]


@asynccontextmanager
async def ws_client(server: LiveServer, query: str = "") -> AsyncIterator[WsClient]:
    url = server.url.replace("http", "ws", 1) + "/ws" + query
    async with connect(url, max_size=None, proxy=None) as socket:
        yield WsClient(socket)


async def plays_until(client: WsClient, event: str, **fields: Any) -> dict[str, Any]:
    """Acknowledges all clips until this event comes."""
    async with asyncio.timeout(15):
        played = False
        while True:
            message: dict[str, Any] = json.loads(await client.socket.recv())
            client.came.append(message)
            if message["event"] == "play_audio":
                played = True
                await client.send("clip_played", sequence=message["sequence"])
            elif played and message["event"] == event and all(message[name] == fields[name] for name in fields):
                return message


def recording(container: str, duration_s: float = 0.5) -> str:
    """Returns an utterance as a client uploads it."""
    codec, rate = {"wav": ("pcm_s16le", 16_000), "webm": ("libopus", 48_000), "mp3": ("libmp3lame", 48_000)}[container]
    out = io.BytesIO()
    sound = loud(duration_s, rate).samples.reshape(1, -1)
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(sound, format="s16", layout="mono")
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)
    return base64.b64encode(out.getvalue()).decode()


def sound_of(clip: dict[str, Any]) -> Samples:
    """Returns the samples of a clip at 48 kHz."""
    from voicebot.engines.tts.mp3 import decode_mp3

    return np.concatenate([piece.samples for piece in decode_mp3(base64.b64decode(clip["audio"]))])
