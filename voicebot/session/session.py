"""A session: one conversation with one user, whatever the transport."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol, assert_never

from voicebot.access.admission import Ticket
from voicebot.access.ending import FAULT, HUNG_UP, TAKEN_OVER, Cause, Ending
from voicebot.access.rates import TOO_MANY_TEXTS, FloodError, MessageRate, text_rate
from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, WIRE_RATE_HZ, Audio, Samples
from voicebot.dialogue.events import (
    ConversationCleared,
    InterruptPressed,
    PreferencesChanged,
    TextTyped,
    VerdictDisputed,
)
from voicebot.dialogue.facts import ConversationEnded, SentenceDropped
from voicebot.dialogue.observer import Observer, SessionStep
from voicebot.dialogue.state import State
from voicebot.runtime.faults import Faults
from voicebot.session.available_preferences import PreferenceError
from voicebot.session.messages import (
    ByeMessage,
    ClearMessage,
    ClientRequest,
    ConfigureMessage,
    ConnectedMessage,
    DisputeMessage,
    ErrorMessage,
    InterruptMessage,
    MessageError,
    ServerMessage,
    TelemetryMessage,
    TextMessage,
    TtsDroppedMessage,
)
from voicebot.session.observers import Observers
from voicebot.session.orchestrator import Orchestrator
from voicebot.session.player import FrameClock, Player
from voicebot.session.quiet import QuietWatch
from voicebot.session.services import AppServices
from voicebot.session.speech_input import SpeechInput
from voicebot.storage.conversation import Conversation

logger = logging.getLogger(__name__)

TELEMETRY_INTERVAL_S = 1.0

ENDING_S = 3.0
"""How long the tasks of a session that ends may take to stop."""

FAULTS_IN_A_ROW = 50
"""A second of frames that the bot could not hear, or play, each through a fault of its own: then the session ends, as
the client's next one may fare better."""

GONE = Ending(Cause.GONE, "The connection has ended.")


class ClientConnection(Protocol):
    """What a session asks of its transport. Only `cut` may wait, and `send` never raises."""

    def send(self, message: ServerMessage) -> None:
        """Send it as soon as the client can take it. For a client that does not read, the session ends."""
        ...

    def tick(self) -> None:
        """Another 20 ms have gone by: play the next frame, and look after the client."""
        ...

    async def cut(self) -> None:
        """The paused reply is cancelled. Returns when the client is silent and the player knows what was heard."""
        ...


