"""Fallback: several engines of a stage act as one. What one engine cannot do, the next one does in the same turn.

Until output has reached the user, a failed engine is tried again or another one takes over, whichever is sooner. After
that, an agent's failure is passed on, and another voice says the rest of a sentence.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from voicebot.audio.sound import Audio
from voicebot.dialogue.history import History
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.fallback_group import Candidate, FallbackGroup, FallbackRules, overdue
from voicebot.engines.protocols import (
    DEFAULT_STYLE,
    NO_DEADLINE,
    Agent,
    CanPrepare,
    ConversationCalls,
    Engine,
    EngineSelected,
    OutputDeadline,
    Pause,
    RestOfSentence,
    SlowToStart,
    SpeechToText,
    Style,
    TextToSpeech,
    Transcriber,
    Transcript,
    WordStarts,
)
from voicebot.engines.replay_buffer import ReplayBuffer
from voicebot.engines.speech_progress import SpeakingRates, SpeechProgress

RETRIED = frozenset({Fault.UNREACHABLE, Fault.SERVER, Fault.BROKEN, Fault.LIMITED})
"""Faults that may be gone a moment later. A rejected key or request will be rejected the next time, too."""

LONGEST_RETRY_AFTER_S = 2.0
"""If a service asks for a longer wait than this, it is not tried again."""

LAST_TRY_FACTOR = 3
"""The last try of the last engine may take this many times `first_output_s`: a late answer is better than none, but a
user who hears nothing for more than some 15 s has gone."""

SOON = 0.2
"""A model that stalls within this share of `first_output_s` has not shortened the user's wait with its first tokens."""

SILENT_S = 2.0
"""How long a voice may be silent in mid-sentence after its audio so far was played."""

FINAL_S = 3.0
"""How long a recogniser may take for the final text before another one is asked, too: both answer within 6.5 s."""

RECOVERY_S = 1.0
"""If all recognisers fail while the user speaks, they are tried again after this time, which doubles each time."""

MAX_VOICES = 3
"""How many voices may share one sentence: more would only cut it into pieces."""

E = TypeVar("E", bound=Engine)
T = TypeVar("T")
E_contra = TypeVar("E_contra", contravariant=True)
T_co = TypeVar("T_co", covariant=True)


class OutputRequest(Protocol[E_contra, T_co]):
    """A request for output that any engine of a group can serve, piece by piece."""

    def ask(
        self, engine: E_contra, style: Style, deadline: OutputDeadline, *, stands_in: bool
    ) -> AsyncGenerator[T_co]: ...

    def start_with(self, engine: str) -> None:
        """This engine starts the output. What another engine, or an earlier try, has given of it is void."""
        ...

    def note_piece(self, piece: object) -> None:
        """Notes a piece that the engine has given."""
        ...

    @property
    def is_committed(self) -> bool:
        """Whether some of the output has reached the user, so that no other engine can start it over."""
        ...

    @property
    def gap_s(self) -> float:
        """How long the next piece may take, in seconds."""
        ...


class OutputFallbackGroup(FallbackGroup[E]):
    """A group of engines that give their output piece by piece: agents, or voices."""

    async def _first_of(self, style: Style, request: OutputRequest[E, T]) -> AsyncGenerator[T | EngineSelected]:
        """Yields the output of the first engine that can give it.

        Until the output is committed, the pieces of a failed engine are void, and the output starts over with another
        `EngineSelected`. Raises the EngineError of the last engine, or of one that fails after the output is committed.
        """
        reasons, candidates = self.passed_over(style), self.candidates(style)
        for candidate in candidates:
            is_last = candidate is candidates[-1]
            own_style = self.style_for(candidate, style)
            tries = _Tries(self.rules, candidate.engine, is_last=is_last)
            while True:
                error: EngineError | None = None
                async with aclosing(request.ask(candidate.engine, own_style, tries, stands_in=bool(reasons))) as pieces:
                    try:
                        async with tries.first():
                            piece = await anext(pieces, None)
                        if piece is None:
                            raise EngineError(candidate.engine.name, "gave nothing")
                        request.start_with(candidate.engine.name)
                        yield EngineSelected(candidate.engine.name, tuple(reasons))
                        while piece is not None:
                            request.note_piece(piece)
                            yield piece
                            async with tries.following(request.gap_s):
                                piece = await anext(pieces, None)
                    except EngineError as failure:
                        error = failure
                if error is None:
                    candidate.circuit.worked()
                    return
                if request.is_committed or not await tries.again(error):
                    break
                self.count_failure(candidate.engine.name, error)
            self.failed(candidate, error)
            if is_last or request.is_committed or not error.repeatable:
                raise error
            reasons.append(str(error))


