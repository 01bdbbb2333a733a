"""A session's WebRTC connection, as a FastRTC handler: it carries sound and JSON messages both ways."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
from aiortc import MediaStreamTrack, RTCDataChannel
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler
from fastrtc import AsyncStreamHandler
from fastrtc.tracks import AudioCallback
from fastrtc.utils import Context

from voicebot.access.admission import RefusedError, SessionSlot
from voicebot.access.close_codes import CloseCode, SessionClosed
from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, WIRE_RATE_HZ, Audio, Samples, is_silent
from voicebot.dialogue.errors import ErrorCode
from voicebot.dialogue.state import State
from voicebot.dialogue.view import view
from voicebot.runtime import limits
from voicebot.runtime.faults import Faults
from voicebot.session.messages import Closed, ErrorMessage, MessageError, SessionMessage
from voicebot.session.services import AppServices
from voicebot.session.session import GONE, Session
from voicebot.storage.conversation import StoredConversation
from voicebot.transports.webrtc import aiortc_tuning
from voicebot.transports.webrtc.aiortc_tuning.direct_sound import SoundSource, receive_directly, wire_frame
from voicebot.transports.webrtc.data_channel import encoded, message_of, parse

logger = logging.getLogger(__name__)

MAX_QUEUED_FRAMES = 2
"""At most this many frames wait in FastRTC's unbounded queue, so the playout cursor is at most that far ahead."""

STATE_INTERVAL_S = 0.05
"""The state is sent to the client at most this often. The last state is always sent."""

MAX_BUFFERED_BYTES = 1_000_000
"""With more than this unread, a client gets no messages over its data channel."""

EMIT_S = 30.0
"""FastRTC logs an error if `emit` returns nothing for 60 s."""


class VoiceTrack(AudioCallback, SoundSource):
    """The track of the bot's sound. It also hands the client's sound to the connection, as FastRTC's tracks do.

    If aiortc is tuned, sound goes both ways directly: the connection hands its frames to `sender`, and is handed the
    client's. Otherwise both go through FastRTC's queues.
    """

    def __init__(self, remote: MediaStreamTrack, connection: WebRtcConnection, webrtc_id: str) -> None:
        AudioCallback.__init__(self, remote, event_handler=connection, context=Context(webrtc_id=webrtc_id))

    async def recv(self) -> AudioFrame:
        """Returns the next frame as soon as the connection has queued it.

        FastRTC would pace the frames again, by the time of day, and a clock that is set back would silence the bot.
        """
        if self.readyState != "live":
            raise MediaStreamError
        frame: AudioFrame = await self.queue.get()
        self.event_handler.sent(frame)
        return frame


