"""The orchestrator of a session: takes inputs from the mailbox, steps the machine, and carries out its commands."""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import aclosing
from typing import Protocol, assert_never

from voicebot.dialogue.events import (
    ApplyPreferences,
    CancelReply,
    Command,
    EndTranscription,
    PausePlayback,
    ReplyEnded,
    ResumePlayback,
    SessionStarted,
    SetEndpointingDelay,
    StartReply,
    StartTimer,
    StartTranscription,
    StopTimer,
    TimedOut,
    Timer,
)
from voicebot.dialogue.history import History
from voicebot.dialogue.machine import step
from voicebot.dialogue.observer import Observer, SessionStep
from voicebot.dialogue.preferences import Preferences
from voicebot.dialogue.reply_state import UnfinishedReply
from voicebot.dialogue.state import State
from voicebot.dialogue.tool_calls import CallRecord
from voicebot.engines.protocols import CanPrepare, Engines, Styles
from voicebot.session.conversation import SessionConversation
from voicebot.session.invitations import Invitations
from voicebot.session.mailbox import Mailbox
from voicebot.session.player import Player
from voicebot.session.reply import ReplyMaker, TurnBudget
from voicebot.session.speech_input import SpeechInput
from voicebot.session.tool_calls import CallLog, ReplyCalls, RunningCalls, SessionCallLog
from voicebot.settings.config import Settings

logger = logging.getLogger(__name__)

CANCEL_TIMEOUT_S = 2.0
"""How long a cancelled reply may take to stop before the conversation goes on without it."""


class RemotePlayer(Protocol):
    """A client that plays the bot's audio by itself."""

    async def cut(self) -> None:
        """Cancels the paused reply. Returns when the client is silent and the player knows what was heard."""
        ...