class _Tries(OutputDeadline):
    """The tries to get output from one engine, and the deadline for its next piece.

    While other engines are left, all tries together have `first_output_s` for the first piece. The last engine has that
    time for one try, and `LAST_TRY_FACTOR` times as long for its last one.

    An engine that is slow to start has its own, longer time, and is not tried again after it: it would start anew.
    """

    def __init__(self, rules: FallbackRules, engine: Engine, *, is_last: bool) -> None:
        self._rules = rules
        self._engine = engine
        self._is_last = is_last
        own_s = engine.first_output_s if isinstance(engine, SlowToStart) else 0.0
        self._is_slow_to_start = own_s > rules.first_output_s
        self._first_output_s = max(rules.first_output_s, own_s)
        self._begun_s = time.monotonic()
        self._deadline_s = self._begun_s + self._first_output_s
        self._count = 0
        self._overdue = False
        """Whether a try of the last engine took too long."""
        self._limit: asyncio.Timeout | None = None
        """The time-out of the current wait for a piece."""
        self._limit_s = 0.0
        """How long that wait may take."""
        self._suspended = False
        """Waits have no limit, as a tool works. It may have begun before the last piece was fetched."""

    def suspend(self) -> None:
        self._suspended = True
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(None)

    def restart(self) -> None:
        self._suspended = False
        if self._limit is not None and not self._limit.expired():
            self._limit_s = max(self._limit_s, self._rules.first_output_s)
            self._deadline_s = time.monotonic() + self._limit_s
            self._limit.reschedule(asyncio.get_running_loop().time() + self._limit_s)

    def first(self) -> AbstractAsyncContextManager[None]:
        """Limits the wait for the first piece. Raises EngineError."""
        self._suspended = False
        whole_s = self._first_output_s
        if self._is_last:
            lasts_longer = not self._is_slow_to_start and (self._overdue or not self._rules.retries)
            whole_s *= LAST_TRY_FACTOR if lasts_longer else 1
            self._deadline_s = time.monotonic() + whole_s
        return self._limited(self._left_s, whole_s)

    def following(self, gap_s: float) -> AbstractAsyncContextManager[None]:
        """Limits the wait for the next piece. Raises EngineError."""
        return self._limited(gap_s, gap_s)

    @asynccontextmanager
    async def _limited(self, left_s: float, whole_s: float) -> AsyncIterator[None]:
        self._limit_s = whole_s
        try:
            async with asyncio.timeout(None if self._suspended else left_s) as self._limit:
                yield
        except TimeoutError:
            self._overdue = self._is_last
            raise overdue(self._engine, round(self._limit_s, 1)) from None
        finally:
            self._limit = None

    async def again(self, error: EngineError) -> bool:
        """Waits before another try and returns True; returns False at once if there is to be none."""
        wait_s = self._rules.backoff_s * 2**self._count
        if error.retry_after_s is not None:
            wait_s = error.retry_after_s
        self._count += 1
        if (
            self._count > self._rules.retries
            or not error.repeatable
            or not self._may_be_gone(error.fault)
            or wait_s > LONGEST_RETRY_AFTER_S
            or (not self._is_last and wait_s >= self._left_s)
        ):
            return False
        await asyncio.sleep(wait_s)
        return True

    def _may_be_gone(self, fault: Fault) -> bool:
        """Returns True when another try may succeed. After a time-out only the last engine is tried once more."""
        if fault is not Fault.TIMEOUT:
            return fault in RETRIED
        if self._is_slow_to_start:
            return False
        soon = time.monotonic() - self._begun_s < 2 * self._rules.first_output_s
        return self._is_last and self._count == 1 and soon

    @property
    def _left_s(self) -> float:
        return max(0.0, self._deadline_s - time.monotonic())


