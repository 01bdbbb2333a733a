"""One WebRTC connection: a FastRTC handler around a session. Frames in, frames out, JSON both ways."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from fractions import Fraction
from functools import partial
from typing import Any, assert_never

import numpy as np
from aiortc import RTCDataChannel
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler
from fastrtc import AsyncStreamHandler
from fastrtc.tracks import AudioCallback

from voicebot import limits
from voicebot.config import Settings
from voicebot.core.audio import FRAME_S, FRAME_SAMPLES, WIRE_RATE_HZ, Audio, Samples
from voicebot.core.events import ChoicesMade, ConversationCleared, InterruptPressed, RulingDisputed, TextTyped
from voicebot.core.state import State
from voicebot.doors.admission import RefusedError, Ticket
from voicebot.doors.ending import FAULT, HUNG_UP, TAKEN_OVER, Cause, Ending
from voicebot.doors.rates import TOO_MANY_TEXTS, FloodError, MessageRate, text_rate
from voicebot.doors.turns import DailyTurns
from voicebot.engines.base import Engines
from voicebot.faults import Faults
from voicebot.observer import Observer, Observers
from voicebot.options import ChoiceError, Options
from voicebot.orchestrator import Orchestrator
from voicebot.player import FrameClock
from voicebot.recording.recorder import Recordings
from voicebot.store.conversation import Conversation
from voicebot.transports import messages
from voicebot.transports.configuration import Configuration
from voicebot.transports.messages import (
    ByeMessage,
    ClearMessage,
    ConfigureMessage,
    DisputeMessage,
    InterruptMessage,
    MessageError,
    TextMessage,
)
from voicebot.transports.quiet import QuietWatch

logger = logging.getLogger(__name__)

MAX_QUEUED_FRAMES = 2
"""Frames that may wait in FastRTC's queue, which has no bound of its own: the cursor is at most that far ahead."""

STATE_INTERVAL_S = 0.05
"""The state goes to the client at most this often; the last one always does."""

TELEMETRY_INTERVAL_S = 1.0

MAX_BUFFERED_BYTES = 1_000_000
"""A client that does not read its data channel gets no more states until it does."""

EMIT_S = 30.0
"""FastRTC wants something at least every 60 s, and complains otherwise."""


class VoiceTrack(AudioCallback):
    """The bot's sound as its client is sent it, and FastRTC's way of handing the client's sound to a `VoiceHandler`."""

    async def recv(self) -> AudioFrame:
        """The next frame, as soon as `VoiceHandler` has played it.

        FastRTC would pace frames once more, by the time of day: a clock that is set back would silence the bot.
        """
        if self.readyState != "live":
            raise MediaStreamError
        frame: AudioFrame = await self.queue.get()
        self.event_handler.sent(frame)
        return frame


