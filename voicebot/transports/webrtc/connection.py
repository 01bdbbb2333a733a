"""A session's connection over WebRTC: frames in, frames out, JSON both ways, in the form of a FastRTC handler."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from aiortc import RTCDataChannel
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler
from fastrtc import AsyncStreamHandler
from fastrtc.tracks import AudioCallback

from voicebot.access.admission import RefusedError, Ticket
from voicebot.access.ending import Cause, Ending
from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, WIRE_RATE_HZ, Audio, Samples
from voicebot.dialogue.state import State
from voicebot.dialogue.view import view
from voicebot.runtime import limits
from voicebot.runtime.faults import Faults
from voicebot.session.messages import Closed, ErrorMessage, MessageError, ServerMessage
from voicebot.session.services import AppServices
from voicebot.session.session import GONE, Session
from voicebot.storage.conversation import Conversation
from voicebot.transports.webrtc.data_channel import encoded, message_of, parse

logger = logging.getLogger(__name__)

MAX_QUEUED_FRAMES = 2
"""Frames that may wait in FastRTC's queue, which has no bound of its own: the cursor is at most that far ahead."""

STATE_INTERVAL_S = 0.05
"""The state goes to the client at most this often; the last one always does."""

MAX_BUFFERED_BYTES = 1_000_000
"""A client that does not read its data channel gets no more states until it does."""

EMIT_S = 30.0
"""FastRTC wants something at least every 60 s, and complains otherwise."""


class VoiceTrack(AudioCallback):
    """The bot's sound as its client is sent it, and FastRTC's way of handing the client's sound to the connection."""

    async def recv(self) -> AudioFrame:
        """The next frame, as soon as the connection has played it.

        FastRTC would pace frames once more, by the time of day: a clock that is set back would silence the bot.
        """
        if self.readyState != "live":
            raise MediaStreamError
        frame: AudioFrame = await self.queue.get()
        self.event_handler.sent(frame)
        return frame


