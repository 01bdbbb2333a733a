"""A caller: sends speech and text, plays clips in real time (with or without a loudspeaker), and acknowledges them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicebot.audio.sound import Audio
from voicebot.session.messages import (
    ByeMessage,
    ClientMessage,
    ClientPlaybackComplete,
    ClientPlaybackStarted,
    ClipPlayed,
    PlayAudio,
    ServerMessage,
    SpeechEnd,
    SpeechStart,
    StateMessage,
    StopPlayback,
    TextMessage,
    server_message,
)


class CallerOutput(Protocol):
    """Shows the user what the server sends."""

    def show(self, message: ServerMessage) -> None:
        """Shows a message. It is called with every message of the server."""
        ...

    def play(self, mp3: bytes) -> None:
        """Stops the MP3 file that is playing, and begins to play this one, unless it is empty."""
        ...


class NoOutput:
    """Shows and plays nothing."""

    def show(self, message: ServerMessage) -> None:
        """Ignores the message."""

    def play(self, mp3: bytes) -> None:
        """Ignores the sound."""


class Caller:
    """A client of `/ws` that works like the one in the specification's guide."""

    def __init__(self, socket: ClientConnection, output: CallerOutput) -> None:
        self._socket, self._output = socket, output
        self._queue: deque[PlayAudio] = deque()
        self._queued = asyncio.Event()
        self._playing: asyncio.Task[None] | None = None
        self._phase = "idle"
        self._speaking = False
        self._dry = False
        """True if all clips have been played and no other has arrived since."""
        self._asked_s: float | None = None
        """When the user ended the message whose answer has not begun yet."""
        self.gaps_s: list[float] = []
        """For each answer, the time from the end of the user's message to the first clip."""
        self.underruns = 0
        """How often the clips ran out in the middle of a reply."""
        self.idle = asyncio.Event()
        """Is set when the bot has become idle after the user's last message."""
        self.over = asyncio.Event()
        """Is set when the server has ended the session."""

    async def run(self) -> None:
        """Receives messages and plays clips until the server ends the session."""
        async with asyncio.TaskGroup() as group:
            player = group.create_task(self._play_clips())
            try:
                async for raw in self._socket:
                    self._receive(server_message(raw))
            except ConnectionClosed:
                pass
            finally:
                self.over.set()
                player.cancel()

    def _receive(self, message: ServerMessage) -> None:
        self._output.show(message)
        match message:
            case PlayAudio():
                if self._asked_s is not None:
                    self.gaps_s.append(time.monotonic() - self._asked_s)
                    self._asked_s = None
                if self._dry and self._phase == "speaking":
                    self.underruns += 1
                self._dry = False
                self._queue.append(message)
                self._queued.set()
            case StopPlayback():
                self._dry = False
                self._queue.clear()
                if self._playing is not None:
                    self._playing.cancel()
                self._output.play(b"")
            case StateMessage(phase=phase):
                if phase == "idle" and self._phase != "idle":
                    self.idle.set()
                self._phase = phase
            case _:
                pass

    async def _play_clips(self) -> None:
        while True:
            if not self._queue:
                if self._speaking:
                    self._speaking, self._dry = False, True
                    await self._send(ClientPlaybackComplete(type="client_playback_complete"))
                self._queued.clear()
                await self._queued.wait()
            if not self._queue:
                continue
            clip = self._queue.popleft()
            if not self._speaking:
                self._speaking = True
                await self._send(ClientPlaybackStarted(type="client_playback_started"))
            self._playing = asyncio.create_task(self._play_clip(clip))
            await asyncio.wait([self._playing])
            self._playing = None

    async def _play_clip(self, clip: PlayAudio) -> None:
        begun_s = time.monotonic()
        self._output.play(base64.b64decode(clip.audio))
        played_ms: int | None = None
        try:
            await asyncio.sleep(clip.duration_ms / 1000)
        except asyncio.CancelledError:
            played_ms = round((time.monotonic() - begun_s) * 1000)
        await self._send(ClipPlayed(type="clip_played", sequence=clip.sequence, played_ms=played_ms))

    async def _send(self, message: ClientMessage) -> None:
        """Sends a message, unless the server has closed the connection. `run` then sets `over`."""
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(message.model_dump_json())

    # What the user does -------------------------------------------------------------------------------------------

    async def write(self, text: str) -> None:
        self._ask()
        await self._send(TextMessage(type="text", text=text))

    async def say(self, recording: bytes, duration_s: float) -> None:
        """Says a recording, which takes `duration_s`."""
        await self._send(SpeechStart(type="speech_start"))
        await asyncio.sleep(duration_s)
        await self._send(SpeechEnd(type="speech_end", audio=base64.b64encode(recording).decode()))
        self._ask()

    async def send_audio(self, audio: Audio) -> None:
        """Sends live sound from the microphone."""
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(audio.to_bytes())

    async def leave(self) -> None:
        await self._send(ByeMessage(type="bye"))

    def _ask(self) -> None:
        self.idle.clear()
        self._asked_s = time.monotonic()


@asynccontextmanager
async def calling(url: str, output: CallerOutput) -> AsyncIterator[Caller]:
    """Yields a caller that is connected. Raises OSError if it cannot connect."""
    async with connect(url, max_size=None) as socket:
        caller = Caller(socket, output)
        running = asyncio.create_task(caller.run(), name="caller")
        try:
            yield caller
        finally:
            running.cancel()
            await asyncio.wait([running])
