"""Several engines of a stage as one: what one of them can't do, the next one does in the same turn.

Until its output has reached the user a failed engine is tried again or another takes over, whichever is sooner. After
that the failure of an agent is passed on; another voice says the rest of a sentence.
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
    NO_DEADLINE,
    USUAL,
    Agent,
    CanPrepare,
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
"""What may be gone a moment later. A key or a request that was not accepted will not be the next time either."""

LONGEST_RETRY_AFTER_S = 2.0
"""A service that wants to be left alone for longer is not waited for."""

LAST_PATIENCE = 3
"""How many times `first_output_s` the last try of the last engine may take: a late answer is better than none, but a
user who hears nothing for longer than some 15 s has gone."""

SOON = 0.2
"""Tokens that come within this share of `first_output_s` are too few to have made the user's wait shorter."""

SILENT_S = 2.0
"""How long a voice may keep the listener waiting in mid-sentence, after what it has given was played."""

FINAL_S = 3.0
"""How long a recogniser may owe the final text before another one is asked too: together they answer within 6.5 s."""

RECOVERY_S = 1.0
"""After recognisers have all failed while the user speaks: before they are tried again, and twice that each time."""

MAX_VOICES = 3
"""How many voices may say one sentence between them: more only cut it into pieces."""

E = TypeVar("E", bound=Engine)
T = TypeVar("T")
E_contra = TypeVar("E_contra", contravariant=True)
T_co = TypeVar("T_co", covariant=True)


class Request(Protocol[E_contra, T_co]):
    """An output that any engine of a chain may be asked for: one of them gives it, piece by piece."""

    def ask(
        self, engine: E_contra, style: Style, deadline: OutputDeadline, *, stands_in: bool
    ) -> AsyncGenerator[T_co]: ...

    def served_by(self, engine: str) -> None:
        """This engine gives the output. What another one, or an earlier try, has given of it is void."""
        ...

    def came(self, piece: object) -> None:
        """The engine has given this piece."""
        ...

    @property
    def is_committed(self) -> bool:
        """Some of the output has reached the user: no other engine can give it any more."""
        ...

    @property
    def gap_s(self) -> float:
        """How long the next piece may take."""
        ...


