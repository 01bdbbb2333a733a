"""One conversation: takes what happens from a mailbox, asks the machine, carries out its commands, owns every task."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import assert_never

from voicebot.config import Settings
from voicebot.core.audio import FRAME_SAMPLES, Samples
from voicebot.core.choices import Choices
from voicebot.core.events import (
    ApplyChoices,
    CancelReply,
    Command,
    EndSession,
    EndTranscription,
    Input,
    PausePlayback,
    ReplyEnded,
    ResumePlayback,
    SessionStarted,
    SetPatience,
    StartReply,
    StartTimer,
    StartTranscription,
    StopTimer,
    TimedOut,
    Timer,
)
from voicebot.core.history import History
from voicebot.core.machine import step
from voicebot.core.state import State
from voicebot.ears import Ears
from voicebot.engines.base import Engines, Prepares, Styles
from voicebot.faults import Faults
from voicebot.observer import Observer, SessionStep
from voicebot.player import Player
from voicebot.reply import ReplyMaker, TurnBudget

logger = logging.getLogger(__name__)

CANCEL_PATIENCE_S = 2.0
"""How long a cancelled reply may take to stop before the conversation goes on without it."""


class Orchestrator:
    """Runs one session. The `observer` is told of every step; `end` is asked to end the session. Each answer is counted
    in `turns`, which may have none left.

    The conversation goes on from `history`. `dropped` is told each sentence that is left unspoken because too many wait
    (TTS_OVERFLOW), `streamed` each piece of a reply's text as it comes. `cut` is awaited before a cancelled reply is
    final: a client that plays by itself has fallen silent then, and the player knows what was heard.

    A fault of `dropped` or `streamed` is logged and changes nothing else; the `observer` must not raise.

    `post` may be called, and the `ears` may be given sound, from the event loop at any time; what comes before `run`
    waits for it.
    """

    def __init__(
        self,
        engines: Engines,
        settings: Settings,
        observer: Observer,
        end: Callable[[EndSession], None],
        *,
        turns: TurnBudget | None = None,
        history: History = (),
        dropped: Callable[[str], None] | None = None,
        streamed: Callable[[int, str], None] | None = None,
        cut: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.state = State(settings.rules, settings.choices, history=history, merge_next=not history)
        self._styles = Styles.of(settings.choices)
        self.player = Player(self.post, settings.tts_prefetch, rewind_words=settings.resume_rewind == "word")
        self._faults = Faults()
        self._observer, self._end, self._cut = observer, end, cut
        self._engines = engines
        self.ears = Ears(self.post, settings.endpoint_rules)
        self._replies = ReplyMaker(
            agent=engines.agent,
            tts=engines.tts,
            player=self.player,
            post=self.post,
            queue_max=settings.tts_queue_max,
            drop_oldest=settings.tts_overflow == "drop-oldest",
            dropped=self._faults.guarded("telling of a dropped sentence", dropped),
            streamed=self._faults.guarded("telling of a reply's text", streamed),
            sentence_max_chars=settings.tts_sentence_max_chars,
            turns=turns,
        )
        self._mailbox: asyncio.Queue[tuple[Input, float]] = asyncio.Queue()
        self._underruns = 0
        """Those that the observer knows of."""
        self._reply: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._timers: dict[Timer, asyncio.TimerHandle] = {}

    def post(self, input: Input) -> None:
        """Something happened, now."""
        self._mailbox.put_nowait((input, time.monotonic()))

    def next_frame(self, most: int = FRAME_SAMPLES) -> Samples:
        """The next 20 ms for the wire: 48 kHz, int16 of shape (960,), with `most` samples of sound."""
        frame = self.player.next_frame(most)
        if self.player.underruns > self._underruns:
            self._observer.underran(self.player.underruns - self._underruns)
            self._underruns = self.player.underruns
        self.ears.played(frame)
        return frame

    async def run(self) -> None:
        """Run the session until cancelled. All its tasks and timers end with it."""
        self._observer.began()
        try:
            async with aclosing(self.ears), asyncio.TaskGroup() as group:
                self.ears.demand(self.state.choices.sensitivity)
                group.create_task(self.ears.listen(self._engines.make_vad), name="listen")
                self.post(SessionStarted())
                await self.ears.transcribe_with(self._engines.stt, self._styles.stt)
                while True:
                    input, at_s = await self._mailbox.get()
                    before = self.state
                    self.state, commands, facts = step(before, input, at_s)
                    for command in commands:
                        await self._carry_out(command, group)
                    self._observer.stepped(SessionStep(input, at_s, self.state, facts, self.state is not before))
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self.player.close()
            self._observer.ended()

    async def _carry_out(self, command: Command, group: asyncio.TaskGroup) -> None:
        match command:
            case StartReply(reply):
                self.player.begin(reply)
                self._wanted = asyncio.Event()
                if not command.eager:
                    self._wanted.set()
                making = self._make_reply(command, self._wanted)
                self._reply = group.create_task(making, name=f"reply {reply}")
            case PausePlayback(reply):
                self.player.pause(reply)
            case ResumePlayback(reply):
                self._wanted.set()
                self.player.resume(reply)
            case CancelReply(reply):
                await self._cancel_reply(reply)
            case StartTimer(timer, token, delay_s):
                self._stop_timer(timer)
                loop = asyncio.get_running_loop()
                self._timers[timer] = loop.call_later(delay_s, self.post, TimedOut(timer, token))
            case StopTimer(timer):
                self._stop_timer(timer)
            case StartTranscription(utterance):
                self.ears.transcribe(utterance, group)
            case SetPatience(utterance, silence_s):
                self.ears.set_patience(utterance, silence_s)
            case EndTranscription(utterance):
                self.ears.give_up(utterance)
            case ApplyChoices(choices):
                await self._apply(choices)
            case EndSession():
                self._end(command)
            case _:
                assert_never(command)

    def _stop_timer(self, timer: Timer) -> None:
        if timer in self._timers:
            self._timers.pop(timer).cancel()

    # Choices ------------------------------------------------------------------------------------------------------

    async def _apply(self, choices: Choices) -> None:
        """The next requests carry the new styles. A recogniser has its style for a session, so that one is opened anew.

        Nothing is being said, made or played: at most a recogniser has not ended whose words nobody waits for.
        """
        before, self._styles = self._styles, Styles.of(choices)
        self.ears.demand(choices.sensitivity)
        if isinstance(self._engines.tts, Prepares):
            self._engines.tts.prepare(self._styles.tts)
        if self._styles.stt != before.stt:
            await self.ears.transcribe_with(self._engines.stt, self._styles.stt)

    # Replies ------------------------------------------------------------------------------------------------------

    async def _make_reply(self, start: StartReply, wanted: asyncio.Event) -> None:
        error = await self._replies.run(start, wanted, self._styles)
        self.post(ReplyEnded(start.reply, error))

    async def _cancel_reply(self, reply: int) -> None:
        """Silence first, then the work behind it. Cancelling asks; only awaiting proves."""
        if self._reply is not None:
            self._reply.cancel()
        if self._cut is not None:
            self.player.pause(reply)
            await self._cut()
        self.player.discard(reply)
        if self._reply is not None:
            _, stuck = await asyncio.wait({self._reply}, timeout=CANCEL_PATIENCE_S)
            if stuck:
                logger.error("a cancelled reply does not stop; going on without it", extra={"reply": reply})
        self.post(ReplyEnded(reply))
