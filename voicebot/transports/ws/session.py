"""One conversation over a WebSocket."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, assert_never

from starlette.websockets import WebSocket, WebSocketDisconnect

from voicebot import limits
from voicebot.config import Settings
from voicebot.core.audio import FRAME_S, Audio, Samples
from voicebot.core.events import ChoicesMade, ConversationCleared, InterruptPressed, TextTyped
from voicebot.core.state import State
from voicebot.doors.admission import Ticket
from voicebot.doors.ending import FAULT, HUNG_UP, TAKEN_OVER, Cause, Ending
from voicebot.doors.rates import TOO_MANY_TEXTS, FloodError, MessageRate, text_rate
from voicebot.doors.refusal import Reason
from voicebot.doors.turns import DailyTurns
from voicebot.engines.base import Engines
from voicebot.faults import Faults
from voicebot.observer import Observer, Observers
from voicebot.options import ChoiceError, Options
from voicebot.orchestrator import Orchestrator
from voicebot.player import FrameClock
from voicebot.recording.recorder import Recordings
from voicebot.store.conversation import Conversation
from voicebot.transports.quiet import QuietWatch
from voicebot.transports.recording_decoder import Decoded, RecordingDecoder
from voicebot.transports.ws.budget import SoundBudget
from voicebot.transports.ws.inbox import Inbox, LargeMessage
from voicebot.transports.ws.narrator import Narrator
from voicebot.transports.ws.playout import Playout
from voicebot.transports.ws.protocol import (
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

logger = logging.getLogger(__name__)

LARGE_TEXT = "voicebot.large_text"
"""Our server's key in a received ASGI message for text that is longer than WS_TEXT_BYTES, as bytes."""

MIN_SIZE = 100
"""Bytes of memory that any message in the inbox takes."""

SHORTEST_S = 0.2
"""Of a recording: less holds no word."""

TELEMETRY_INTERVAL_S = 1.0

GONE = Ending(Cause.GONE, "The connection has ended.")
SLOW = Ending(Cause.SLOW, "You read too slowly.")

GOODBYE_S = 1.0
"""A client may take so long to be told why its session ends."""