class OutputFallbackGroup(FallbackGroup[E]):
    """A chain of engines that are asked for something and give it piece by piece."""

    async def _first_of(self, style: Style, request: Request[E, T]) -> AsyncGenerator[T | EngineSelected]:
        """The output of the first engine that gives it. Raises EngineError: the last one's, or one in mid-output.

        Until the output is committed, what an engine that failed has given is void, and the output starts over with
        another `EngineSelected`.
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
                        request.served_by(candidate.engine.name)
                        yield EngineSelected(candidate.engine.name, tuple(reasons))
                        while piece is not None:
                            request.came(piece)
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
                self.tell(candidate.engine.name, error)
            self.failed(candidate, error)
            if is_last or request.is_committed or not error.repeatable:
                raise error
            reasons.append(str(error))


class _Tries(OutputDeadline):
    """The attempts to get an output from one engine, and the deadline for the next piece of it.

    With other engines at hand, all tries together have `first_output_s` for the first piece. The last engine has as
    long for one try; if it then has to be tried once more, nothing but patience is left, and it has three times as
    long.

    A patient engine has its own, longer time, and is not tried again when that was not enough: it would begin anew.
    """

    def __init__(self, rules: FallbackRules, engine: Engine, *, is_last: bool) -> None:
        self._rules = rules
        self._engine = engine
        self._is_last = is_last
        own_s = engine.first_output_s if isinstance(engine, SlowToStart) else 0.0
        self._is_patient = own_s > rules.first_output_s
        self._first_output_s = max(rules.first_output_s, own_s)
        self._begun_s = time.monotonic()
        self._deadline_s = self._begun_s + self._first_output_s
        self._count = 0
        self._overdue = False
        """The last engine has been given up once because it took too long."""
        self._limit: asyncio.Timeout | None = None
        """Of the wait for the next piece, while that goes on."""
        self._limit_s = 0.0
        """How long that wait may take."""

    def suspend(self) -> None:
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(None)

    def restart(self) -> None:
        if self._limit is not None and not self._limit.expired():
            self._limit_s = max(self._limit_s, self._rules.first_output_s)
            self._deadline_s = time.monotonic() + self._limit_s
            self._limit.reschedule(asyncio.get_running_loop().time() + self._limit_s)

    def first(self) -> AbstractAsyncContextManager[None]:
        """Limits the wait for the first piece. Raises EngineError."""
        whole_s = self._first_output_s
        if self._is_last:
            lasts_longer = not self._is_patient and (self._overdue or not self._rules.retries)
            whole_s *= LAST_PATIENCE if lasts_longer else 1
            self._deadline_s = time.monotonic() + whole_s
        return self._limited(self._left_s, whole_s)

    def following(self, gap_s: float) -> AbstractAsyncContextManager[None]:
        """Limits the wait for the next piece. Raises EngineError."""
        return self._limited(gap_s, gap_s)

    @asynccontextmanager
    async def _limited(self, left_s: float, whole_s: float) -> AsyncIterator[None]:
        self._limit_s = whole_s
        try:
            async with asyncio.timeout(left_s) as self._limit:
                yield
        except TimeoutError:
            self._overdue = self._is_last
            raise overdue(self._engine, round(self._limit_s, 1)) from None
        finally:
            self._limit = None

    async def again(self, error: EngineError) -> bool:
        """Wait as long as is right before another try; or False, at once, if there is to be none."""
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
        """Whether what went wrong may go well the next time. Only the last engine is waited for once more."""
        if fault is not Fault.TIMEOUT:
            return fault in RETRIED
        if self._is_patient:
            return False
        soon = time.monotonic() - self._begun_s < 2 * self._rules.first_output_s
        return self._is_last and self._count == 1 and soon

    @property
    def _left_s(self) -> float:
        return max(0.0, self._deadline_s - time.monotonic())


class AgentFallbackGroup(OutputFallbackGroup[Agent]):
    """Agents. Once a sentence of an answer is spoken a failure is the reply's: no other agent can finish the answer."""

    def reply(
        self,
        history: History,
        wanted: asyncio.Event,
        deadline: OutputDeadline = NO_DEADLINE,
        *,
        style: Style = USUAL,
        stands_in: bool = False,
        stood_in: str = "",
        spoken: asyncio.Event | None = None,
    ) -> AsyncGenerator[str | EngineSelected]:
        answer = _Answer(history, wanted, stands_in, stood_in, spoken, self.rules.first_output_s)
        return self._first_of(style, answer)


@dataclass(slots=True)
class _Answer:
    """An answer that one of several agents gives."""

    history: History
    wanted: asyncio.Event
    stands_in: bool
    stood_in: str
    spoken: asyncio.Event | None
    limit_s: float
    begun: bool = False
    asked_s: float = 0.0

    def ask(
        self, engine: Agent, style: Style, deadline: OutputDeadline, *, stands_in: bool
    ) -> AsyncGenerator[str | EngineSelected]:
        self.asked_s = time.monotonic()
        is_fallback = self.stands_in or stands_in
        return engine.reply(
            self.history, self.wanted, deadline, style=style, stands_in=is_fallback, stood_in=self.stood_in
        )

    def served_by(self, engine: str) -> None:
        """An answer starts over as a whole."""

    def came(self, piece: object) -> None:
        self.begun = True

    @property
    def is_committed(self) -> bool:
        return self.begun if self.spoken is None else self.spoken.is_set()

    @property
    def gap_s(self) -> float:
        """A model that stalls soon after it was asked is given up as early as one that gives nothing."""
        waited_s = time.monotonic() - self.asked_s
        return self.limit_s - waited_s if waited_s < self.limit_s * SOON else self.limit_s


