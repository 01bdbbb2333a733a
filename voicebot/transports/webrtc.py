"""WebRTC: one FastRTC handler for each connection, behind the page and behind `POST /webrtc/offer` alike."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, assert_never

import numpy as np
from aiortc import RTCDataChannel
from fastrtc import AsyncStreamHandler
from fastrtc.tracks import AudioCallback
from fastrtc.webrtc_connection_mixin import WebRTCConnectionMixin
from pydantic import BaseModel, Field

from voicebot.config import Settings
from voicebot.core.audio import FRAME_S, WIRE_RATE_HZ, Audio, Samples
from voicebot.core.events import ConversationCleared, InterruptPressed, TextTyped
from voicebot.core.state import State
from voicebot.engines.base import Engines
from voicebot.orchestrator import Orchestrator
from voicebot.player import FrameClock
from voicebot.transports import messages
from voicebot.transports.messages import ByeMessage, ClearMessage, InterruptMessage, MessageError, TextMessage

logger = logging.getLogger(__name__)

MAX_QUEUED_FRAMES = 2
"""Frames that may wait in FastRTC's queue, which has no bound of its own: the cursor is at most that far ahead."""

STATE_INTERVAL_S = 0.05
"""The state goes to the client at most this often; the last one always does."""

MAX_BUFFERED_BYTES = 1_000_000
"""A client that does not read its data channel gets no more states until it does."""

QUIET_S = 0.3
"""So long without a packet, and the microphone counts as silent (muted, or the network is away)."""


GOODBYE_S = 0.1
"""Between the message that says why and the end of the connection, so that the message arrives."""


class OfferError(Exception):
    """An offer is refused: an HTTP status, and a text for the user."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Offer(BaseModel):
    """What a client sends to `POST /webrtc/offer`, in FastRTC's form."""

    sdp: str = Field(min_length=1, max_length=100_000)
    type: Literal["offer"]
    webrtc_id: str = Field(min_length=1, max_length=200)


class VoiceHandler(AsyncStreamHandler):
    """One connection: frames in, frames out, JSON both ways.

    `view` makes the message that shows a state; `leave` asks the handler's owner to close the connection, and why.
    """

    def __init__(
        self,
        engines: Engines,
        settings: Settings,
        view: Callable[[State], dict[str, Any]],
        leave: Callable[[VoiceHandler, str], None],
    ) -> None:
        super().__init__("mono", output_sample_rate=WIRE_RATE_HZ, input_sample_rate=WIRE_RATE_HZ)
        self._engines, self._settings, self._view, self._leave = engines, settings, view, leave
        self._orchestrator = Orchestrator(engines, settings, self._state_changed)
        self.session = secrets.token_hex(8)
        self._clock = FrameClock()
        self._running: asyncio.Task[None] | None = None
        self._unsent: State | None = self._orchestrator.state
        self._sent_s = 0.0
        self._started_s = self._heard_s = time.monotonic()
        self._open = True
        self._faults: set[str] = set()

    def copy(self) -> VoiceHandler:
        return VoiceHandler(self._engines, self._settings, self._view, self._leave)

    @property
    def state(self) -> State:
        return self._orchestrator.state

    @property
    def underruns(self) -> int:
        return self._orchestrator.player.underruns

    async def start_up(self) -> None:
        if self._open and self._running is None:
            self._running = asyncio.create_task(self._orchestrator.run(), name="session")
            self._running.add_done_callback(self._session_ended)

    def _session_ended(self, session: asyncio.Task[None]) -> None:
        if not session.cancelled() and (failure := session.exception()) is not None:
            logger.error("session failed", exc_info=failure)
            self._leave(self, "Something went wrong inside the bot. Please connect again.")

    def shutdown(self) -> None:
        """Stop everything of this connection; may come twice, or before `start_up`."""
        self._open = False
        if self._running is not None:
            self._running.cancel()
        callback = self._callback
        if callback is not None:
            callback.stop()

    @property
    def _callback(self) -> AudioCallback | None:
        """FastRTC's end of this handler, which holds the queue of frames to be sent."""
        return getattr(self._clear_queue, "__self__", None)

    @property
    def frames_waiting(self) -> int:
        """Frames that were given to FastRTC and not yet taken by the wire."""
        return 0 if self._callback is None else self._callback.queue.qsize()

    # Sound --------------------------------------------------------------------------------------------------------

    async def receive(self, frame: tuple[int, Samples]) -> None:
        try:
            rate_hz, samples = frame
            self._heard_s = time.monotonic()
            self._orchestrator.hear(Audio(np.asarray(samples, np.int16).reshape(-1), rate_hz))
        except Exception:  # noqa: BLE001 (the transport edge: FastRTC would leave the bot deaf)
            self._log_fault("receive")

    async def emit(self) -> tuple[int, Samples]:
        frame: Samples | None = None
        try:
            await self._clock.tick()
            while self._open and self.frames_waiting >= MAX_QUEUED_FRAMES:
                await self._clock.tick()
            if self._open:
                self._keep_house()
                frame = self._orchestrator.player.next_frame()
        except Exception:  # noqa: BLE001 (the transport edge: FastRTC would leave the bot mute)
            self._log_fault("emit")
        if frame is None:
            frame = Audio.silence(FRAME_S, WIRE_RATE_HZ).samples
        return WIRE_RATE_HZ, frame.reshape(1, -1)

    def _keep_house(self) -> None:
        """What is to be done now and then: the playout clock is the one clock."""
        now_s = time.monotonic()
        quiet_s = now_s - self._heard_s
        if quiet_s > QUIET_S and self._orchestrator.hears_speech:
            self._orchestrator.hear(Audio.silence(FRAME_S, WIRE_RATE_HZ))
        if (
            self._unsent is not None
            and now_s - self._sent_s >= STATE_INTERVAL_S
            and self._send(self._view(self._unsent))
        ):
            self._unsent = None
            self._sent_s = now_s
        if quiet_s > self._settings.media_timeout_s:
            self._leave(self, "No sound has come from you for a while: the connection seems to be lost.")
        elif now_s - self._started_s > self._settings.session_minutes * 60:
            self._leave(self, f"The time limit of {self._settings.session_minutes:g} minutes is over.")

    def _log_fault(self, where: str) -> None:
        """Once for each place: a fault in every frame must not fill the log."""
        if where not in self._faults:
            self._faults.add(where)
            logger.exception("%s failed; further faults of this session are not logged", where)

    # Messages -----------------------------------------------------------------------------------------------------

    def set_channel(self, channel: RTCDataChannel) -> None:
        known = self.channel is channel
        super().set_channel(channel)
        if not known:
            channel.on("message", self._message_came)
            self._send(messages.hello(self.session, self._engines.names))

    def _state_changed(self, state: State) -> None:
        self._unsent = state

    def _send(self, message: dict[str, Any]) -> bool:
        channel = self.channel
        if channel is None or channel.readyState != "open" or channel.bufferedAmount > MAX_BUFFERED_BYTES:
            return False
        channel.send(json.dumps(message, ensure_ascii=False))
        return True

    def say_goodbye(self, reason: str) -> None:
        self._send(messages.closed(reason))

    def _message_came(self, raw: str | bytes) -> None:
        try:
            message = messages.parse(raw, self._settings.max_text_chars)
        except MessageError as error:
            self._send(messages.error(str(error)))
            return
        match message:
            case TextMessage(text=text):
                self._orchestrator.post(TextTyped(text))
            case InterruptMessage():
                self._orchestrator.post(InterruptPressed())
            case ClearMessage():
                self._orchestrator.post(ConversationCleared())
            case ByeMessage():
                self._leave(self, "You hung up.")
            case _:
                assert_never(message)


