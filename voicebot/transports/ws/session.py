"""One conversation over a WebSocket."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import assert_never

from starlette.websockets import WebSocket, WebSocketDisconnect

from voicebot.config import Settings
from voicebot.core.audio import FRAME_S, Audio, Samples
from voicebot.core.events import ChoicesMade, ConversationCleared, InterruptPressed, TextTyped
from voicebot.core.state import State
from voicebot.doors.admission import Ticket
from voicebot.doors.ending import FAULT, HUNG_UP, TAKEN_OVER, Cause, Ending
from voicebot.doors.rates import FloodError, MessageRate
from voicebot.doors.refusal import Reason
from voicebot.doors.turns import DailyTurns
from voicebot.engines.base import Engines
from voicebot.engines.upload import RecordingError
from voicebot.options import ChoiceError, Options
from voicebot.orchestrator import Meter, Orchestrator
from voicebot.player import FrameClock
from voicebot.recording.recorder import Recordings
from voicebot.store.conversation import Conversation
from voicebot.transports.ws.narrator import Narrator
from voicebot.transports.ws.playout import Playout
from voicebot.transports.ws.protocol import (
    MAX_TEXT_BYTES,
    Bye,
    Clear,
    ClientMessage,
    ClientPlaybackComplete,
    ClientPlaybackStarted,
    ClipPlayed,
    Closed,
    Configure,
    Connected,
    Error,
    Interrupt,
    MessageError,
    ServerMessage,
    SpeechEnd,
    SpeechStart,
    Telemetry,
    Text,
    TtsDropped,
    client_message,
)
from voicebot.transports.ws.sound import decode

logger = logging.getLogger(__name__)

MAX_UNSENT = 2_000
"""Messages that wait for a client which does not read; then it is given up."""

SHORTEST_S = 0.2
"""Of a recording: less holds no word."""

QUIET_S = 0.3
"""So long without live sound, and the microphone counts as silent."""

TELEMETRY_INTERVAL_S = 1.0

GONE = Ending(Cause.GONE, "The connection has ended.")
SLOW = Ending(Cause.SLOW, "You read too slowly.")

GOODBYE_S = 1.0
"""A client may take so long to be told why its session ends."""


class Session:
    """Messages in, messages out, with an orchestrator between them. `meter` makes what is told of it, by its name;
    `turns` counts its answers."""

    def __init__(
        self,
        socket: WebSocket,
        engines: Engines,
        settings: Settings,
        ticket: Ticket,
        meter: Callable[[str], Meter],
        conversation: Conversation,
        options: Options,
        recordings: Recordings,
        *,
        rate_hz: int,
        can_pause: bool,
        turns: DailyTurns | None = None,
    ) -> None:
        self._socket, self._settings, self._rate_hz = socket, settings, rate_hz
        self._options, self._choices = options, settings.choices
        self._ticket, self._rate = ticket, MessageRate(settings.messages_per_s)
        self._name = secrets.token_hex(8)
        self._unsent: asyncio.Queue[ServerMessage] = asyncio.Queue(MAX_UNSENT)
        self._conversation = conversation
        conversation.taken = partial(self.leave, TAKEN_OVER)
        self._recorder = recordings.new(conversation.history)
        self._narrator = Narrator(self._send)
        self._orchestrator = Orchestrator(
            engines,
            settings,
            self._state_changed,
            lambda end: self.leave(Ending.by_the_bot(end)),
            turns=turns,
            history=conversation.history,
            witness=self._narrator.witness,
            journal=self._recorder.happened,
            meter=meter(self._name),
            dropped=lambda text: self._send(TtsDropped(text=text)),
            streamed=self._narrator.stream,
            cut=lambda: self._playout.cut(),
        )
        self._playout = Playout(self._orchestrator.player, self._send, self._stalled, can_pause=can_pause)
        self._heard_s: float | None = None
        """When live sound came last; None: none has come."""
        self._uploads = False
        self._ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    @property
    def state(self) -> State:
        return self._orchestrator.state

    def leave(self, ending: Ending) -> None:
        """End the session, telling the client why."""
        if not self._ended.done():
            self._ended.set_result(ending)

    async def run(self) -> None:
        """Until one side leaves. All tasks of the session end with it."""
        self._recorder.begin()
        self._send(Connected(session_id=self._name, conversation=self._conversation.id, recording=self._recorder.name))
        if self._conversation.notice is not None:
            self._send(Error(message=self._conversation.notice))
        work = {
            "session": self._orchestrator.run(),
            "receiving": self._receive(),
            "sending": self._transmit(),
            "playout": self._tick(),
            "clips": self._playout.run(),
        }
        tasks = [asyncio.create_task(each, name=name) for name, each in work.items()]
        for task in tasks:
            task.add_done_callback(self._task_ended)
        try:
            ending = await self._ended
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._recorder.end()
        await say_goodbye(self._socket, list(self._left_over()), ending.cause, ending.reason)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        failure = task.exception()
        if failure is None or isinstance(failure, WebSocketDisconnect):
            self.leave(GONE)
        else:
            logger.error("%s failed", task.get_name(), exc_info=failure)
            self.leave(FAULT)

    # Out ----------------------------------------------------------------------------------------------------------

    def _send(self, message: ServerMessage) -> None:
        try:
            self._unsent.put_nowait(message)
        except asyncio.QueueFull:
            self.leave(SLOW)

    def _left_over(self) -> list[ServerMessage]:
        left: list[ServerMessage] = []
        while not self._unsent.empty():
            left.append(self._unsent.get_nowait())
        return left if len(left) < MAX_UNSENT else []

    async def _transmit(self) -> None:
        while True:
            message = await self._unsent.get()
            try:
                async with asyncio.timeout(self._settings.media_timeout_s):
                    await self._socket.send_text(message.model_dump_json())
            except TimeoutError:
                self.leave(SLOW)
                return

    def _state_changed(self, state: State) -> None:
        self._narrator.tell(state)
        self._playout.follow()
        self._conversation.observe(state)

    def _stalled(self) -> None:
        self._send(Error(message="no clip was acknowledged for a while: the reply is given up"))
        self._orchestrator.post(InterruptPressed())

    async def _tick(self) -> None:
        """The playout clock, which also looks after what is to be done now and then."""
        clock, told_s = FrameClock(), time.monotonic()
        while True:
            await clock.tick()
            self._playout.tick(self._advance)
            now_s = time.monotonic()
            quiet = self._heard_s is not None and now_s - self._heard_s > QUIET_S
            if quiet and self._orchestrator.ears.hears_speech:
                self._orchestrator.ears.hear(Audio.silence(FRAME_S, self._rate_hz))
            if now_s - told_s >= TELEMETRY_INTERVAL_S:
                told_s = now_s
                self._send(Telemetry(stt_bytes=self._orchestrator.ears.bytes_transcribed))
                if (over := self._ticket.over()) is not None:
                    self.leave(over)

    def _advance(self, most: int) -> Samples:
        """The client is taken to have played so many samples."""
        frame = self._orchestrator.next_frame(most)
        self._recorder.played(frame)
        return frame

    # In -----------------------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        while True:
            frame = await self._socket.receive()
            if frame["type"] == "websocket.disconnect":
                return
            try:
                if frame.get("text") is not None:
                    if (refusal := self._rate.refusal()) is not None:
                        raise MessageError(refusal)
                    await self._take(await self._parsed(frame["text"]))
                else:
                    self._hear(frame["bytes"])
            except FloodError as flood:
                self.leave(Ending(Cause.FLOOD, str(flood)))
                return
            except (MessageError, RecordingError) as error:
                if isinstance(error, MessageError) and error.type == "speech_end" and self._uploads:
                    self._orchestrator.ears.upload(None)
                self._send(Error(message=str(error)))

    async def _parsed(self, raw: str) -> ClientMessage:
        """Recordings are large, and the other sessions must not wait for them. Raises MessageError."""
        return client_message(raw) if len(raw) <= MAX_TEXT_BYTES else await asyncio.to_thread(client_message, raw)

    def _hear(self, pcm: bytes) -> None:
        """Live sound. Raises MessageError."""
        if self._uploads:
            raise MessageError("binary: this session uploads its utterances (speech_end); it can't send live sound too")
        if len(pcm) > MAX_TEXT_BYTES:
            raise MessageError(f"binary: the frame has {len(pcm)} bytes; {MAX_TEXT_BYTES} are allowed")
        if len(pcm) % 2:
            raise MessageError(f"binary: 16-bit samples need an even number of bytes, not {len(pcm)}")
        self._heard_s = time.monotonic()
        audio = Audio.from_bytes(pcm, self._rate_hz)
        self._recorder.heard(audio)
        self._orchestrator.ears.hear(audio)

    async def _take(self, message: ClientMessage) -> None:
        match message:
            case SpeechStart():
                self._must_upload(message.type)
                self._orchestrator.ears.speech_began()
            case SpeechEnd(audio=encoded):
                self._must_upload(message.type)
                await self._upload(encoded)
            case ClientPlaybackStarted():
                self._playout.started()
            case ClientPlaybackComplete():
                self._playout.complete()
            case ClipPlayed(sequence=sequence, played_ms=played_ms):
                self._playout.acknowledge(sequence, played_ms)
            case Interrupt():
                self._orchestrator.post(InterruptPressed())
            case Text(text=text):
                if len(text) > self._settings.max_text_chars:
                    raise MessageError(f"text: {len(text)} characters; {self._settings.max_text_chars} are allowed")
                self._orchestrator.post(TextTyped(text))
            case Clear():
                self._orchestrator.post(ConversationCleared())
            case Configure():
                try:
                    self._choices = message.chosen(self._options, self._choices)
                except ChoiceError as error:
                    raise MessageError(str(error)) from None
                self._orchestrator.post(ChoicesMade(self._choices))
            case Bye():
                self.leave(HUNG_UP)
            case _:
                assert_never(message)

    def _must_upload(self, what: str) -> None:
        if self._heard_s is not None:
            raise MessageError(f"{what}: this session sends live sound, in which the server hears speech by itself")
        self._uploads = True

    async def _upload(self, encoded: str) -> None:
        """Whatever is wrong with the recording, the utterance ends. Raises RecordingError."""
        audio: Audio | None = None
        await self._orchestrator.ears.wait_for_room()
        try:
            audio = await asyncio.to_thread(decode, encoded, round(self._settings.ws_max_audio_mb * 1_000_000))
        except RecordingError as error:
            raise RecordingError(f"speech_end: audio: {error}") from error
        else:
            self._recorder.heard(audio)
        finally:
            self._orchestrator.ears.upload(audio if audio is not None and audio.duration_s >= SHORTEST_S else None)


async def say_goodbye(
    socket: WebSocket, messages: list[ServerMessage], why: Cause | Reason, reason: str, code: int = 1000
) -> None:
    """Send what is left and close. A client that has gone already, or does not read, is not waited for."""
    try:
        async with asyncio.timeout(GOODBYE_S):
            for message in (*messages, Closed(code=why, reason=reason)):
                await socket.send_text(message.model_dump_json())
            await socket.close(code)
    except (WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
        logger.debug("a client did not wait for its goodbye")