class WebRtcConnection(AsyncStreamHandler):
    """Connects a session with a WebRTC client: sound over FastRTC's track, JSON over the data channel.

    It is made when the client makes its offer. The client takes messages of at most `max_message_bytes`.
    """

    def __init__(
        self, services: AppServices, ticket: Ticket, conversation: Conversation, max_message_bytes: int
    ) -> None:
        super().__init__("mono", output_sample_rate=WIRE_RATE_HZ, input_sample_rate=WIRE_RATE_HZ)
        self.session = Session("webrtc", services, ticket, conversation, self)
        self.track: VoiceTrack | None = None
        """FastRTC's end of this connection, with the queue of frames to send; None until the offer was read."""
        self._media_timeout_s = services.settings.media_timeout_s
        self._max_message_bytes = max_message_bytes
        self._position = 0
        """Samples that FastRTC was given."""
        self._unsent: deque[tuple[int, Samples]] = deque(maxlen=2 * MAX_QUEUED_FRAMES)
        """Frames that FastRTC was given and has not sent, each with its position."""
        self._shown: State | None = None
        """The last state that the client was sent."""
        self._shown_s = 0.0
        self._untold_s: float | None = None
        """Since when no message has reached the data channel, by the monotonic clock; None if the last one did."""
        self._resamplers: dict[tuple[int, str, str], AudioResampler] = {}
        self._closed = asyncio.Event()
        self._faults = Faults()

    def copy(self) -> WebRtcConnection:
        """FastRTC copies a handler for each offer that it answers; here each connection has its own from the start."""
        raise NotImplementedError

    def set_channel(self, channel: RTCDataChannel) -> None:
        """The client has connected: what it sends from now on is read."""
        super().set_channel(channel)
        channel.on("message", self._message_came)

    async def run(self) -> None:
        """Carry the session on until it ends, and tell the client why. The client has connected."""
        assert self.track is not None, "an offer without sound is refused"
        await self.track.start()  # not left to the sender of sound, which a client can keep from ever asking for any
        self.session.sound_comes()
        ending = await self.session.run()
        with self._faults.contained("the last state"):
            self._tell(view(self.session.state))  # which may be newer than the last one sent
        self._tell(message_of(Closed(code=ending.cause, reason=ending.reason)))

    def refuse(self, refused: RefusedError) -> None:
        """Tell the client, which has connected, that its session does not begin."""
        self._tell(message_of(Closed(code=refused.reason, reason=str(refused))))

    def flooded(self, reason: str) -> None:
        """The client sends far more than it may over the data channel: its session ends."""
        self.session.leave(Ending(Cause.FLOOD, reason))

    def shutdown(self) -> None:
        """The peer connection is closed: end the session, and what FastRTC does for it. Never raises."""
        self.session.leave(GONE)
        self._closed.set()
        with self._faults.contained("ending the bot's sound"):
            if self.track is not None:
                self.track.stop()

    # Sound --------------------------------------------------------------------------------------------------------

    def resample(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        """Opus comes as 48 kHz already, and as one channel if aiortc could be tuned. A client may change its codec."""
        form = (frame.sample_rate, frame.format.name, frame.layout.name)
        if form == (WIRE_RATE_HZ, "s16", "mono"):
            yield frame
            return
        with self._faults.contained("resampling"):
            if form not in self._resamplers:
                self._resamplers[form] = AudioResampler("s16", "mono", WIRE_RATE_HZ)
            yield from self._resamplers[form].resample(frame)

    async def receive(self, frame: tuple[int, Samples]) -> None:
        rate_hz, samples = frame
        self.session.receive_audio(Audio(np.asarray(samples, np.int16).reshape(-1), rate_hz))
        await asyncio.sleep(0)  # after a bad moment of the network some seconds of sound wait here: others come between

    async def emit(self) -> None:
        """FastRTC asks here for sound, but `tick` gives it: this waits, and shows now and then that it is alive."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EMIT_S):  # Python 3.11's `wait_for` can lose a cancellation
                await self._closed.wait()
        await asyncio.sleep(FRAME_S)

    @property
    def frames_waiting(self) -> int:
        """Frames that were given to FastRTC and not yet taken by the wire."""
        return 0 if self.track is None else self.track.queue.qsize()

    def tick(self) -> None:
        """A frame into FastRTC's queue, past its conversions, which cost CPU and 3 dB."""
        self._check_client()
        self._show()
        if self.track is not None and self.frames_waiting < MAX_QUEUED_FRAMES:
            frame = self.session.next_frame()
            self._unsent.append((self._position, frame))
            self.track.queue.put_nowait(_wire_frame(frame, self._position))
            self._position += FRAME_SAMPLES

    def sent(self, frame: AudioFrame) -> None:
        """A frame leaves for the client now: the recorder is told of it, and of those that were left out before it."""
        while self._unsent and frame.pts is not None and self._unsent[0][0] <= frame.pts:
            position, samples = self._unsent.popleft()
            self.session.sent(samples, position - frame.pts)

    async def cut(self) -> None:
        """The sound of a cancelled reply is here, not at the client."""

    def _check_client(self) -> None:
        """End a session that hears nothing from its client or can't tell it anything."""
        now_s = time.monotonic()
        if self.session.heard_s is not None and now_s - self.session.heard_s > self._media_timeout_s:
            reason = "No sound has come from you for a while: the connection seems to be lost."
            self.session.leave(Ending(Cause.MEDIA, reason))
        elif self._untold_s is not None and now_s - self._untold_s > limits.UNTOLD_S:
            self.session.leave(Ending(Cause.SLOW, "Your side does not read what it is sent."))

    # Messages -----------------------------------------------------------------------------------------------------

    def send(self, message: ServerMessage) -> None:
        self._tell(message_of(message))

    def _show(self) -> None:
        now_s, state = time.monotonic(), self.session.state
        if state is not self._shown and now_s - self._shown_s >= STATE_INTERVAL_S:
            self._shown_s = now_s
            with self._faults.contained("showing the state"):
                if self._tell(view(state)):
                    self._shown = state

    def _tell(self, message: dict[str, Any]) -> bool:
        """Returns whether the message could leave. Never raises: nothing else depends on what can be told."""
        sent = False
        with self._faults.contained("sending"):
            sent = self._send(message)
        if sent:
            self._untold_s = None
        elif self._untold_s is None:
            self._untold_s = time.monotonic()
        return sent

    def _send(self, message: dict[str, Any]) -> bool:
        channel = self.channel
        if channel is None or channel.readyState != "open" or channel.bufferedAmount > MAX_BUFFERED_BYTES:
            return False
        text = encoded(message, self._max_message_bytes)
        if text is None:
            logger.warning("a message of the type %s is too long for the client", message["type"])
            return False
        channel.send(text)
        return True

    def _message_came(self, raw: str | bytes) -> None:
        with self._faults.contained("reading a message"):
            try:
                self.session.count_message()
                self.session.take(parse(raw))
            except MessageError as error:
                self.send(ErrorMessage(message=str(error)))


def _wire_frame(samples: Samples, position: int) -> AudioFrame:
    """20 ms for aiortc: `position` counts the samples of the stream."""
    frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = WIRE_RATE_HZ
    frame.pts = position
    frame.time_base = Fraction(1, WIRE_RATE_HZ)
    return frame