class WebRtcConnection(AsyncStreamHandler):
    """Connects a session with a WebRTC client: sound over FastRTC's track, JSON over the data channel.

    It is created for the client's offer. The client accepts messages of at most `max_message_bytes`.
    """

    def __init__(
        self, services: AppServices, slot: SessionSlot, conversation: StoredConversation, max_message_bytes: int
    ) -> None:
        super().__init__("mono", output_sample_rate=WIRE_RATE_HZ, input_sample_rate=WIRE_RATE_HZ)
        self.session = Session("webrtc", services, slot, conversation, self)
        self.track: VoiceTrack | None = None
        """FastRTC's end of this connection, with the queue of frames to send; None until the offer is read."""
        self._tuned = aiortc_tuning.apply()
        self._media_timeout_s = services.settings.tuning.media_timeout_s
        self._max_message_bytes = max_message_bytes
        self._position = 0
        """How many samples FastRTC has been given."""
        self._unsent: deque[tuple[int, Samples]] = deque(maxlen=2 * MAX_QUEUED_FRAMES)
        """The frames that FastRTC has been given but has not sent, each with its position."""
        self._shown: State | None = None
        """The last state that was sent to the client."""
        self._shown_s = 0.0
        self._unsent_since_s: float | None = None
        """Since when no message could be sent, by the monotonic clock; None if the last one could."""
        self._resamplers: dict[tuple[int, str, str], AudioResampler] = {}
        self._closed = asyncio.Event()
        self._faults = Faults()

    def copy(self) -> WebRtcConnection:
        """FastRTC copies a handler for each offer. Here each connection has its own from the start."""
        raise NotImplementedError

    def set_channel(self, channel: RTCDataChannel) -> None:
        """Reads the messages of the client, which has connected."""
        super().set_channel(channel)
        channel.on("message", self._message_came)

    async def run(self) -> None:
        """Runs the session of the client, which has connected, until it ends, and tells the client why."""
        assert self.track is not None, "an offer without sound is refused"
        if self._tuned:
            receive_directly(self.track.track, self._hear)
        await self.track.start()  # not left to aiortc's sender, which a client can keep from ever starting
        self.session.sound_comes()
        closed = await self.session.run()
        with self._faults.contained("the last state"):
            self._tell(view(self.session.state))  # it may be newer than the last one sent
        self._tell(message_of(Closed(code=closed.code, reason=closed.reason)))

    def refuse(self, refused: RefusedError) -> None:
        """Tells the client, which has connected, that its session does not begin."""
        self._tell(message_of(Closed(code=refused.reason, reason=str(refused))))

    def flooded(self, reason: str) -> None:
        """Ends the session, as its client sends far more than it may over the data channel."""
        self.session.leave(SessionClosed(CloseCode.FLOOD, reason))

    def shutdown(self) -> None:
        """Ends the session and its track, as the peer connection is closed. Never raises."""
        self.session.leave(GONE)
        self._closed.set()
        with self._faults.contained("ending the bot's sound"):
            if self.track is not None:
                self.track.stop()

    # Sound --------------------------------------------------------------------------------------------------------

    def resample(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        """Resamples a frame where needed. Opus comes at 48 kHz, and with one channel if aiortc is tuned."""
        form = (frame.sample_rate, frame.format.name, frame.layout.name)
        if form == (WIRE_RATE_HZ, "s16", "mono"):
            yield frame
            return
        with self._faults.contained("resampling"):
            if form not in self._resamplers:
                self._resamplers[form] = AudioResampler("s16", "mono", WIRE_RATE_HZ)
            yield from self._resamplers[form].resample(frame)

    def _hear(self, frame: AudioFrame) -> None:
        """Takes the client's sound directly."""
        for each in self.resample(frame):
            samples = np.frombuffer(bytes(each.planes[0]), np.int16, each.samples)
            self.session.receive_audio(Audio(samples, each.sample_rate))

    async def receive(self, frame: tuple[int, Samples]) -> None:
        """Takes the client's sound from FastRTC: what came before the session, and if aiortc is not tuned, all."""
        rate_hz, samples = frame
        self.session.receive_audio(Audio(np.asarray(samples, np.int16).reshape(-1), rate_hz))
        await asyncio.sleep(0)  # after a stall of the network, seconds of sound wait here: others get their turn

    async def emit(self) -> None:
        """FastRTC polls this for sound, which `tick` queues instead. It returns now and then, as FastRTC expects."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EMIT_S):  # `wait_for` of Python 3.11 can lose a cancellation
                await self._closed.wait()
        await asyncio.sleep(FRAME_S)

    @property
    def frames_waiting(self) -> int:
        """The number of frames that FastRTC has been given but has not sent."""
        return 0 if self.track is None else self.track.queue.qsize()

    def tick(self) -> None:
        """Sends or queues a frame directly. FastRTC's own conversions would cost processor time and 3 dB."""
        self._check_client()
        self._show()
        if self.track is None:
            return
        if self.track.sender is not None:
            frame = self.session.next_frame()
            self.track.sender.send(frame, self._position, silent=is_silent(frame))
            self.session.sent(frame)
            self._position += FRAME_SAMPLES
        elif not self._tuned and self.frames_waiting < MAX_QUEUED_FRAMES:
            frame = self.session.next_frame()
            self._unsent.append((self._position, frame))
            self.track.queue.put_nowait(wire_frame(frame, self._position))
            self._position += FRAME_SAMPLES

    def sent(self, frame: AudioFrame) -> None:
        """Tells the recorder which frame is sent now, and which ones before it were left out."""
        while self._unsent and frame.pts is not None and self._unsent[0][0] <= frame.pts:
            position, samples = self._unsent.popleft()
            self.session.sent(samples, position - frame.pts)

    async def cut(self) -> None:
        """Does nothing: the sound of a cancelled reply is on the server, not at the client."""

    def _check_client(self) -> None:
        """Ends the session if no sound comes from the client, or if no message can be sent to it."""
        now_s = time.monotonic()
        if self.session.heard_s is not None and now_s - self.session.heard_s > self._media_timeout_s:
            reason = "No sound has come from you for a while: the connection seems to be lost."
            self.session.leave(SessionClosed(CloseCode.MEDIA, reason))
        elif self._unsent_since_s is not None and now_s - self._unsent_since_s > limits.UNTOLD_S:
            self.session.leave(SessionClosed(CloseCode.SLOW, "Your side does not read what it is sent."))

    # Messages -----------------------------------------------------------------------------------------------------

    def send(self, message: SessionMessage) -> None:
        self._tell(message_of(message))

    def _show(self) -> None:
        now_s, state = time.monotonic(), self.session.state
        if state is not self._shown and now_s - self._shown_s >= STATE_INTERVAL_S:
            self._shown_s = now_s
            with self._faults.contained("showing the state"):
                if self._tell(view(state)):
                    self._shown = state

    def _tell(self, message: dict[str, Any]) -> bool:
        """Returns whether the message was sent. Never raises."""
        sent = False
        with self._faults.contained("sending"):
            sent = self._send(message)
        if sent:
            self._unsent_since_s = None
        elif self._unsent_since_s is None:
            self._unsent_since_s = time.monotonic()
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
                self.send(ErrorMessage(code=ErrorCode.MESSAGE, message=str(error)))
