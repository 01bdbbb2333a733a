"""Several engines of a stage as one: what one of them can't do, the next one does in the same turn.

Before its first output a failed engine is tried again or another takes over, whichever is sooner; after it the failure
is passed on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TypeVar

from voicebot.core.audio import Audio
from voicebot.core.history import History
from voicebot.engines.base import (
    Agent,
    Engine,
    EngineError,
    Fault,
    Pause,
    Served,
    SpeechToText,
    TextToSpeech,
    Transcriber,
    Transcript,
    WordStarts,
    nobody_waits,
)
from voicebot.engines.chain import Chain, FallbackRules, Link, overdue
from voicebot.engines.recording import Recording

RETRIED = frozenset({Fault.UNREACHABLE, Fault.SERVER, Fault.BROKEN, Fault.LIMITED})
"""What may be gone a moment later. A key or a request that was not accepted will not be the next time either."""

LONGEST_RETRY_AFTER_S = 2.0
"""A service that wants to be left alone for longer is not waited for."""

E = TypeVar("E", bound=Engine)
T = TypeVar("T")


class OutputChain(Chain[E]):
    """A chain of engines that are asked for something and give it piece by piece."""

    async def _first_of(
        self, work: Callable[[E, Callable[[bool], None], bool], AsyncGenerator[T]]
    ) -> AsyncGenerator[T | Served]:
        """The output of the first engine that gives any. Raises EngineError: the last one's, or one in mid-output.

        `work` is given a function by which an engine can `hold` its first output back, and whether it stands in for
        others.
        """
        reasons, links = self.passed_over(), self.candidates()
        for link, is_last in zip(links, [*[False] * (len(links) - 1), True], strict=True):
            tries = _Tries(self.rules, patient=is_last)
            while True:
                async with aclosing(work(link.engine, tries.hold, bool(reasons))) as outputs:
                    try:
                        first = await tries.first(link.engine, outputs)
                    except EngineError as failure:
                        error = failure
                    else:
                        yield Served(link.engine.name, tuple(reasons))
                        try:
                            yield first
                            async for output in outputs:
                                yield output
                        except EngineError as failure:
                            self.failed(link, failure)
                            raise
                        link.circuit.worked()
                        return
                if not await tries.again(error):
                    break
                self.tell(link.engine.name, error)
            self.failed(link, error)
            if is_last or not error.repeatable:
                raise error
            reasons.append(str(error))


class _Tries:
    """The attempts to get a first output from one engine."""

    def __init__(self, rules: FallbackRules, *, patient: bool) -> None:
        self._rules = rules
        self._deadline_s = None if patient else time.monotonic() + rules.first_output_s
        self._count = 0
        self._limit: asyncio.Timeout | None = None
        """Of the wait for a first output, if that goes on and has one."""

    def hold(self, held: bool) -> None:
        """The first output may take as long as it wants; or, from now on, no longer than usual."""
        if self._limit is None or self._limit.expired():
            return
        if held:
            self._limit.reschedule(None)
        else:
            self._deadline_s = time.monotonic() + self._rules.first_output_s
            self._limit.reschedule(asyncio.get_running_loop().time() + self._rules.first_output_s)

    async def first(self, engine: Engine, outputs: AsyncGenerator[T]) -> T:
        """The first output. Raises EngineError."""
        try:
            async with asyncio.timeout(self._left_s) as limit:
                self._limit = None if self._deadline_s is None else limit
                return await anext(outputs)
        except TimeoutError:
            raise overdue(engine, self._rules.first_output_s) from None
        except StopAsyncIteration:
            raise EngineError(engine.name, "gave nothing") from None
        finally:
            self._limit = None

    async def again(self, error: EngineError) -> bool:
        """Wait as long as is right before another try; or False, at once, if there is to be none."""
        wait_s = self._rules.backoff_s * 2**self._count
        if error.retry_after_s is not None:
            wait_s = error.retry_after_s
        self._count += 1
        left_s = self._left_s
        if (
            self._count > self._rules.retries
            or not error.repeatable
            or error.fault not in RETRIED
            or wait_s > LONGEST_RETRY_AFTER_S
            or (left_s is not None and wait_s >= left_s)
        ):
            return False
        await asyncio.sleep(wait_s)
        return True

    @property
    def _left_s(self) -> float | None:
        return None if self._deadline_s is None else max(0.0, self._deadline_s - time.monotonic())


class AgentChain(OutputChain[Agent]):
    """Agents. After the first token a failure is the reply's: half an answer can't be finished by another."""

    async def reply(
        self,
        history: History,
        wanted: asyncio.Event,
        hold: Callable[[bool], None] = nobody_waits,
        *,
        stands_in: bool = False,
        stood_in: str = "",
    ) -> AsyncGenerator[str | Served]:
        def work(agent: Agent, hold_first: Callable[[bool], None], for_others: bool) -> AsyncGenerator[str | Served]:
            return agent.reply(history, wanted, hold_first, stands_in=stands_in or for_others, stood_in=stood_in)

        async with aclosing(self._first_of(work)) as tokens:
            async for token in tokens:
                yield token


class TextToSpeechChain(OutputChain[TextToSpeech]):
    """Voices. A sentence that breaks off is not begun again: the next one comes from another engine."""

    async def synthesize(self, text: str) -> AsyncGenerator[Audio | WordStarts | Served]:
        async with aclosing(self._first_of(lambda voice, *_: voice.synthesize(text))) as pieces:
            async for piece in pieces:
                yield piece


class SpeechToTextChain(Chain[SpeechToText]):
    """Recognisers. The sound of an utterance is kept until its final text, so that another one can hear it all."""

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Transcriber]:
        async with AsyncExitStack() as sessions:
            transcriber = TranscriberChain(self, sessions)
            await transcriber.prepare(self.candidates()[0])
            yield transcriber


class TranscriberChain:
    """One session's recognisers: the first one stands ready, the others are opened when they are needed."""

    def __init__(self, chain: SpeechToTextChain, sessions: AsyncExitStack) -> None:
        self._chain = chain
        self._sessions = sessions
        self._opening = asyncio.Lock()
        self._transcribers: dict[str, Transcriber] = {}

    @property
    def bytes_sent(self) -> int:
        return sum(transcriber.bytes_sent for transcriber in self._transcribers.values())

    async def prepare(self, link: Link[SpeechToText]) -> Transcriber:
        async with self._opening:
            name = link.engine.name
            if name not in self._transcribers:
                self._transcribers[name] = await self._sessions.enter_async_context(link.engine.session())
            return self._transcribers[name]

    async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript | Served]:
        reasons, links = self._chain.passed_over(), self._chain.candidates()
        async with Recording.of(audio) as recording:
            for link in links:
                is_last = link is links[-1]
                try:
                    async with aclosing(self._transcripts(link, recording, patient=is_last)) as transcripts:
                        yield Served(link.engine.name, tuple(reasons))
                        async for transcript in transcripts:
                            yield transcript
                except EngineError as error:
                    self._chain.failed(link, error)
                    if is_last:
                        raise
                    reasons.append(str(error))
                else:
                    link.circuit.worked()
                    return

    async def _transcripts(
        self, link: Link[SpeechToText], recording: Recording, *, patient: bool
    ) -> AsyncGenerator[Transcript | Served]:
        """Until the final, which is owed soon after the sound has ended. Raises EngineError."""
        transcriber = await self.prepare(link)
        limit_s = None if patient else self._chain.rules.first_output_s
        begun_s = asyncio.get_running_loop().time()
        async with aclosing(transcriber.transcribe(recording.sound())) as transcripts:
            while True:
                try:
                    async with asyncio.timeout(None) as patience:
                        if limit_s is not None:
                            recording.at_end(lambda ended_s: patience.reschedule(max(ended_s, begun_s) + limit_s))
                        transcript = await anext(transcripts)
                except TimeoutError:
                    assert limit_s is not None
                    raise overdue(link.engine, limit_s) from None
                except StopAsyncIteration:
                    raise EngineError(link.engine.name, "ended without a final text") from None
                finally:
                    recording.at_end(None)
                yield transcript
                if isinstance(transcript, Transcript) and transcript.final:
                    return