class AgentFallbackGroup(OutputFallbackGroup[Agent]):
    """A group of agents. After a sentence of an answer was spoken, no other agent can finish it: a failure ends it."""

    def prepare(self, style: Style) -> None:
        """Has each agent get what it needs for the style."""
        for candidate in self._in_order(style):
            if candidate.started and isinstance(candidate.engine, CanPrepare):
                candidate.engine.prepare(style)

    def reply(
        self,
        history: History,
        wanted: asyncio.Event,
        deadline: OutputDeadline = NO_DEADLINE,
        *,
        style: Style = DEFAULT_STYLE,
        stands_in: bool = False,
        stood_in: str = "",
        spoken: asyncio.Event | None = None,
        calls: ConversationCalls | None = None,
    ) -> AsyncGenerator[str | EngineSelected]:
        limit_s = self.rules.first_output_s
        answer = _AnswerRequest(history, wanted, stands_in, stood_in, spoken, calls, limit_s)
        return self._first_of(style, answer)


@dataclass(slots=True)
class _AnswerRequest:
    """The request for an answer to a group of agents."""

    history: History
    wanted: asyncio.Event
    stands_in: bool
    stood_in: str
    spoken: asyncio.Event | None
    calls: ConversationCalls | None
    limit_s: float
    begun: bool = False
    asked_s: float = 0.0

    def ask(
        self, engine: Agent, style: Style, deadline: OutputDeadline, *, stands_in: bool
    ) -> AsyncGenerator[str | EngineSelected]:
        self.asked_s = time.monotonic()
        is_fallback = self.stands_in or stands_in
        return engine.reply(
            self.history,
            self.wanted,
            deadline,
            style=style,
            stands_in=is_fallback,
            stood_in=self.stood_in,
            calls=self.calls,
        )

    def start_with(self, engine: str) -> None:
        """Does nothing, as an answer starts over as a whole."""

    def note_piece(self, piece: object) -> None:
        self.begun = True

    @property
    def is_committed(self) -> bool:
        return self.begun if self.spoken is None else self.spoken.is_set()

    @property
    def gap_s(self) -> float:
        """A model that stalls soon after it was asked is given up as early as one that gives nothing at all."""
        waited_s = time.monotonic() - self.asked_s
        return self.limit_s - waited_s if waited_s < self.limit_s * SOON else self.limit_s


class TextToSpeechFallbackGroup(OutputFallbackGroup[TextToSpeech]):
    """A group of voices. If a sentence breaks off, the next voice says the rest of it."""

    def __init__(self, engines: Sequence[TextToSpeech], rules: FallbackRules, usual: Style = DEFAULT_STYLE) -> None:
        super().__init__(engines, rules, usual)
        self._rates = SpeakingRates()

    def prepare(self, style: Style) -> None:
        """Has the engine of the wanted voice fetch that voice, if it is not on this machine yet."""
        for candidate in self._in_order(style):
            if candidate.started and isinstance(candidate.engine, CanPrepare):
                candidate.engine.prepare(self.style_for(candidate, style))

    async def synthesize(
        self, text: str, style: Style = DEFAULT_STYLE
    ) -> AsyncGenerator[Audio | WordStarts | EngineSelected | RestOfSentence]:
        words = text.split()
        first = 0
        silent_s = min(self.rules.first_output_s, SILENT_S)
        for voice in range(MAX_VOICES):
            said = SpeechProgress(words[first:])
            rest = text if not first else " ".join(words[first:])
            sentence = _SentenceRequest(rest, said, silent_s, can_be_replaced=len(self.candidates(style)) > 1)
            try:
                async with aclosing(self._first_of(style, sentence)) as pieces:
                    async for piece in pieces:
                        if voice and isinstance(piece, EngineSelected):
                            yield RestOfSentence(first, len(words))
                        yield piece
            except EngineError:
                first += said.count_said_words(self._rates)
                if not said.duration_s or first == len(words) or voice == MAX_VOICES - 1:
                    raise
            else:
                self._rates.add_sentence(said)
                return