class Connections(WebRTCConnectionMixin):
    """All WebRTC connections of this process: takes offers, and sees that nothing of a closed one stays behind."""

    def __init__(self, engines: Engines, settings: Settings, view: Callable[[State], dict[str, Any]]) -> None:
        super().__init__()
        self.mode = "send-receive"
        self.modality = "audio"
        self.concurrency_limit = settings.max_sessions
        self.time_limit = None
        self.allow_extra_tracks = False
        self.rtc_configuration = {"iceServers": settings.ice_servers}
        self.server_rtc_configuration = self.convert_to_aiortc_format(self.rtc_configuration)
        self.event_handler = VoiceHandler(engines, settings, view, self._leave)
        self._closing: dict[str, asyncio.Task[None]] = {}

    @property
    def sessions(self) -> list[VoiceHandler]:
        return list(self.handlers.values())

    async def answer(self, offer: Offer) -> Any:
        """The answer to an offer, as FastRTC gives it. Raises OfferError for one that can't be used."""
        if len(self.pcs) >= self.concurrency_limit:
            raise OfferError(503, f"All {self.concurrency_limit} places are taken. Please try again in a few minutes.")
        if offer.webrtc_id in self.pcs:
            raise OfferError(409, "webrtc_id: there is a connection of this name already")
        if "m=audio" not in offer.sdp or "m=application" not in offer.sdp:
            raise OfferError(400, "sdp: an audio track and a data channel must be offered")
        try:
            answer = await self.handle_offer(offer.model_dump(), self.set_additional_outputs(offer.webrtc_id))
        except Exception as error:  # the transport edge: aiortc says "bad SDP" in many ways
            logger.info("an offer was refused", exc_info=True)
            await self._close(offer.webrtc_id)
            raise OfferError(400, f"sdp: it can't be understood ({type(error).__name__})") from None
        if offer.webrtc_id not in self.connections:
            await self._close(offer.webrtc_id)
            raise OfferError(400, "sdp: the audio must be sent (sendrecv), even if it is silence")
        return answer

    def clean_up(self, webrtc_id: str) -> Any:
        """FastRTC calls this when a connection is closed, but forgets its handler when ICE failed first."""
        handler = self.handlers.get(webrtc_id)
        connections = super().clean_up(webrtc_id)
        if handler is not None:
            handler.shutdown()
        return connections

    def _leave(self, handler: VoiceHandler, reason: str) -> None:
        """Close a handler's connection, telling its client why."""
        for webrtc_id, known in self.handlers.items():
            if known is handler and webrtc_id not in self._closing:
                handler.say_goodbye(reason)
                task = asyncio.create_task(self._close(webrtc_id, GOODBYE_S), name=f"close {webrtc_id}")
                self._closing[webrtc_id] = task
                task.add_done_callback(partial(self._closed, webrtc_id))

    def _closed(self, webrtc_id: str, _: asyncio.Task[None]) -> None:
        del self._closing[webrtc_id]

    async def _close(self, webrtc_id: str, delay_s: float = 0.0) -> None:
        await asyncio.sleep(delay_s)
        peer = self.pcs.get(webrtc_id)
        if peer is not None:
            await peer.close()
        self.clean_up(webrtc_id)

    async def close(self) -> None:
        """Close all connections, and wait until they are."""
        for handler in self.sessions:
            self._leave(handler, "The server is shutting down.")
        await asyncio.gather(*self._closing.values(), *(peer.close() for peer in list(self.pcs.values())))
