"""A session: one conversation with one user, whatever the transport."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol, assert_never

import numpy as np

from voicebot.access.admission import SessionSlot
from voicebot.access.close_codes import FAULT, HUNG_UP, LAST_WORDS, TAKEN_OVER, CloseCode, SessionClosed
from voicebot.access.rates import TOO_MANY_TEXTS, FloodError, MessageRate, text_rate
from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, SILENT_FRAME, WIRE_RATE_HZ, Audio, Samples
from voicebot.dialogue.errors import ErrorCode
from voicebot.dialogue.events import (
    ConversationCleared,
    HandoverChanged,
    InterruptPressed,
    PreferencesChanged,
    SayRequested,
    TextTyped,
    ToolCallEnded,
    VerdictDisputed,
)
from voicebot.dialogue.facts import (
    ConversationEnded,
    ReplyFinished,
    SentenceDropped,
    ToolCallChanged,
    TurnLeftToPerson,
)
from voicebot.dialogue.history import Message, Role
from voicebot.dialogue.observer import Observer, SessionStep
from voicebot.dialogue.state import MAX_TEXTS_TO_SAY, State
from voicebot.engines.conversation import TooManyTextsError
from voicebot.runtime.faults import Faults
from voicebot.session.available_preferences import PreferenceError
from voicebot.session.conversation import conversation_key
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
    SessionMessage,
    TalkMessage,
    TelemetryMessage,
    TextMessage,
    ToolCallMessage,
    TtsDroppedMessage,
)
from voicebot.session.observers import Observers
from voicebot.session.orchestrator import Orchestrator
from voicebot.session.player import FrameClock, Player
from voicebot.session.quiet import QuietWatch
from voicebot.session.services import AppServices
from voicebot.session.speech_input import SpeechInput
from voicebot.storage.conversation import StoredConversation

logger = logging.getLogger(__name__)

TELEMETRY_INTERVAL_S = 1.0

ENDING_S = 3.0
"""How long the tasks of an ending session may take to stop."""

STORED_S = 0.5
"""How long an ended session waits until its last words are stored, before its client is told to connect again. A write
takes some milliseconds, if the database works."""

FAULTS_IN_A_ROW = 50
"""After a second of frames that could not be heard, or played, the session ends, so that the client connects again."""

GONE = SessionClosed(CloseCode.GONE, "The connection has ended.")


class ClientConnection(Protocol):
    """What a session asks of its transport. Only `cut` may wait, and `send` never raises."""

    def send(self, message: SessionMessage) -> None:
        """Sends a message as soon as the client can take it. If the client does not read, the session ends."""
        ...

    def tick(self) -> None:
        """Plays the next frame; called every 20 ms."""
        ...

    async def cut(self) -> None:
        """Cancels the paused reply. Returns when the client is silent and the player knows what was heard."""
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
        slot: SessionSlot,
        conversation: StoredConversation,
        connection: ClientConnection,
    ) -> None:
        self.transport, self.slot, self.conversation = transport, slot, conversation
        self.id = secrets.token_hex(8)
        self.conversation_key = conversation_key(conversation.id or secrets.token_hex())
        """Identifies the conversation for tools and graphs, without giving access to it."""
        self._services, self._settings, self._connection = services, services.settings, connection
        self._preferences = services.settings.preferences
        self._messages, self._texts = MessageRate(services.settings.tuning.messages_per_s), text_rate()
        self._recorder = services.recordings.new(conversation.history, conversation.calls)
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
            calls=conversation.calls,
            unfinished=conversation.unfinished,
            remote_player=connection,
            running_calls=services.running_calls,
            call_log=conversation,
            conversation_key=self.conversation_key,
            invitations=services.invitations,
        )
        self.heard_s: float | None = None
        """When live audio came last, by the monotonic clock; None if none has come."""
        self._telemetry_s = time.monotonic()
        self._texts_to_come = 0
        """How many texts that the bot shall say are in the mailbox."""
        self._underruns = 0
        """How many underruns the observers know of."""
        self._quiet = QuietWatch()
        self._rate_hz = WIRE_RATE_HZ
        """The sampling rate of the last live audio."""
        self._unheard = self._unplayed = 0
        """How many frames in a row could not be heard, or played."""
        self.closed: asyncio.Future[SessionClosed] = asyncio.get_running_loop().create_future()
        """Resolves with the reason when the session is to end."""
        self.over = asyncio.Event()
        """Set when all of the session has ended."""
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
        """The identifier of the conversation; None if it is not stored."""
        return self.conversation.id

    @property
    def leaving(self) -> bool:
        return self.closed.done()

    def leave(self, closed: SessionClosed) -> None:
        """Ends the session. If a newer session has taken the conversation over, that one gets its slot at once."""
        if not self.closed.done():
            self.closed.set_result(closed)
            if closed.code is CloseCode.ELSEWHERE:
                self.slot.release()

    def conversation_taken_over(self) -> None:
        """Ends this session, as another one of this process goes on with the conversation."""
        self.leave(TAKEN_OVER)

    def call_ended(self, ended: ToolCallEnded) -> bool:
        """Takes note of how a call has ended. Returns False if this session is ending."""
        if not self.leaving:
            self._orchestrator.mailbox.post(ended)
        return not self.leaving

    def watch(self, name: str, observer: Observer) -> None:
        """Adds an observer. Must be called before `run`."""
        self._observers.add(name, observer)

    async def run(self, work: Mapping[str, Coroutine[Any, Any, None]] | None = None) -> SessionClosed:
        """Runs the session until one side leaves, or until one of the transport's tasks (`work`, by name) ends.

        Returns why the session has ended. By then its slot is free, its last words are stored, unless that takes longer
        than `STORED_S`, and its tasks have stopped, except for those that do not stop within `ENDING_S`.
        """
        named = {"session": self._orchestrator.run(), "playout": self._keep_time(), **(work or {})}
        tasks = [asyncio.create_task(each, name=name) for name, each in named.items()]
        for task in tasks:
            task.add_done_callback(self._task_ended)
        self._services.sessions.add(self)
        self._services.invitations.session_began(self)
        try:
            self._greet()
            return await self.closed
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
                goes_on = not self.closed.done() or self.closed.result().code not in LAST_WORDS
                with self._faults.contained("ending a conversation"):
                    self.conversation.end(goes_on=goes_on)
                self._services.invitations.session_ended(self)
                self.slot.release()
                try:
                    if goes_on and self.conversation.writer is not None:
                        await asyncio.wait({self.conversation.writer}, timeout=STORED_S)
                finally:
                    self._services.sessions.remove(self)
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
                ends_in_s=round(self.slot.left_s),
            )
        )
        if self.conversation.notice is not None:
            self._connection.send(ErrorMessage(code=ErrorCode.CONVERSATION, message=self.conversation.notice))

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        if (failure := task.exception()) is None:
            self.leave(GONE)
        else:
            logger.error("%s failed", task.get_name(), exc_info=failure)
            self.leave(FAULT)

    def stepped(self, step: SessionStep) -> None:
        invitations = self._services.invitations
        if isinstance(step.input, SayRequested):
            self._texts_to_come -= 1
        elif isinstance(step.input, ConversationCleared):
            invitations.clear(self.conversation_key)
        for fact in step.facts:
            match fact:
                case TurnLeftToPerson(text=text):
                    invitations.note_message(self.conversation_key, Message(Role.USER, text))
                case ReplyFinished(heard=heard, unheard=unheard) if heard:
                    message = Message(Role.ASSISTANT, heard, interrupted=bool(unheard))
                    invitations.note_message(self.conversation_key, message)
                case SentenceDropped(text=text):
                    self._connection.send(TtsDroppedMessage(text=text))
                case ToolCallChanged(record) if not record.reported:
                    self._connection.send(ToolCallMessage(id=record.id, tool=record.tool, status=record.status))
                case ConversationEnded():
                    self.leave(SessionClosed.from_fact(fact))
                case _:
                    pass

    # Sound --------------------------------------------------------------------------------------------------------

    def sound_comes(self) -> None:
        """Notes that live audio is arriving, so that the microphone does not count as silent."""
        self.heard_s = time.monotonic()

    def receive_audio(self, audio: Audio) -> None:
        """Takes live audio from the user's microphone. While it does not count, silence takes its place."""
        self.heard_s, self._rate_hz = time.monotonic(), audio.rate_hz
        if self.speech_input.is_deaf:
            audio = Audio(np.zeros_like(audio.samples), audio.rate_hz)
        self.record(audio)
        self._unheard += 1
        with self._faults.contained("hearing"):
            self.speech_input.receive_audio(audio)
            self._unheard = 0
        if self._unheard >= FAULTS_IN_A_ROW:
            self.leave(FAULT)

    def record(self, audio: Audio) -> None:
        """Records audio of the user."""
        with self._faults.contained("recording"):
            self._recorder.heard(audio)

    def next_frame(self, most: int = FRAME_SAMPLES) -> Samples:
        """Returns the next 20 ms for the client: 48 kHz, int16 of shape (960,), with `most` samples of speech."""
        frame = SILENT_FRAME
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
        """Records a frame that goes out to the client `ahead` samples from now."""
        with self._faults.contained("recording the bot"):
            self._recorder.played(frame, ahead)

    async def _keep_time(self) -> None:
        """Runs the 20 ms playout clock, and the housekeeping with it."""
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
        if (over := self.slot.closed_by_limit()) is not None:
            self.leave(over)

    # Texts of tools and of people outside -----------------------------------------------------------------------------

    async def say(self, text: str) -> None:
        """Has the bot say a text as soon as nobody speaks. Raises TooManyTextsError if too many wait."""
        if len(self.state.texts_to_say) + self._texts_to_come >= MAX_TEXTS_TO_SAY:
            raise TooManyTextsError(f"{MAX_TEXTS_TO_SAY} texts wait to be said already")
        self._texts_to_come += 1
        self._orchestrator.mailbox.post(SayRequested(text))

    def set_handed_over(self, *, to_person: bool) -> None:
        """Lets a person answer from now on, or the bot."""
        self._orchestrator.mailbox.post(HandoverChanged(to_person))

    # Messages -----------------------------------------------------------------------------------------------------

    def count_message(self) -> None:
        """Counts a message of the client. Raises MessageError if they come too fast; far too many end the session."""
        try:
            refusal = self._messages.refusal()
        except FloodError as flood:
            self.leave(SessionClosed(CloseCode.FLOOD, str(flood)))
            raise MessageError(str(flood)) from None
        if refusal is not None:
            raise MessageError(refusal)

    def take(self, request: ClientRequest) -> None:
        """Does what the client asks for. Raises MessageError."""
        match request:
            case TextMessage(text=text):
                most_chars = self._settings.tuning.max_text_chars
                if len(text) > most_chars:
                    raise MessageError(f"text: {len(text)} characters; {most_chars} are allowed")
                if not self._texts.take():
                    raise MessageError(TOO_MANY_TEXTS)
                self._orchestrator.mailbox.post(TextTyped(text))
            case InterruptMessage():
                self._orchestrator.mailbox.post(InterruptPressed())
            case ClearMessage():
                self._orchestrator.mailbox.post(ConversationCleared())
            case DisputeMessage(verdict=number, disputed=disputed):
                self._orchestrator.mailbox.post(VerdictDisputed(number, disputed))
            case ConfigureMessage():
                try:
                    self._preferences = self._services.available_preferences.changed(request.changes, self._preferences)
                except PreferenceError as error:
                    raise MessageError(str(error)) from None
                self._orchestrator.mailbox.post(PreferencesChanged(self._preferences))
                if "push_to_talk" in request.model_fields_set:
                    self.speech_input.set_push_to_talk(request.push_to_talk)
            case TalkMessage(pressed=pressed) if self.speech_input.push_to_talk:
                self.sound_comes()  # if none does, silence takes its place
                self.speech_input.set_talk_button(pressed=pressed)
            case TalkMessage(pressed=pressed):
                if pressed:
                    raise MessageError("talk: push-to-talk is off; it is switched on with push_to_talk in `configure`")
            case ByeMessage(comes_back=comes_back):
                self.leave(GONE if comes_back else HUNG_UP)
            case _:
                assert_never(request)