class TextToSpeechFallbackGroup(OutputFallbackGroup[TextToSpeech]):
    """Voices. The rest of a sentence that breaks off is said by the next voice."""

    def __init__(self, engines: Sequence[TextToSpeech], rules: FallbackRules, usual: Style = USUAL) -> None:
        super().__init__(engines, rules, usual)
        self._rates = SpeakingRates()

    def prepare(self, style: Style) -> None:
        """Lets the engine whose voice is wanted fetch that voice, if it is not here yet."""
        for candidate in self._in_order(style):
            if candidate.started and isinstance(candidate.engine, CanPrepare):
                candidate.engine.prepare(self.style_for(candidate, style))

    async def synthesize(
        self, text: str, style: Style = USUAL
    ) -> AsyncGenerator[Audio | WordStarts | EngineSelected | RestOfSentence]:
        words = text.split()
        first = 0
        silent_s = min(self.rules.first_output_s, SILENT_S)
        for voice in range(MAX_VOICES):
            said = SpeechProgress(words[first:])
            rest = text if not first else " ".join(words[first:])
            sentence = _Sentence(rest, said, silent_s, is_relieved=len(self.candidates(style)) > 1)
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
class _Sentence:
    """A sentence, or the rest of one, that one of several voices says: `said` notes how much it has."""

    text: str
    said: SpeechProgress
    silent_s: float
    is_relieved: bool
    """Another voice can take over from one that cannot keep pace."""

    def ask(
        self, engine: TextToSpeech, style: Style, deadline: OutputDeadline, *, stands_in: bool
    ) -> AsyncGenerator[Audio | WordStarts | EngineSelected | RestOfSentence]:
        return engine.synthesize(self.text, style)

    def served_by(self, engine: str) -> None:
        self.said.begin(engine)

    def came(self, piece: object) -> None:
        if isinstance(piece, WordStarts):
            self.said.starts_s = piece.starts_s
        elif isinstance(piece, Audio):
            self.said.duration_s += piece.duration_s

    @property
    def is_committed(self) -> bool:
        return self.said.duration_s > 0

    @property
    def gap_s(self) -> float:
        """A voice may be silent for as long as what it has said still plays, and a little longer."""
        ahead_s = self.said.ahead_s if self.is_relieved else max(0.0, self.said.ahead_s)
        return max(0.0, self.silent_s + ahead_s)


class SpeechToTextFallbackGroup(FallbackGroup[SpeechToText]):
    """Recognisers. A replay buffer keeps an utterance's sound until its final text, so that another can hear it all."""

    async def start(self) -> None:
        """Starts all. If none can be, as on a system without the embedded one, users can still type: nothing is raised.

        The log already says why each of them can't start.
        """
        with suppress(EngineError):
            await super().start()

    @asynccontextmanager
    async def session(self, style: Style = USUAL) -> AsyncIterator[Transcriber]:
        async with AsyncExitStack() as sessions:
            transcriber = TranscriberChain(self, style, sessions)
            await transcriber.open(self.candidates(style)[0])
            yield transcriber