class Session:
    """Messages in, messages out, with an orchestrator between them. `meter` makes what is told of it, by its name;
    `turns` counts its answers.

    What a client sends is read at once, but sound and what must keep its place between sound waits in an inbox, as the
    session works on no more sound than can have been spoken.
    """

    def __init__(
        self,
        socket: WebSocket,
        engines: Engines,
        settings: Settings,
        ticket: Ticket,
        meter: Callable[[str], Observer],
        conversation: Conversation,
        options: Options,
        recordings: Recordings,
        decoder: RecordingDecoder,
        *,
        rate_hz: int,
        can_pause: bool,
        turns: DailyTurns | None = None,
    ) -> None:
        self._socket, self._settings, self._rate_hz = socket, settings, rate_hz
        self._options, self._choices = options, settings.choices
        self.ticket, self._rate, self._texts = ticket, MessageRate(settings.messages_per_s), text_rate()
        self._decoder, self._inbox = decoder, Inbox()
        self._live_budget = SoundBudget(limits.LIVE_BURST_S, limits.LIVE_PACE)
        self._upload_budget = SoundBudget(limits.UPLOAD_BURST_S)
        self._name = secrets.token_hex(8)
        self._unsent: asyncio.Queue[ServerMessage] = asyncio.Queue(limits.WS_UNSENT)
        self._conversation = conversation
        conversation.taken = partial(self.leave, TAKEN_OVER)
        self._recorder = recordings.new(conversation.history)
        self._faults = Faults()
        self._narrator = Narrator(self._send)
        observers = Observers(
            recorder=self._recorder, meter=meter(self._name), narrator=self._narrator, conversation=conversation
        )
        self._orchestrator = Orchestrator(
            engines,
            settings,
            observers,
            lambda end: self.leave(Ending.by_the_bot(end)),
            turns=turns,
            history=conversation.history,
            dropped=lambda text: self._send(TtsDropped(text=text)),
            streamed=self._narrator.stream,
            cut=lambda: self._playout.cut(),
        )
        self._playout = Playout(self._orchestrator.player, self._send, self._stalled, can_pause=can_pause)
        observers.add("playout", self._playout)
        self._heard_s: float | None = None
        """When live sound came last; None: none has come."""
        self._uploads = self._decodes = self._held_back = False
        self.ended = asyncio.Event()
        """Nothing of it goes on any more: whoever runs it sets this."""
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    @property
    def state(self) -> State:
        return self._orchestrator.state

    @property
    def underruns(self) -> int:
        return self._orchestrator.player.underruns

    @property
    def conversation_id(self) -> str | None:
        """The conversation that it is in; None if that is not kept."""
        return self._conversation.id

    def leave(self, ending: Ending) -> None:
        """End the session, telling the client why. A newer one that has taken the conversation over has its place."""
        if not self._ending.done():
            self._ending.set_result(ending)
            if ending.cause is Cause.ELSEWHERE:
                self.ticket.leave()

    @property
    def leaving(self) -> bool:
        return self._ending.done()

    async def run(self) -> None:
        """Until one side leaves. All tasks of the session end with it."""
        with self._faults.contained("recording"):
            self._recorder.begin()
        self._send(Connected(session_id=self._name, conversation=self._conversation.id, recording=self._recorder.name))
        if self._conversation.notice is not None:
            self._send(Error(message=self._conversation.notice))
        work = {
            "session": self._orchestrator.run(),
            "receiving": self._receive(),
            "inbox": self._work_off(),
            "sending": self._transmit(),
            "playout": self._tick(),
            "clips": self._playout.run(),
        }
        tasks = [asyncio.create_task(each, name=name) for name, each in work.items()]
        for task in tasks:
            task.add_done_callback(self._task_ended)
        try:
            ending = await self._ending
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with self._faults.contained("recording"):
                self._recorder.end()
            if self._decodes:
                self._decoder.leave()
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
        return left if len(left) < limits.WS_UNSENT else []

    async def _transmit(self) -> None:
        while True:
            message = await self._unsent.get()
            try:
                async with asyncio.timeout(self._settings.media_timeout_s):
                    await self._socket.send_text(message.model_dump_json())
            except TimeoutError:
                self.leave(SLOW)
                return

    def _stalled(self) -> None:
        self._send(Error(message="no clip was acknowledged for a while: the reply is given up"))
        self._orchestrator.post(InterruptPressed())

    async def _tick(self) -> None:
        """The playout clock, which also looks after what is to be done now and then."""
        clock, quiet, told_s = FrameClock(), QuietWatch(), time.monotonic()
        while True:
            await clock.tick()
            self._playout.tick(self._advance)
            now_s = time.monotonic()
            silent = self._heard_s is not None and quiet.is_quiet(now_s, self._heard_s)
            if silent and self._orchestrator.ears.hears_speech:
                self._orchestrator.ears.hear(Audio.silence(FRAME_S, self._rate_hz))
            if now_s - told_s >= TELEMETRY_INTERVAL_S:
                told_s = now_s
                self._send(Telemetry(stt_bytes=self._orchestrator.ears.bytes_transcribed))
                if (over := self.ticket.over()) is not None:
                    self.leave(over)

    def _advance(self, most: int) -> Samples:
        """The client is taken to have played so many samples."""
        frame = self._orchestrator.next_frame(most)
        with self._faults.contained("recording"):
            self._recorder.played(frame)
        return frame

    # In -----------------------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        """Reads messages. Most wait in the inbox for their turn, behind the sound that came before them."""
        while True:
            frame = await self._socket.receive()
            if frame["type"] == "websocket.disconnect":
                return
            try:
                try:
                    await self._read(frame)
                except MessageError as error:
                    await self._inbox.put(error, MIN_SIZE)
            except FloodError as flood:
                self.leave(Ending(Cause.FLOOD, str(flood)))
                return

    async def _read(self, frame: Mapping[str, Any]) -> None:
        """Raises MessageError and FloodError."""
        if (pcm := frame.get("bytes")) is not None:
            if self._heard_s is not None:
                self._heard_s = time.monotonic()
            await self._inbox.put(pcm, len(pcm) + MIN_SIZE)
            return
        if (refusal := self._rate.refusal()) is not None:
            raise MessageError(refusal)
        large: bytes | None = frame.get(LARGE_TEXT)
        text: str = frame.get("text") or ""
        if large is None and len(text) > limits.WS_TEXT_BYTES:  # from a server that is not ours
            large = text.encode()
        if large is not None:
            await self._inbox.put(LargeMessage(large), len(large))
            return
        match client_message(text):
            case Bye():
                self.leave(HUNG_UP)
            case Interrupt() if self._held_back:
                self._orchestrator.post(InterruptPressed())
            case ClientPlaybackStarted():
                self._playout.started()
            case ClientPlaybackComplete():
                self._playout.complete()
            case ClipPlayed(sequence=sequence, played_ms=played_ms):
                self._playout.acknowledge(sequence, played_ms)
            case message:
                await self._inbox.put(message, len(text) + MIN_SIZE)

    async def _work_off(self) -> None:
        """Does what waits in the inbox, in order, and no faster than the budgets allow."""
        while True:
            async with self._inbox.next() as item:
                try:
                    match item:
                        case bytes():
                            await self._hear(item)
                        case LargeMessage(data):
                            await self._upload(data, in_message=True)
                        case MessageError():
                            raise item
                        case _:
                            await self._take(item)
                except MessageError as error:
                    if error.type == "speech_end" and self._uploads:
                        self._orchestrator.ears.upload(None)
                    self._send(Error(message=str(error)))

    async def _keep_to(self, budget: SoundBudget) -> None:
        """Waits until there is something left of it. An interruption and what a client tells of its playback may come
        meanwhile."""
        if (wait_s := budget.wait_s) > 0:
            self._held_back = True
            try:
                await asyncio.sleep(wait_s)
            finally:
                self._held_back = False

    async def _hear(self, pcm: bytes) -> None:
        """Live sound, piece by piece, so that other sessions get their turn in between. Raises MessageError."""
        await self._keep_to(self._live_budget)
        problem = self._problem_with(pcm)
        audio = Audio.from_bytes(b"" if problem else pcm, self._rate_hz)
        self._live_budget.spend(max(0.0, limits.LIVE_FRAME_S - audio.duration_s))
        if problem is not None:
            raise MessageError(f"binary: {problem}")
        size = round(limits.LIVE_PIECE_S * self._rate_hz)
        for start in range(0, len(audio.samples), size):
            await self._keep_to(self._live_budget)
            piece = Audio(audio.samples[start : start + size], self._rate_hz)
            self._live_budget.spend(piece.duration_s)
            self._heard_s = time.monotonic()
            with self._faults.contained("recording"):
                self._recorder.heard(piece)
            self._orchestrator.ears.hear(piece)
            await asyncio.sleep(0)

    def _problem_with(self, pcm: bytes) -> str | None:
        if self._uploads:
            return "this session uploads its utterances (speech_end); it can't send live sound too"
        if len(pcm) > limits.WS_TEXT_BYTES:
            return f"the frame has {len(pcm)} bytes; {limits.WS_TEXT_BYTES} are allowed"
        if len(pcm) % 2:
            return f"16-bit samples need an even number of bytes, not {len(pcm)}"
        return None

    async def _take(self, message: ClientMessage) -> None:
        """Raises MessageError."""
        match message:
            case Interrupt():
                self._orchestrator.post(InterruptPressed())
            case SpeechStart():
                self._must_upload(message.type)
                self._orchestrator.ears.speech_began()
            case SpeechEnd(audio=encoded):
                await self._upload(encoded.encode(), in_message=False)
            case Text(text=text):
                if len(text) > self._settings.max_text_chars:
                    raise MessageError(f"text: {len(text)} characters; {self._settings.max_text_chars} are allowed")
                if not self._texts.take():
                    raise MessageError(TOO_MANY_TEXTS)
                self._orchestrator.post(TextTyped(text))
            case Clear():
                self._orchestrator.post(ConversationCleared())
            case Configure():
                try:
                    self._choices = message.chosen(self._options, self._choices)
                except ChoiceError as error:
                    raise MessageError(str(error)) from None
                self._orchestrator.post(ChoicesMade(self._choices))
            case ClientPlaybackStarted() | ClientPlaybackComplete() | ClipPlayed() | Bye():
                raise AssertionError("these are not kept waiting")
            case _:
                assert_never(message)

    def _must_upload(self, what: str) -> None:
        if self._heard_s is not None:
            raise MessageError(f"{what}: this session sends live sound, in which the server hears speech by itself")
        self._uploads = True
        self._need_decoder()

    def _need_decoder(self) -> None:
        if not self._decodes:
            self._decodes = True
            self._decoder.enter()

    async def _upload(self, data: bytes, *, in_message: bool) -> None:
        """A recording in base64, or a long message that should have one in it.

        Whatever is wrong with the recording, the utterance ends. Raises MessageError.
        """
        if not in_message:
            self._must_upload("speech_end")
        elif self._heard_s is None:
            self._need_decoder()
        else:  # whatever it is: a recording would be refused, too
            raise MessageError(f"the message has {len(data)} bytes; {limits.WS_TEXT_BYTES} are allowed with live sound")
        await self._keep_to(self._upload_budget)
        await self._orchestrator.ears.wait_for_room()
        decode = self._decoder.decode_message if in_message else self._decoder.decode_base64
        decoded = Decoded()
        try:
            decoded = await decode(data)
        finally:
            self._spoken(decoded)
        if decoded.in_message:
            raise MessageError(decoded.error)
        if decoded.error:
            raise MessageError(f"speech_end: audio: {decoded.error}")

    def _spoken(self, decoded: Decoded) -> None:
        audio = decoded.audio
        length_s = 0.0 if audio is None else audio.duration_s
        self._upload_budget.spend(max(length_s, decoded.cost_s * limits.UPLOAD_COST_S))
        if audio is not None:
            with self._faults.contained("recording"):
                self._recorder.heard(audio)
        if not decoded.in_message or decoded.type == "speech_end":
            self._uploads = True
            self._orchestrator.ears.upload(audio if length_s >= SHORTEST_S else None)


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