class Orchestrator:
    """Runs one session, and owns every task of it.

    The transport asks the `player` for each frame, and tells the `speech_input` of it. The `observer` is told of every
    step, and must not raise. Each answer is counted in `turns`, which may have none left. The conversation goes on
    from `history` and `calls`, and with what an earlier session left `unfinished`. `running_calls` owns the calls of
    tools that outlive their replies, and `call_log` is where they are noted; without it they are forgotten with the
    session. `conversation_key` identifies the conversation for tools, and `invitations` know who outside may have the
    bot say something in it.

    The `mailbox` takes inputs, and the `speech_input` takes audio, from the event loop at any time; what comes before
    `run` waits for it.
    """

    def __init__(
        self,
        engines: Engines,
        settings: Settings,
        observer: Observer,
        *,
        turns: TurnBudget | None = None,
        history: History = (),
        calls: tuple[CallRecord, ...] = (),
        unfinished: UnfinishedReply | None = None,
        remote_player: RemotePlayer | None = None,
        running_calls: RunningCalls | None = None,
        call_log: CallLog | None = None,
        conversation_key: str = "",
        invitations: Invitations | None = None,
    ) -> None:
        self.state = State(
            settings.rules,
            settings.preferences,
            history=history,
            calls=calls,
            unfinished=unfinished,
            merge_next=not history,
        )
        self._styles = Styles.of(settings.preferences)
        self.mailbox = Mailbox()
        self.player = Player(self.mailbox, settings.tuning.tts_prefetch, rewind_words=settings.resume_rewind == "word")
        self._observer, self._remote_player = observer, remote_player
        self._engines = engines
        self.speech_input = SpeechInput(self.mailbox, settings.endpoint_rules, engines.end_of_turn)
        self._replies = ReplyMaker(
            agent=engines.agent,
            tts=engines.tts,
            player=self.player,
            mailbox=self.mailbox,
            queue_max=settings.tuning.tts_queue_max,
            drop_oldest=settings.tts_overflow == "drop-oldest",
            sentence_max_chars=settings.tuning.tts_sentence_max_chars,
            turns=turns,
        )
        self._running_calls = RunningCalls() if running_calls is None else running_calls
        self._call_log = SessionCallLog(self.mailbox) if call_log is None else call_log
        self._conversation_key = conversation_key or secrets.token_hex(8)
        self._invitations = Invitations() if invitations is None else invitations
        self._max_text_chars = settings.tuning.max_text_chars
        self._reply: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._timers: dict[Timer, asyncio.TimerHandle] = {}

    async def run(self) -> None:
        """Runs the session until cancelled. All its tasks and timers end with it."""
        self._observer.began()
        try:
            async with aclosing(self.speech_input), asyncio.TaskGroup() as group:
                self.speech_input.set_preferences(self.state.preferences)
                group.create_task(self.speech_input.listen(self._engines.make_vad), name="listen")
                self.mailbox.post(SessionStarted())
                self.speech_input.transcribe_with(self._engines.stt, self._styles.stt, group)
                while True:
                    input, at_s = await self.mailbox.next()
                    before = self.state
                    self.state, commands, facts = step(before, input, at_s)
                    for command in commands:
                        self._carry_out(command, group)
                    self._observer.stepped(SessionStep(input, at_s, self.state, facts, self.state is not before))
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self.player.close()
            self._observer.ended()

    def _carry_out(self, command: Command, group: asyncio.TaskGroup) -> None:
        """Carries out a command. One that takes time becomes a task, which posts an input when it has ended."""
        match command:
            case StartReply(reply):
                self.player.begin(reply)
                self._wanted = asyncio.Event()
                if not command.preemptive:
                    self._wanted.set()
                making = self._make_reply(command, self._wanted)
                self._reply = group.create_task(making, name=f"reply {reply}")
            case PausePlayback(reply):
                self.player.pause(reply)
            case ResumePlayback(reply):
                self._wanted.set()
                self.player.resume(reply)
            case CancelReply(reply):
                self.player.pause(reply)
                if self._reply is not None:
                    self._reply.cancel()
                group.create_task(self._end_cancelled(reply, self._reply), name=f"cancel {reply}")
            case StartTimer(timer, token, delay_s):
                self._stop_timer(timer)
                loop = asyncio.get_running_loop()
                self._timers[timer] = loop.call_later(delay_s, self.mailbox.post, TimedOut(timer, token))
            case StopTimer(timer):
                self._stop_timer(timer)
            case StartTranscription(utterance):
                self.speech_input.transcribe(utterance, group)
            case SetEndpointingDelay(utterance, silence_s):
                self.speech_input.set_endpointing_delay(utterance, silence_s)
            case EndTranscription(utterance):
                self.speech_input.cancel_transcription(utterance)
            case ApplyPreferences(preferences):
                self._apply(preferences, group)
            case _:
                assert_never(command)

    def _stop_timer(self, timer: Timer) -> None:
        if timer in self._timers:
            self._timers.pop(timer).cancel()

    # Preferences ------------------------------------------------------------------------------------------------------

    def _apply(self, preferences: Preferences, group: asyncio.TaskGroup) -> None:
        """Gives the next requests the new styles. A recogniser keeps its style, so another one is opened.

        Nothing is being said, made or played at this moment. At most a recogniser works on words nobody waits for.
        """
        before, self._styles = self._styles, Styles.of(preferences)
        self.speech_input.set_preferences(preferences)
        if isinstance(self._engines.tts, CanPrepare):
            self._engines.tts.prepare(self._styles.tts)
        if isinstance(self._engines.agent, CanPrepare):
            self._engines.agent.prepare(self._styles.llm)
        if self._styles.stt != before.stt:
            self.speech_input.transcribe_with(self._engines.stt, self._styles.stt, group)

    # Replies ------------------------------------------------------------------------------------------------------

    async def _make_reply(self, start: StartReply, wanted: asyncio.Event) -> None:
        style = self._styles.llm
        conversation = SessionConversation(
            self._conversation_key, start.history, style, wanted, self._invitations, self._max_text_chars
        )
        calls = ReplyCalls(
            reply=start.reply,
            conversation=conversation,
            records=start.calls,
            confirmed=start.confirmed,
            mailbox=self.mailbox,
            log=self._call_log,
            running=self._running_calls,
        )
        try:
            error = await self._replies.run(start, wanted, self._styles, calls)
        finally:
            conversation.reply_ended()
        self.mailbox.post(ReplyEnded(start.reply, error))

    async def _end_cancelled(self, reply: int, making: asyncio.Task[None] | None) -> None:
        """Waits until a cancelled reply, which is silent by now, has ended; posts that it has."""
        if self._remote_player is not None and self.player.reply == reply:
            await self._remote_player.cut()
        self.player.discard(reply)
        if making is not None:
            _, stuck = await asyncio.wait({making}, timeout=CANCEL_TIMEOUT_S)
            if stuck:
                logger.error("a cancelled reply does not stop; going on without it", extra={"reply": reply})
        self.mailbox.post(ReplyEnded(reply))