@dataclass(frozen=True, slots=True)
class _SentenceRequest:
    """The request for a sentence, or the rest of one, to a group of voices. `said` keeps how much was said."""

    text: str
    said: SpeechProgress
    silent_s: float
    can_be_replaced: bool
    """Whether another voice can take over from one that is too slow."""

    def ask(
        self, engine: TextToSpeech, style: Style, deadline: OutputDeadline, *, stands_in: bool
    ) -> AsyncGenerator[Audio | WordStarts | EngineSelected | RestOfSentence]:
        return engine.synthesize(self.text, style)

    def start_with(self, engine: str) -> None:
        self.said.begin(engine)

    def note_piece(self, piece: object) -> None:
        if isinstance(piece, WordStarts):
            self.said.starts_s = piece.starts_s
        elif isinstance(piece, Audio):
            self.said.duration_s += piece.duration_s

    @property
    def is_committed(self) -> bool:
        return self.said.duration_s > 0

    @property
    def gap_s(self) -> float:
        """A voice may be silent while the audio it has given still plays, and a little longer."""
        ahead_s = self.said.ahead_s if self.can_be_replaced else max(0.0, self.said.ahead_s)
        return max(0.0, self.silent_s + ahead_s)


class SpeechToTextFallbackGroup(FallbackGroup[SpeechToText]):
    """A group of recognisers. A replay buffer keeps each utterance until its final text, so that others can hear it."""

    async def start(self) -> None:
        """Starts all recognisers. If none starts, nothing is raised, as users can still type.

        The log says why each of them could not start.
        """
        with suppress(EngineError):
            await super().start()

    @asynccontextmanager
    async def session(self, style: Style = DEFAULT_STYLE) -> AsyncIterator[Transcriber]:
        async with AsyncExitStack() as sessions:
            transcriber = FallbackTranscriber(self, style, sessions)
            await transcriber.open(self.candidates(style)[0])
            yield transcriber


class FallbackTranscriber:
    """The recognisers of one session: the first one is open, the others are opened when they are needed."""

    def __init__(self, group: SpeechToTextFallbackGroup, style: Style, sessions: AsyncExitStack) -> None:
        self._group = group
        self._style = style
        self._sessions = sessions
        self._opening = asyncio.Lock()
        self._transcribers: dict[str, Transcriber] = {}

    @property
    def bytes_sent(self) -> int:
        return sum(transcriber.bytes_sent for transcriber in self._transcribers.values())

    async def open(self, candidate: Candidate[SpeechToText]) -> Transcriber:
        """Returns the recogniser's transcriber for this session, and opens it when it is first needed."""
        async with self._opening:
            name = candidate.engine.name
            if name not in self._transcribers:
                session = candidate.engine.session(self._group.style_for(candidate, self._style))
                self._transcribers[name] = await self._sessions.enter_async_context(session)
            return self._transcribers[name]

    async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript | EngineSelected]:
        """Yields the transcripts of the first recogniser that works.

        One that fails is tried once more with the audio in the replay buffer, then the next one. If all fail while the
        user is still speaking, they are tried again until they have heard the whole utterance. One that is late with
        the final text goes on beside the next one: the first final text counts.
        """
        async with ReplayBuffer.of(audio) as sound, Attempts(sound) as attempts:
            pause_s, heard_whole = RECOVERY_S, False
            while True:
                async with aclosing(self._round(attempts)) as transcripts:
                    try:
                        async for transcript in transcripts:
                            yield transcript
                    except EngineError:
                        if heard_whole:
                            raise
                    else:
                        return
                await sound.wait_for_end(pause_s)
                heard_whole = sound.ended
                pause_s *= 2

    async def _round(self, attempts: Attempts) -> AsyncGenerator[Transcript | EngineSelected]:
        """Tries each recogniser until there is a final text. Raises the EngineError of the last one."""
        reasons, candidates = self._group.passed_over(self._style), self._group.candidates(self._style)
        for candidate in candidates:
            is_last = candidate is candidates[-1]
            yield EngineSelected(candidate.engine.name, tuple(reasons))
            for again in range(self._group.rules.retries + 1):
                attempts.begin(candidate, await self.open(candidate))
                can_replace = not is_last or again < self._group.rules.retries
                limit_s = self._limit_s(is_last=is_last) if can_replace else None
                try:
                    async with aclosing(attempts.transcripts(limit_s)) as transcripts:
                        async for author, transcript in transcripts:
                            if transcript.final:
                                author.circuit.worked()
                                if author is not candidate:
                                    yield EngineSelected(author.engine.name)
                            yield transcript
                    return
                except EngineError as failure:
                    error = failure
                if again == self._group.rules.retries or not _may_go_well(error, is_last=is_last):
                    break
                self._group.count_failure(candidate.engine.name, error)
            self._group.failed(candidate, error)
            if is_last:
                raise error
            reasons.append(str(error))

    def _limit_s(self, *, is_last: bool) -> float:
        first_output_s = self._group.rules.first_output_s
        return first_output_s if is_last else min(first_output_s, FINAL_S)