class VoiceHandler(AsyncStreamHandler):
    """One connection; made anew for each by `copy`.

    `view` makes the message that shows a state; `leave` asks the handler's owner to close the connection, and why;
    `meter` makes what is told of the session of this name; `options` are what its user may choose; `turns` counts its
    answers. The copy carries on `conversation`.
    """

    def __init__(
        self,
        engines: Engines,
        settings: Settings,
        view: Callable[[State], dict[str, Any]],
        leave: Callable[[VoiceHandler, Ending], None],
        meter: Callable[[str], Observer],
        options: Options,
        recordings: Recordings,
        turns: DailyTurns,
        conversation: Conversation | None = None,
    ) -> None:
        super().__init__("mono", output_sample_rate=WIRE_RATE_HZ, input_sample_rate=WIRE_RATE_HZ)
        self._engines, self._settings, self._view, self._leave, self._meter = engines, settings, view, leave, meter
        self._options, self._choices, self._turns = options, settings.choices, turns
        self.conversation = conversation or Conversation()
        self.conversation.taken = partial(leave, self, TAKEN_OVER)
        self.session = secrets.token_hex(8)
        self._recordings, self._recorder = recordings, recordings.new(self.conversation.history)
        self._orchestrator = Orchestrator(
            engines,
            settings,
            Observers(recorder=self._recorder, meter=meter(self.session), conversation=self.conversation),
            lambda end: leave(self, Ending.by_the_bot(end)),
            turns=turns,
            history=self.conversation.history,
            dropped=self._sentence_dropped,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._leaving: deque[tuple[int, Samples]] = deque(maxlen=2 * MAX_QUEUED_FRAMES)
        """Frames that FastRTC was given and has not sent."""
        self._shown: State | None = None
        """The last state that the client was sent."""
        self._sent_s = self._telemetry_s = 0.0
        self._heard_s = time.monotonic()
        self._quiet = QuietWatch()
        self._untold_s: float | None = None
        """Since when nothing could be told to the client; None: the last message left."""
        self.max_message_bytes = limits.LEAST_MESSAGE_BYTES
        """The longest message that the client takes."""
        self._resamplers: dict[tuple[int, str, str], AudioResampler] = {}
        self._rate, self._texts = MessageRate(settings.messages_per_s), text_rate()
        self.ticket: Ticket | None = None
        """Set by whoever gave it its place."""
        self._closed = asyncio.Event()
        self._begun = False
        self._faults = Faults()

    def copy(self) -> VoiceHandler:
        return VoiceHandler(
            *(self._engines, self._settings, self._view, self._leave, self._meter, self._options, self._recordings),
            *(self._turns, self.conversation),
        )

    @property
    def state(self) -> State:
        return self._orchestrator.state

    @property
    def underruns(self) -> int:
        return self._orchestrator.player.underruns

    async def start_up(self) -> None:
        if not self._closed.is_set() and not self._begun:
            self._begun = True
            with self._faults.contained("beginning a recording"):
                self._recorder.begin()
            self._run("session", self._orchestrator.run())
            self._run("playout", self._play())

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._task_ended)
        self._tasks.append(task)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            logger.error("%s failed", task.get_name(), exc_info=failure)
            self._leave(self, FAULT)

    def shutdown(self) -> None:
        """Stop everything of this connection; may come twice, or before `start_up`. Never raises."""
        self._closed.set()
        for task in self._tasks:
            task.cancel()
        with self._faults.contained("ending a conversation"):
            self.conversation.end()
        with self._faults.contained("ending a recording"):
            self._recorder.end()
        with self._faults.contained("ending the bot's sound"):
            if self._callback is not None:
                self._callback.stop()

    @property
    def _callback(self) -> AudioCallback | None:
        """FastRTC's end of this handler, which holds the queue of frames to be sent."""
        return getattr(self._clear_queue, "__self__", None)

    @property
    def frames_waiting(self) -> int:
        """Frames that were given to FastRTC and not yet taken by the wire."""
        return 0 if self._callback is None else self._callback.queue.qsize()

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
        self._heard_s = time.monotonic()
        audio = Audio(np.asarray(samples, np.int16).reshape(-1), rate_hz)
        with self._faults.contained("recording"):
            self._recorder.heard(audio)
        with self._faults.contained("hearing"):
            self._orchestrator.ears.hear(audio)
        await asyncio.sleep(0)  # after a bad moment of the network some seconds of sound wait here: others come between

    async def emit(self) -> None:
        """FastRTC asks here for sound, but `_play` gives it: this waits, and shows now and then that it is alive."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EMIT_S):  # Python 3.11's `wait_for` can lose a cancellation
                await self._closed.wait()
        await asyncio.sleep(FRAME_S)

    async def _play(self) -> None:
        """A frame each 20 ms into FastRTC's queue, past its conversions, which cost CPU and 3 dB."""
        assert self._callback is not None, "the session is started by its callback"
        clock, position = FrameClock(), 0
        self._heard_s = time.monotonic()
        while True:
            await clock.tick()
            with self._faults.contained("checking limits"):
                self._check_limits()
            with self._faults.contained("housekeeping"):
                self._keep_house()
            if self.frames_waiting >= MAX_QUEUED_FRAMES:
                continue
            frame = self._next_frame()
            self._leaving.append((position, frame))
            self._callback.queue.put_nowait(_wire_frame(frame, position))
            position += FRAME_SAMPLES

    def sent(self, frame: AudioFrame) -> None:
        """A frame leaves for the client now: the recorder is told of it, and of those that were left out before it."""
        with self._faults.contained("recording the bot"):
            while self._leaving and frame.pts is not None and self._leaving[0][0] <= frame.pts:
                position, samples = self._leaving.popleft()
                self._recorder.played(samples, position - frame.pts)

    def _next_frame(self) -> Samples:
        frame = Audio.silence(FRAME_S, WIRE_RATE_HZ).samples
        with self._faults.contained("playout"):
            frame = self._orchestrator.next_frame()
        return frame

    def _check_limits(self) -> None:
        """End a session that has lasted long enough, that hears nothing from its client or can't tell it anything."""
        now_s = time.monotonic()
        if now_s - self._heard_s > self._settings.media_timeout_s:
            reason = "No sound has come from you for a while: the connection seems to be lost."
            self._leave(self, Ending(Cause.MEDIA, reason))
        elif self.ticket is not None and (over := self.ticket.over()) is not None:
            self._leave(self, over)
        elif self._untold_s is not None and now_s - self._untold_s > limits.UNTOLD_S:
            self._leave(self, Ending(Cause.SLOW, "Your side does not read what it is sent."))

    def _keep_house(self) -> None:
        """What is to be done now and then: the playout clock is the one clock."""
        now_s = time.monotonic()
        if self._quiet.is_quiet(now_s, self._heard_s) and self._orchestrator.ears.hears_speech:
            self._orchestrator.ears.hear(Audio.silence(FRAME_S, WIRE_RATE_HZ))
        if self.state is not self._shown and now_s - self._sent_s >= STATE_INTERVAL_S:
            state, self._sent_s = self.state, now_s
            if self._send(self._view(state)):
                self._shown = state
        if now_s - self._telemetry_s >= TELEMETRY_INTERVAL_S:
            self._telemetry_s = now_s
            self._send(messages.telemetry(self._orchestrator.ears.bytes_transcribed))

    # Messages -----------------------------------------------------------------------------------------------------

    def set_channel(self, channel: RTCDataChannel) -> None:
        """The client has connected: greet it, and begin."""
        super().set_channel(channel)
        channel.on("message", self._message_came)
        left_s = None if self.ticket is None else self.ticket.left_s
        self._send(
            messages.hello(
                self.session,
                self._engines.names,
                self.conversation.id,
                self._recorder.name,
                self._options.view(),
                left_s,
            )
        )
        if self.conversation.notice is not None:
            self._send(messages.error(self.conversation.notice))
        if (callback := self._callback) is not None:
            # Not left to the sender of sound, which a client can keep from ever asking for any
            self._run("start", callback.start())

    def refuse(self, channel: RTCDataChannel, refused: RefusedError) -> None:
        """Tell the client, which has connected, that its session does not begin."""
        self._send_over(channel, messages.closed(refused.reason, str(refused)))

    def _sentence_dropped(self, text: str) -> None:
        self._send(messages.dropped(text))

    def _send(self, message: dict[str, Any]) -> bool:
        """Whether the message could leave. Never raises: nothing else depends on what can be told."""
        sent = self.channel is not None and self._send_over(self.channel, message)
        if sent:
            self._untold_s = None
        elif self._untold_s is None:
            self._untold_s = time.monotonic()
        return sent

    def _send_over(self, channel: RTCDataChannel, message: dict[str, Any]) -> bool:
        with self._faults.contained("sending"):
            if channel.readyState != "open" or channel.bufferedAmount > MAX_BUFFERED_BYTES:
                return False
            text = messages.encoded(message, self.max_message_bytes)
            if text is not None:
                channel.send(text)
                return True
            logger.warning("a message of the type %s is too long for the client", message["type"])
        return False

    def say_goodbye(self, ending: Ending) -> None:
        """Send the state as it is at the end, which may be newer than the last one sent, and then why it is over."""
        with self._faults.contained("the last state"):
            self._send(self._view(self._orchestrator.state))
        self._send(messages.closed(ending.cause, ending.reason))

    def _message_came(self, raw: str | bytes) -> None:
        with self._faults.contained("reading a message"):
            self._read(raw)

    def _read(self, raw: str | bytes) -> None:
        try:
            if (refusal := self._rate.refusal()) is not None:
                self._send(messages.error(refusal))
                return
            message = messages.parse(raw, self._settings.max_text_chars)
        except FloodError as flood:
            self._leave(self, Ending(Cause.FLOOD, str(flood)))
            return
        except MessageError as error:
            self._send(messages.error(str(error)))
            return
        match message:
            case TextMessage(text=text) if self._texts.take():
                self._orchestrator.post(TextTyped(text))
            case TextMessage():
                self._send(messages.error(TOO_MANY_TEXTS))
            case InterruptMessage():
                self._orchestrator.post(InterruptPressed())
            case ClearMessage():
                self._orchestrator.post(ConversationCleared())
            case DisputeMessage(ruling=number, disputed=disputed):
                self._orchestrator.post(RulingDisputed(number, disputed))
            case ConfigureMessage():
                self._configure(message)
            case ByeMessage():
                self._leave(self, HUNG_UP)
            case _:
                assert_never(message)

    def _configure(self, wanted: Configuration) -> None:
        try:
            self._choices = wanted.chosen(self._options, self._choices)
        except ChoiceError as error:
            self._send(messages.error(str(error)))
        else:
            self._orchestrator.post(ChoicesMade(self._choices))


def _wire_frame(samples: Samples, position: int) -> AudioFrame:
    """20 ms for aiortc: `position` counts the samples of the stream."""
    frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = WIRE_RATE_HZ
    frame.pts = position
    frame.time_base = Fraction(1, WIRE_RATE_HZ)
    return frame