class Session(Observer):
    """Carries on `conversation` with the client of a `connection`, from `run` until one side leaves. `door` names the
    transport in metrics and traces: `webrtc` or `ws`.

    A fault of its recorder, of its meters or of what it keeps never ends it: each place of a fault is logged once.
    """

    def __init__(
        self,
        transport: str,
        services: AppServices,
        ticket: Ticket,
        conversation: Conversation,
        connection: ClientConnection,
    ) -> None:
        self.transport, self.ticket, self.conversation = transport, ticket, conversation
        self.id = secrets.token_hex(8)
        self._services, self._settings, self._connection = services, services.settings, connection
        self._preferences = services.settings.preferences
        self._messages, self._texts = MessageRate(services.settings.messages_per_s), text_rate()
        self._recorder = services.recordings.new(conversation.history)
        self._faults = Faults()
        self._observers = Observers(
            recorder=self._recorder,
            meter=services.telemetry.meter(transport, self.id),
            session=self,
            conversation=conversation,
        )
        self._orchestrator = Orchestrator(
            services.engines,
            services.settings,
            self._observers,
            turns=services.turns,
            history=conversation.history,
            remote_player=connection,
        )
        self.heard_s: float | None = None
        """When live sound came last, by the monotonic clock; None if none has come."""
        self._telemetry_s = time.monotonic()
        self._underruns = 0
        """How many underruns the observers have been told of."""
        self._quiet = QuietWatch()
        self._rate_hz = WIRE_RATE_HZ
        """The sampling rate of the live sound that came last."""
        self._unheard = self._unplayed = 0
        """How many frames in a row could not be heard, or played."""
        self.ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        """Why the session ends, once that is known."""
        self.over = asyncio.Event()
        """Nothing of the session goes on any more."""
        conversation.participant = self

    @property
    def state(self) -> State:
        return self._orchestrator.state

    @property
    def player(self) -> Player:
        return self._orchestrator.player

    @property
    def speech_input(self) -> SpeechInput:
        return self._orchestrator.speech_input

    @property
    def underruns(self) -> int:
        return self._orchestrator.player.underruns

    @property
    def conversation_id(self) -> str | None:
        """The conversation that it is in; None if that is not kept."""
        return self.conversation.id

    @property
    def leaving(self) -> bool:
        return self.ending.done()

    def leave(self, ending: Ending) -> None:
        """End the session. A newer one that has taken the conversation over has its place at once."""
        if not self.ending.done():
            self.ending.set_result(ending)
            if ending.cause is Cause.ELSEWHERE:
                self.ticket.leave()

    def conversation_taken_over(self) -> None:
        """Another session of this process goes on with the conversation: this one ends."""
        self.leave(TAKEN_OVER)

    def watch(self, name: str, observer: Observer) -> None:
        """Tell this observer, too. To be called before `run`."""
        self._observers.add(name, observer)

    async def run(self, work: Mapping[str, Coroutine[Any, Any, None]] | None = None) -> Ending:
        """Carry on until one side leaves, or until one of the transport's own tasks, `work` by their names, ends.

        Returns why the session has ended. Its place is free then, and its tasks have stopped, but for those that do not
        stop within `ENDING_S`.
        """
        named = {"session": self._orchestrator.run(), "playout": self._keep_time(), **(work or {})}
        tasks = [asyncio.create_task(each, name=name) for name, each in named.items()]
        for task in tasks:
            task.add_done_callback(self._task_ended)
        self._services.sessions.add(self)
        try:
            self._greet()
            return await self.ending
        finally:
            try:
                for task in tasks:
                    task.cancel()
                _, stuck = await asyncio.wait(tasks, timeout=ENDING_S)
                for task in stuck:
                    logger.error("%s does not stop; the session ends without it", task.get_name())
            finally:
                with self._faults.contained("ending a recording"):
                    self._recorder.end()
                with self._faults.contained("ending a conversation"):
                    self.conversation.end()
                self._services.sessions.remove(self)
                self.ticket.leave()
                self.over.set()

    def _greet(self) -> None:
        with self._faults.contained("beginning a recording"):
            self._recorder.begin()
        self._connection.send(
            ConnectedMessage(
                session_id=self.id,
                conversation=self.conversation.id,
                recording=self._recorder.name,
                engines=self._services.engines.names,
                options=self._services.available_preferences.view(),
                ends_in_s=round(self.ticket.left_s),
            )
        )
        if self.conversation.notice is not None:
            self._connection.send(ErrorMessage(message=self.conversation.notice))

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        if (failure := task.exception()) is None:
            self.leave(GONE)
        else:
            logger.error("%s failed", task.get_name(), exc_info=failure)
            self.leave(FAULT)

    def stepped(self, step: SessionStep) -> None:
        for fact in step.facts:
            match fact:
                case SentenceDropped(text=text):
                    self._connection.send(TtsDroppedMessage(text=text))
                case ConversationEnded():
                    self.leave(Ending.by_the_bot(fact))
                case _:
                    pass

    # Sound --------------------------------------------------------------------------------------------------------

    def sound_comes(self) -> None:
        """Live sound comes, and will be heard soon: the microphone is not quiet."""
        self.heard_s = time.monotonic()

    def receive_audio(self, audio: Audio) -> None:
        """Live sound from the user's microphone."""
        self.heard_s, self._rate_hz = time.monotonic(), audio.rate_hz
        self.record(audio)
        self._unheard += 1
        with self._faults.contained("hearing"):
            self.speech_input.receive_audio(audio)
            self._unheard = 0
        if self._unheard >= FAULTS_IN_A_ROW:
            self.leave(FAULT)

    def record(self, audio: Audio) -> None:
        """Sound has come from the user."""
        with self._faults.contained("recording"):
            self._recorder.heard(audio)

    def next_frame(self, most: int = FRAME_SAMPLES) -> Samples:
        """The next 20 ms for the client: 48 kHz, int16 of shape (960,), with `most` samples of sound."""
        frame = Audio.silence(FRAME_S, WIRE_RATE_HZ).samples
        self._unplayed += 1
        with self._faults.contained("playout"):
            frame = self.player.next_frame(most)
            self.speech_input.note_playback(frame)
            self._unplayed = 0
        if self._unplayed >= FAULTS_IN_A_ROW:
            self.leave(FAULT)
        if self.underruns > self._underruns:
            self._observers.underran(self.underruns - self._underruns)
            self._underruns = self.underruns
        return frame

    def sent(self, frame: Samples, ahead: int = 0) -> None:
        """A frame goes out to the client, `ahead` samples from now."""
        with self._faults.contained("recording the bot"):
            self._recorder.played(frame, ahead)

    async def _keep_time(self) -> None:
        """The playout clock, which also looks after what is to be done now and then."""
        clock = FrameClock()
        while True:
            await clock.tick()
            with self._faults.contained("housekeeping"):
                self._keep_house()
            self._connection.tick()

    def _keep_house(self) -> None:
        now_s = time.monotonic()
        silent = self.heard_s is not None and self._quiet.is_quiet(now_s, self.heard_s)
        if silent and self.speech_input.hears_speech:
            self.speech_input.receive_audio(Audio.silence(FRAME_S, self._rate_hz))
        if now_s - self._telemetry_s >= TELEMETRY_INTERVAL_S:
            self._telemetry_s = now_s
            self._connection.send(TelemetryMessage(stt_bytes=self.speech_input.bytes_transcribed))
        if (over := self.ticket.over()) is not None:
            self.leave(over)

    # Messages -----------------------------------------------------------------------------------------------------

    def count_message(self) -> None:
        """A message has come. Raises MessageError if it is one too many. The session ends if there are far too many."""
        try:
            refusal = self._messages.refusal()
        except FloodError as flood:
            self.leave(Ending(Cause.FLOOD, str(flood)))
            raise MessageError(str(flood)) from None
        if refusal is not None:
            raise MessageError(refusal)

    def take(self, request: ClientRequest) -> None:
        """Do what the client asks for. Raises MessageError."""
        match request:
            case TextMessage(text=text):
                if len(text) > self._settings.max_text_chars:
                    raise MessageError(f"text: {len(text)} characters; {self._settings.max_text_chars} are allowed")
                if not self._texts.take():
                    raise MessageError(TOO_MANY_TEXTS)
                self._orchestrator.mailbox.post(TextTyped(text))
            case InterruptMessage():
                self._orchestrator.mailbox.post(InterruptPressed())
            case ClearMessage():
                self._orchestrator.mailbox.post(ConversationCleared())
            case DisputeMessage(ruling=number, disputed=disputed):
                self._orchestrator.mailbox.post(VerdictDisputed(number, disputed))
            case ConfigureMessage():
                try:
                    self._preferences = self._services.available_preferences.chosen(request.changes, self._preferences)
                except PreferenceError as error:
                    raise MessageError(str(error)) from None
                self._orchestrator.mailbox.post(PreferencesChanged(self._preferences))
            case ByeMessage():
                self.leave(HUNG_UP)
            case _:
                assert_never(request)