def _may_go_well(error: EngineError, *, is_last: bool) -> bool:
    """Returns True when a recogniser that failed like this is to be tried once more, before the next one."""
    if error.fault is Fault.TIMEOUT:
        return is_last
    return error.fault in RETRIED and (error.retry_after_s or 0.0) <= LONGEST_RETRY_AFTER_S


class Attempts:
    """Recognisers side by side on one utterance. Interim texts come from the newest, the final text from the first."""

    def __init__(self, sound: ReplayBuffer) -> None:
        self._sound = sound
        self._results: asyncio.Queue[tuple[Candidate[SpeechToText], Transcript | BaseException, int]] = asyncio.Queue()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._newest = 0
        self._newest_name = ""
        self._begun_s = 0.0

    async def __aenter__(self) -> Attempts:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running.values():
            task.cancel()
        if self._running:
            await asyncio.wait(self._running.values())

    def begin(self, candidate: Candidate[SpeechToText], transcriber: Transcriber) -> None:
        """Starts a recogniser from the beginning of the utterance. Those that have not failed go on beside it."""
        self._newest += 1
        self._newest_name = candidate.engine.name
        self._begun_s = asyncio.get_running_loop().time()
        number = self._newest
        task = asyncio.create_task(self._run(number, candidate, transcriber), name=f"task of {candidate.engine.name}")
        task.add_done_callback(lambda task: self._ended(number, candidate, task))
        self._running[number] = task

    async def _run(self, number: int, candidate: Candidate[SpeechToText], transcriber: Transcriber) -> None:
        async with aclosing(transcriber.transcribe(self._sound)) as transcripts:
            async for transcript in transcripts:
                if isinstance(transcript, Transcript):
                    self._results.put_nowait((candidate, transcript, number))
                    if transcript.final:
                        return
        raise EngineError(candidate.engine.name, "ended without a final text")

    def _ended(self, number: int, candidate: Candidate[SpeechToText], task: asyncio.Task[None]) -> None:
        """Passes the failure of a recogniser on to the one who waits for transcripts, who raises it."""
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._results.put_nowait((candidate, failure, number))

    async def transcripts(self, limit_s: float | None) -> AsyncGenerator[tuple[Candidate[SpeechToText], Transcript]]:
        """Yields the transcripts of the newest recogniser, until any of them has the final text.

        Raises EngineError if the newest one fails, or takes longer than `limit_s` for the final. With None no other is
        left to try: it may take its time, and if it fails the others may still deliver the final text.
        """
        newest = self._newest
        while True:
            candidate, result, number = await self._next(limit_s)
            if isinstance(result, Transcript):
                if number == newest or result.final:
                    yield candidate, result
                if result.final:
                    return
            elif not isinstance(result, EngineError):
                raise result
            else:
                del self._running[number]
                if not self._running or (number == newest and limit_s is not None):
                    raise result

    async def _next(self, limit_s: float | None) -> tuple[Candidate[SpeechToText], Transcript | BaseException, int]:
        if limit_s is None:
            return await self._results.get()
        try:
            async with self._sound.limit_after_end(limit_s, self._begun_s):
                return await self._results.get()
        except TimeoutError:
            raise EngineError(self._newest_name, f"nothing came within {limit_s:g} s", fault=Fault.TIMEOUT) from None
