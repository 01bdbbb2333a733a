"""One conversation: takes what happens from a mailbox, asks the machine, carries out its commands, owns every task."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from typing import Protocol, assert_never

from voicebot.config import Settings
from voicebot.core.audio import FRAME_S, FRAME_SAMPLES, SPEECH_RATE_HZ, Audio, Samples
from voicebot.core.choices import Choices
from voicebot.core.events import (
    ApplyChoices,
    CancelReply,
    Command,
    EndSession,
    EndTranscription,
    EngineServed,
    FinalTranscript,
    Input,
    PartialTranscript,
    PausePlayback,
    ReplyEnded,
    ResumePlayback,
    SessionStarted,
    SetPatience,
    SpeechEnded,
    SpeechStarted,
    Stage,
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
from voicebot.core.verdict import Speech
from voicebot.engines.base import EngineError, Engines, Pause, Served, Transcriber
from voicebot.listener import Edges, Listener
from voicebot.player import Player
from voicebot.reply import INTERNAL_ERROR, ReplyMaker

logger = logging.getLogger(__name__)

CANCEL_PATIENCE_S = 2.0
"""How long a cancelled reply may take to stop before the conversation goes on without it."""


class Meter(Protocol):
    """What operators are told of one session."""

    def began(self) -> None: ...

    def changed(self, before: State, after: State, at_s: float) -> None:
        """What happened at `at_s` of the session's clock led from one state to the other."""
        ...

    def underran(self, frames: int) -> None:
        """So many frames that should have carried speech had none."""
        ...

    def ended(self) -> None: ...