class TranscriberChain:
    """One session's recognisers: the first one stands ready, the others are opened when they are needed."""

    def __init__(self, chain: SpeechToTextFallbackGroup, style: Style, sessions: AsyncExitStack) -> None:
        self._chain = chain
        self._style = style
        self._sessions = sessions
        self._opening = asyncio.Lock()
        self._transcribers: dict[str, Transcriber] = {}

    @property
    def bytes_sent(self) -> int:
        return sum(transcriber.bytes_sent for transcriber in self._transcribers.values())

    async def open(self, candidate: Candidate[SpeechToText]) -> Transcriber:
        """Returns the recogniser's transcriber for this session, which it opens when it is first needed."""
        async with self._opening:
            name = candidate.engine.name
            if name not in self._transcribers:
                session = candidate.engine.session(self._chain.style_for(candidate, self._style))
                self._transcribers[name] = await self._sessions.enter_async_context(session)
            return self._transcribers[name]

    async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript | EngineSelected]:
        """What the first recogniser that can makes of the utterance.

        One that fails is tried once more with the sound in the replay buffer, then the next one. If all fail while the
        user is still speaking, they are tried again until they have heard the whole utterance. One that owes the final
        text is not given up, but relieved: whoever has it first gives it.
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
        """One round through the recognisers, until the final text. Raises the EngineError of the last one."""
        reasons, candidates = self._chain.passed_over(self._style), self._chain.candidates(self._style)
        for candidate in candidates:
            is_last = candidate is candidates[-1]
            yield EngineSelected(candidate.engine.name, tuple(reasons))
            for again in range(self._chain.rules.retries + 1):
                attempts.begin(candidate, await self.open(candidate))
                may_relieve = not is_last or again < self._chain.rules.retries
                limit_s = self._limit_s(is_last=is_last) if may_relieve else None
                try:
                    async with aclosing(attempts.transcripts(limit_s)) as transcripts:
                        async for by, transcript in transcripts:
                            if transcript.final:
                                by.circuit.worked()
                                if by is not candidate:
                                    yield EngineSelected(by.engine.name)
                            yield transcript
                    return
                except EngineError as failure:
                    error = failure
                if again == self._chain.rules.retries or not _may_go_well(error, is_last=is_last):
                    break
                self._chain.tell(candidate.engine.name, error)
            self._chain.failed(candidate, error)
            if is_last:
                raise error
            reasons.append(str(error))

    def _limit_s(self, *, is_last: bool) -> float:
        first_output_s = self._chain.rules.first_output_s
        return first_output_s if is_last else min(first_output_s, FINAL_S)


def _may_go_well(error: EngineError, *, is_last: bool) -> bool:
    """Whether a recogniser that failed like this is to be tried once more, rather than the next one."""
    if error.fault is Fault.TIMEOUT:
        return is_last
    return error.fault in RETRIED and (error.retry_after_s or 0.0) <= LONGEST_RETRY_AFTER_S


class Attempts:
    """The recognisers that are hearing one utterance, side by side. The newest tells; each may have the final first."""

    def __init__(self, sound: ReplayBuffer) -> None:
        self._sound = sound
        self._told: asyncio.Queue[tuple[Candidate[SpeechToText], Transcript | BaseException, int]] = asyncio.Queue()
        self._hearing: dict[int, asyncio.Task[None]] = {}
        self._newest = 0
        self._newest_name = ""
        self._begun_s = 0.0

    async def __aenter__(self) -> Attempts:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._hearing.values():
            task.cancel()
        if self._hearing:
            await asyncio.wait(self._hearing.values())

    def begin(self, candidate: Candidate[SpeechToText], transcriber: Transcriber) -> None:
        """This recogniser hears the utterance from its start. Those that have not failed go on."""
        self._newest += 1
        self._newest_name = candidate.engine.name
        self._begun_s = asyncio.get_running_loop().time()
        number = self._newest
        hearing = asyncio.create_task(
            self._hear(number, candidate, transcriber), name=f"hearing of {candidate.engine.name}"
        )
        hearing.add_done_callback(lambda task: self._ended(number, candidate, task))
        self._hearing[number] = hearing

    async def _hear(self, number: int, candidate: Candidate[SpeechToText], transcriber: Transcriber) -> None:
        async with aclosing(transcriber.transcribe(self._sound)) as transcripts:
            async for transcript in transcripts:
                if isinstance(transcript, Transcript):
                    self._told.put_nowait((candidate, transcript, number))
                    if transcript.final:
                        return
        raise EngineError(candidate.engine.name, "ended without a final text")

    def _ended(self, number: int, candidate: Candidate[SpeechToText], hearing: asyncio.Task[None]) -> None:
        """Whoever waits for the transcripts is told of a failure, and raises it."""
        if not hearing.cancelled() and (failure := hearing.exception()) is not None:
            self._told.put_nowait((candidate, failure, number))

    async def transcripts(self, limit_s: float | None) -> AsyncGenerator[tuple[Candidate[SpeechToText], Transcript]]:
        """What the newest one makes of the utterance, until somebody has the final text.

        Raises EngineError if the newest one fails, or owes the final for longer than `limit_s`. With None there is
        none to try after it: it may take its time, and if it fails the others are waited for.
        """
        newest = self._newest
        while True:
            candidate, told, number = await self._next(limit_s)
            if isinstance(told, Transcript):
                if number == newest or told.final:
                    yield candidate, told
                if told.final:
                    return
            elif not isinstance(told, EngineError):
                raise told
            else:
                del self._hearing[number]
                if not self._hearing or (number == newest and limit_s is not None):
                    raise told

    async def _next(self, limit_s: float | None) -> tuple[Candidate[SpeechToText], Transcript | BaseException, int]:
        if limit_s is None:
            return await self._told.get()
        try:
            async with self._sound.limit_after_end(limit_s, self._begun_s):
                return await self._told.get()
        except TimeoutError:
            raise EngineError(self._newest_name, f"nothing came within {limit_s:g} s", fault=Fault.TIMEOUT) from None
