"""A WebRTC peer for tests and benchmarks. It connects to `/webrtc/offer`, speaks, listens, and times both ways."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from tests.support.room import Room
from tests.support.rtc_link import Link
from tests.support.rtc_recorder import Recorder
from tests.support.signal import Signal
from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, WIRE_RATE_HZ, Audio, Samples
from voicebot.transports.webrtc import aiortc_tuning
from voicebot.transports.webrtc.aiortc_tuning.peer_closing import close_peer

Json = dict[str, Any]

CLOSE_S = 5.0
"""The limit for aiortc's `close`, which on rare occasions waits for ever (its issues 283 and 1104; seen once)."""


class OfferRefusedError(Exception):
    """The bot refused the offer by an HTTP status, or by FastRTC's {"status": "failed"}, which has status 200."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"the bot refused the offer: {status} {reason}")
        self.status = status
        self.reason = reason


class Microphone(MediaStreamTrack):
    """Sends 20 ms frames at 48 kHz on a monotonic clock: the audio that was given to `say`, otherwise silence.

    Positions are samples since the first frame. A frame is sent at the moment its last sample would be recorded, as a
    sound card does.
    """

    kind = "audio"

    def __init__(self, room: Room | None = None) -> None:
        super().__init__()
        self._room = room
        self.sent_s: list[float] = []
        """The monotonic time at which each frame was sent. Frame n holds the positions [n * 960, (n + 1) * 960)."""
        self.sent_sound: list[Samples] = []
        self._unsaid: Samples = np.zeros(0, np.int16)
        self._start_s = 0.0
        self._sent = Signal()

    def say(self, audio: Audio) -> int:
        """Speaks after the speech that still waits to be said. Returns the position of its first sample."""
        start = len(self.sent_s) * FRAME_SAMPLES + len(self._unsaid)
        self._unsaid = np.concatenate([self._unsaid, audio.resampled(WIRE_RATE_HZ).samples])
        return start

    async def passed(self, position: int, timeout_s: float = 30.0) -> float:
        """Waits until the frame that holds `position` was sent, and returns that time. Raises TimeoutError."""

        def left() -> float | None:
            return self.sent_at(position) if position < len(self.sent_s) * FRAME_SAMPLES else None

        return await self._sent.until(left, timeout_s, f"sound of position {position}")

    async def said(self, timeout_s: float = 30.0) -> float:
        """Waits until all the speech given to `say` was sent, and returns the time of its end. Raises TimeoutError."""
        return await self.passed(len(self.sent_s) * FRAME_SAMPLES + len(self._unsaid) - 1, timeout_s)

    def sent_at(self, position: int) -> float:
        """Returns the monotonic time at which the frame with `position` was sent. Raises IndexError before that."""
        return self.sent_s[position // FRAME_SAMPLES]

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        if self.sent_s:
            due_s = self._start_s + len(self.sent_s) * FRAME_S
            await asyncio.sleep(due_s - time.monotonic())
        else:
            self._start_s = time.monotonic()
        samples, self._unsaid = self._unsaid[:FRAME_SAMPLES], self._unsaid[FRAME_SAMPLES:]
        padded = np.pad(samples, (0, FRAME_SAMPLES - len(samples)))
        if self._room is not None:
            padded = self._room.receive_audio(padded)
        frame = AudioFrame.from_ndarray(padded.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = WIRE_RATE_HZ
        frame.pts = len(self.sent_s) * FRAME_SAMPLES
        frame.time_base = Fraction(1, WIRE_RATE_HZ)
        self.sent_s.append(time.monotonic())
        self.sent_sound.append(padded)
        self._sent.notify()
        return frame


class RtcClient:
    """Is connected within `async with RtcClient("http://127.0.0.1:7860") as client:` and leaves nothing behind.

    With a `room` the microphone also picks up the sound that is heard. `connect_s` is the time from the start until
    both the connection and the data channel were open. `ice_servers` has the format of `/webrtc/config`. aiortc is
    tuned in the client's process too, so that its own buffer does not add to the times it measures. `peer` and
    `channel` are aiortc's own objects, for actions that no honest client takes.
    """

    def __init__(
        self,
        base_url: str,
        *,
        link: Link | None = None,
        room: Room | None = None,
        heard: Recorder | None = None,
        connect_timeout_s: float = 15.0,
        conversation: str | None = None,
        ice_servers: list[Json] | None = None,
    ) -> None:
        self.webrtc_id = uuid.uuid4().hex
        self.microphone = Microphone(room)
        self.heard = heard or Recorder(room=room)
        self.link = link or Link()
        self.messages: list[Json] = []
        self.connect_s = 0.0
        self._conversation = conversation
        self._ice_servers = [RTCIceServer(**server) for server in ice_servers or []]
        self._base_url = base_url.rstrip("/")
        self._timeout_s = connect_timeout_s
        self._changed = Signal()
        self._recording: asyncio.Task[None] | None = None
        self.peer: RTCPeerConnection
        self.channel: RTCDataChannel

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def state(self) -> str:
        """Returns the state of the connection: new, connecting, connected, failed or closed."""
        return str(self.peer.connectionState)

    async def connect(self) -> None:
        """Connects. Raises OfferRefusedError, httpx.TransportError, ConnectionError or TimeoutError."""
        aiortc_tuning.apply()
        started_s = time.monotonic()
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=self._ice_servers))
        self.peer.on("connectionstatechange", self._changed.notify)
        self.peer.on("track", self._record)
        self.channel = self.peer.createDataChannel("text")
        self.channel.on("open", self._changed.notify)
        self.channel.on("message", self._receive)
        sender = self.peer.addTrack(self.microphone)
        await self._open_sockets()
        answer = await self._offer()
        await self.peer.setRemoteDescription(RTCSessionDescription(sdp=answer["sdp"], type=answer["type"]))
        self.link.attach(sender.transport.transport)
        await self._changed.until(self._connected, self._timeout_s, "connection")
        self.connect_s = time.monotonic() - started_s

    async def _open_sockets(self) -> None:
        """Opens all sockets, even if it is cancelled meanwhile: aioice would never close those that it has opened."""
        opening = asyncio.ensure_future(self.peer.setLocalDescription(await self.peer.createOffer()))
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            await asyncio.wait({opening})
            raise

    async def close(self) -> None:
        """Closes the connection and all that belongs to it. May be called twice."""
        self.microphone.stop()
        with suppress(TimeoutError):
            await close_peer(self.peer, CLOSE_S)
        if self._recording is not None:
            await asyncio.wait({self._recording}, timeout=CLOSE_S)
            self._recording.cancel()

    def send(self, message: Json) -> None:
        """Sends a message over the data channel."""
        self.channel.send(json.dumps(message))

    async def wait_for_message(
        self, matches: Callable[[Json], bool], timeout_s: float = 10.0, *, after: int = 0
    ) -> Json:
        """Returns the first message, received already or later, that `matches`. Raises TimeoutError.

        The first `after` messages of the connection are left out.
        """
        return await self._changed.until(
            lambda: next((message for message in self.messages[after:] if matches(message)), None),
            timeout_s,
            "such message",
        )

    async def wait_for_state(self, state: str, timeout_s: float = 10.0) -> None:
        """Waits until the connection is in `state`. Raises TimeoutError."""
        await self._changed.until(lambda: self.state == state or None, timeout_s, f"connection state {state}")

    def rewritten(self, sdp: str) -> str:
        """Returns the SDP of the offer as it is sent. Subclasses change it."""
        return sdp

    def http_client(self, timeout_s: float) -> httpx.AsyncClient:
        """Returns the client that sends the offer. Subclasses change it."""
        return httpx.AsyncClient(trust_env=False, timeout=timeout_s)

    async def _offer(self) -> Json:
        local = self.peer.localDescription
        body = {"sdp": self.rewritten(local.sdp), "type": local.type, "webrtc_id": self.webrtc_id}
        if self._conversation is not None:
            body["conversation"] = self._conversation
        async with self.http_client(self._timeout_s) as http:
            response = await http.post(f"{self._base_url}/webrtc/offer", json=body)
        if response.is_error:
            raise OfferRefusedError(response.status_code, response.text)
        answer: Json = response.json()
        if answer.get("status") == "failed":
            raise OfferRefusedError(response.status_code, str(answer.get("meta", {}).get("error", answer)))
        return answer

    def _connected(self) -> bool | None:
        if self.state in ("failed", "closed"):
            raise ConnectionError(f"the connection is {self.state}")
        return True if self.state == "connected" and self.channel.readyState == "open" else None

    def _receive(self, text: str | bytes) -> None:
        self.messages.append(json.loads(text))
        self._changed.notify()

    def _record(self, track: MediaStreamTrack) -> None:
        self._recording = asyncio.create_task(self.heard.record(track))