class Orchestrator:
    """Runs one session. `observe` gets each new state, `witness` before it what led there; `end` is asked to end the
    session, with the reason for its user.

    `journal` is told of each input, the states before and after it, and when it was posted.

    The conversation goes on from `history`. `meter` is told what operators should know. `dropped` is told each sentence
    that is left unspoken because too many wait (TTS_OVERFLOW), `streamed` each piece of a reply's text as it comes.
    `cut` is awaited before a cancelled reply is final: a client that plays by itself has fallen silent then, and the
    player knows what was heard.

    `post` and `hear` may be called from the event loop at any time; what comes before `run` waits for it.
    """

    def __init__(
        self,
        engines: Engines,
        settings: Settings,
        observe: Callable[[State], None],
        end: Callable[[str], None],
        *,
        history: History = (),
        witness: Callable[[Input], None] | None = None,
        journal: Callable[[Input, State, State, float], None] | None = None,
        meter: Meter | None = None,
        dropped: Callable[[str], None] | None = None,
        streamed: Callable[[int, str], None] | None = None,
        cut: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.state = State(settings.rules, settings.choices, history=history, merge_next=not history)
        self._choices = settings.choices
        self.player = Player(self.post, settings.tts_prefetch, rewind_words=settings.resume_rewind == "word")
        self._observe, self._end, self._witness, self._meter, self._cut = observe, end, witness, meter, cut
        self._journal = journal
        self._engines = engines
        self._endpoint_rules = settings.endpoint_rules
        self._listener: Listener | None = None
        self._transcriber: Transcriber | None = None
        self._transcribing = AsyncExitStack()
        self._bytes_before = 0
        """What recognisers were given that this session had before."""
        self._unheard: list[Audio] = []
        self._replies = ReplyMaker(
            agent=engines.agent,
            tts=engines.tts,
            player=self.player,
            post=self.post,
            queue_max=settings.tts_queue_max,
            drop_oldest=settings.tts_overflow == "drop-oldest",
            dropped=dropped,
            streamed=streamed,
            sentence_max_chars=settings.tts_sentence_max_chars,
            language=settings.language,
        )
        self._mailbox: asyncio.Queue[tuple[Input, float]] = asyncio.Queue()
        self._underruns = 0
        """Those that the meter knows of."""
        self._uploads = 0
        self._announced: int | None = None
        """The utterance that is being spoken and whose sound is to be uploaded."""
        self._sounds: dict[int, asyncio.Queue[Audio | Pause | None]] = {}
        self._transcriptions: dict[int, asyncio.Task[None]] = {}
        self._reply: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._timers: dict[Timer, asyncio.TimerHandle] = {}

    def post(self, input: Input) -> None:
        """Something happened, now."""
        self._mailbox.put_nowait((input, time.monotonic()))

    def hear(self, audio: Audio) -> None:
        """Sound from the user's microphone."""
        if self._listener is None:
            self._unheard.append(audio)
        else:
            self._listener.hear(audio)

    def speech_began(self) -> None:
        """The client hears the user speak and will upload the whole utterance. Not for sessions that `hear`."""
        if self._announced is None or self._announced not in self._sounds:
            self._uploads += 1
            self._announced = self._uploads
            self._speech_changed(SpeechStarted(self._announced))

    def upload(self, audio: Audio | None) -> None:
        """The utterance that `speech_began`, or one that was not announced; None: it gave no sound to speak of."""
        if audio is None and self._announced not in self._sounds:
            return
        self.speech_began()
        utterance, self._announced = self._uploads, None
        self._speech_sound(utterance, Audio.silence(FRAME_S, SPEECH_RATE_HZ) if audio is None else audio)
        duration_s = 0.0 if audio is None else audio.duration_s
        self._speech_changed(SpeechEnded(utterance, speech=Speech(duration_s=duration_s)))
        if audio is None:
            self.post(FinalTranscript(utterance, ""))

    def next_frame(self, most: int = FRAME_SAMPLES) -> Samples:
        """The next 20 ms for the wire: 48 kHz, int16 of shape (960,), with `most` samples of sound."""
        frame = self.player.next_frame(most)
        if self._meter is not None and self.player.underruns > self._underruns:
            self._meter.underran(self.player.underruns - self._underruns)
            self._underruns = self.player.underruns
        if self._listener is not None:
            self._listener.played(frame)
        return frame

    @property
    def bytes_transcribed(self) -> int:
        """How much sound the recogniser was given."""
        now = 0 if self._transcriber is None else self._transcriber.bytes_sent
        return self._bytes_before + now

    @property
    def hears_speech(self) -> bool:
        return self._listener is not None and self._listener.hears_speech

    async def run(self) -> None:
        """Run the session until cancelled. All its tasks and timers end with it."""
        if self._meter is not None:
            self._meter.began()
        try:
            await self._begin_to_listen()
            self.post(SessionStarted())
            async with self._transcribing, asyncio.TaskGroup() as group:
                await self._transcribe_with(self._engines)
                while True:
                    input, at_s = await self._mailbox.get()
                    if self._witness is not None:
                        self._witness(input)
                    before = self.state
                    self.state, commands = step(before, input, at_s)
                    if self._journal is not None:
                        self._journal(input, before, self.state, at_s)
                    for command in commands:
                        await self._carry_out(command, group)
                    if self.state != before:
                        if self._meter is not None:
                            self._meter.changed(before, self.state, at_s)
                        self._observe(self.state)
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self.player.close()
            if self._meter is not None:
                self._meter.ended()
            self._listener = None  # its detector is some megabytes that should not wait for the garbage collector

    async def _begin_to_listen(self) -> None:
        """A detector takes some 100 ms to make: in a thread, as the other sessions' sound must not wait for it."""
        vad = await asyncio.to_thread(self._engines.make_vad)
        self._listener = Listener(vad, self._endpoint_rules, edge=self._speech_changed, sound=self._speech_sound)
        self._listener.demand(self._choices.sensitivity.demands)
        for audio in self._unheard:
            self._listener.hear(audio)
        self._unheard.clear()

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
                task = group.create_task(self._transcribe(utterance), name=f"transcribe {utterance}")
                task.add_done_callback(lambda _: self._forget(utterance))
                self._transcriptions[utterance] = task
            case SetPatience(utterance, silence_s):
                if self._listener is not None:
                    self._listener.set_patience(utterance, silence_s)
            case EndTranscription(utterance):
                if utterance in self._transcriptions:
                    self._transcriptions[utterance].cancel()
            case ApplyChoices(choices):
                await self._apply(choices)
            case EndSession(reason):
                self._end(reason)
            case _:
                assert_never(command)

    def _stop_timer(self, timer: Timer) -> None:
        if timer in self._timers:
            self._timers.pop(timer).cancel()

    # Choices ------------------------------------------------------------------------------------------------------

    async def _apply(self, choices: Choices) -> None:
        """Nothing is being said, made or played: at most a recogniser has not ended whose words nobody waits for."""
        before, self._choices = self._choices, choices
        engines = self._engines.adapted(choices)
        self._replies = replace(self._replies, agent=engines.agent, tts=engines.tts, language=choices.language)
        if self._listener is not None:
            self._listener.demand(choices.sensitivity.demands)
        if (choices.stt, choices.language) != (before.stt, before.language):
            await self._transcribe_with(engines)

    async def _transcribe_with(self, engines: Engines) -> None:
        if self._transcriptions:  # they end: their words are known, or nobody waits for them
            await asyncio.wait(self._transcriptions.values(), timeout=CANCEL_PATIENCE_S)
        self._bytes_before, self._transcriber = self.bytes_transcribed, None
        await self._transcribing.aclose()
        self._transcriber = await self._transcribing.enter_async_context(engines.stt.session())

    # Replies ------------------------------------------------------------------------------------------------------

    async def _make_reply(self, start: StartReply, wanted: asyncio.Event) -> None:
        error = await self._replies.run(start, wanted)
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

    # Utterances ---------------------------------------------------------------------------------------------------

    def _speech_changed(self, edge: Edges) -> None:
        if isinstance(edge, SpeechStarted):
            self._sounds[edge.utterance] = asyncio.Queue()
        elif isinstance(edge, SpeechEnded) and edge.utterance in self._sounds:
            self._sounds[edge.utterance].put_nowait(None)
        self.post(edge)

    def _speech_sound(self, utterance: int, sound: Audio | Pause) -> None:
        if utterance in self._sounds:
            self._sounds[utterance].put_nowait(sound)

    async def _transcribe(self, utterance: int) -> None:
        """Give the utterance to the recogniser and post what it makes of it: always one final, whatever happens."""
        text, confidence = "", None
        error: str | None = "The speech recogniser ended without a final text."
        try:
            assert self._transcriber is not None
            async with aclosing(self._transcriber.transcribe(_until_none(self._sounds[utterance]))) as transcripts:
                async for transcript in transcripts:
                    if isinstance(transcript, Served):
                        self.post(EngineServed(Stage.STT, transcript.engine, transcript.reasons))
                        continue
                    text, confidence = transcript.text, transcript.confidence
                    if transcript.final:
                        error = None
                        break
                    self.post(PartialTranscript(utterance, text, transcript.pause, confidence, transcript.turn_over))
        except EngineError as failure:
            logger.warning("transcription failed", extra={"utterance": utterance, "error": str(failure)})
            error = str(failure)
        except Exception:  # the transcription boundary: whatever went wrong ends this utterance, not the session
            logger.exception("transcription failed", extra={"utterance": utterance})
            error = INTERNAL_ERROR
        self.post(FinalTranscript(utterance, text, error, confidence))

    def _forget(self, utterance: int) -> None:
        del self._sounds[utterance], self._transcriptions[utterance]


async def _until_none(queue: asyncio.Queue[Audio | Pause | None]) -> AsyncGenerator[Audio | Pause]:
    while (sound := await queue.get()) is not None:
        yield sound
