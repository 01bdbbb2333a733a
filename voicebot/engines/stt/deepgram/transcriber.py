"""One session's use of Deepgram: a connection that is open before the first word, and the utterances sent over it."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import suppress
from dataclasses import dataclass, field

from voicebot.audio.sound import Audio
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import Pause, Transcript
from voicebot.engines.stt.deepgram.audio_ledger import AudioLedger
from voicebot.engines.stt.deepgram.connection import ConnectionRunner
from voicebot.engines.stt.deepgram.protocol import ENGINE, ListenService
from voicebot.engines.stt.deepgram.sdk import copy_of
from voicebot.engines.stt.deepgram.utterance import StreamedUtterance

logger = logging.getLogger(__name__)

LASTING_FAULTS = frozenset({Fault.DENIED, Fault.UNPAID, Fault.REJECTED})
"""Faults after which another attempt makes no sense."""

REFUSED_S = 30.0
"""After a lasting fault, utterances fail at once for this long. Then one tries again: the bill may have been paid."""

TEMPORARY_FAULTS = frozenset({Fault.LIMITED, Fault.TIMEOUT})
"""Faults after which another attempt at once would fail, too, or take too long."""

MAX_TIMEOUTS = 2
"""When this many answers of one utterance have not come in time, the service hangs."""

GOOD_CONNECTION_S = 5.0
"""After a connection that lasted this long, the next one is opened at once."""

MAX_BACKOFF_S = 1.0
"""The longest wait for the next attempt while somebody speaks."""

IDLE_S, MAX_IDLE_S = 0.5, 30.0
"""The first and the longest wait while nobody speaks. Each wait is twice as long as the one before."""

RETRY_TOLERANCE_S = 0.05
"""An utterance may try this much earlier than the service's Retry-After says."""


MAX_ATTEMPTS = 4
"""This many connections in a row are tried while somebody speaks."""


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """Time limits of connections, and how often they are opened again."""

    open_timeout_s: float = 3.0
    answer_timeout_s: float = 4.0
    """The longest wait for words that were asked for. Deepgram needs 0.25 s, and 0.33 s at the 99th percentile."""
    keep_alive_s: float = 4.0
    """After this time without sound a message keeps the connection open. Deepgram closes it after 10 s, and recommends
    3 to 5 s."""
    drops: int = 8
    """How often the connection may break in one utterance."""
    backoff_s: float = 0.1
    """The wait before the third attempt, which doubles with each further one. The first two are made at once."""


@dataclass(slots=True)
class _Waiter:
    """The caller that waits for the transcripts of one utterance, and the failures that have hit the utterance."""

    transcripts: asyncio.Queue[Transcript | BaseException] = field(default_factory=asyncio.Queue)
    failures: int = 0
    drops: int = 0
    timeouts: int = 0
    failed: bool = False

    def fail(self, error: EngineError) -> None:
        self.failed = True
        self.transcripts.put_nowait(copy_of(error))


class DeepgramTranscriber:
    """The recogniser of one session. `keep_connected` must run for the whole session."""

    def __init__(self, service: ListenService, policy: ConnectionPolicy) -> None:
        self.bytes_sent = 0
        self._service = service
        self._policy = policy
        self._ledger = AudioLedger(at_pauses=service.finalizes_at_pauses, min_chunk_s=service.min_chunk_s)
        self._waiters: dict[StreamedUtterance, _Waiter] = {}
        self._runner: ConnectionRunner | None = None
        self._wanted = asyncio.Event()
        """Is set when somebody begins to speak, so that a connection is needed at once."""
        self._refusal: EngineError | None = None
        """Why no connection is tried before `_refused_until_s`."""
        self._refused_until_s = 0.0

    async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
        self._raise_refusal()
        utterance, waiter = self._ledger.begin_utterance(), _Waiter()
        self._waiters[utterance] = waiter
        self._wanted.set()
        reading = asyncio.create_task(self._read(audio, utterance), name="deepgram audio")
        reading.add_done_callback(lambda task: _tell_failure(task, waiter))
        try:
            while True:
                item = await waiter.transcripts.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
                if item.final:
                    return
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            self._ledger.close_utterance(utterance)
            del self._waiters[utterance]
            self._notice_change()

    async def _read(self, audio: AsyncIterable[Audio | Pause], utterance: StreamedUtterance) -> None:
        async for item in audio:
            match item:
                case Audio(samples):
                    utterance.add_audio(samples)
                case Pause(number):
                    utterance.add_pause(number)
            self._notice_change()
        utterance.end()
        self._notice_change()

    def _notice_change(self) -> None:
        self.tell_news()
        if self._runner is not None:
            self._runner.wake()

    def tell_news(self) -> None:
        """Gives new transcripts to the callers that wait for them."""
        for utterance, waiter in self._waiters.items():
            for transcript in utterance.new_transcripts():
                waiter.transcripts.put_nowait(transcript)

    # The connection -----------------------------------------------------------------------------------------------

    async def keep_connected(self) -> None:
        """Opens a connection at once, and another one whenever it is lost."""
        loop = asyncio.get_running_loop()
        troubles = 0
        try:
            while True:
                self._wanted.clear()
                self._refusal = None
                begun_s = loop.time()
                error, opened = await self._use_connection()
                logger.info("connection lost" if opened else "no connection", extra={"error": str(error)})
                was_good = opened and loop.time() - begun_s >= GOOD_CONNECTION_S
                troubles = 0 if was_good else troubles + 1
                for waiter in self._unfailed_waiters:
                    self._count_trouble(waiter, error, opened=opened)
                await self._wait_before_next_attempt(error, troubles)
        finally:
            self._refusal, self._refused_until_s = EngineError(ENGINE, "the session is over"), math.inf
            for waiter in self._unfailed_waiters:
                waiter.fail(self._refusal)

    async def _use_connection(self) -> tuple[EngineError, bool]:
        """Opens a connection and uses it until it is lost. Returns the reason, and whether it was open."""
        try:
            async with self._service.connect() as connection:
                for waiter in self._unfailed_waiters:
                    waiter.failures = 0
                self._runner = ConnectionRunner(
                    connection,
                    self._ledger,
                    self,
                    answer_timeout_s=self._policy.answer_timeout_s,
                    keep_alive_s=self._policy.keep_alive_s,
                )
                return await self._runner.run(), True
        except EngineError as error:
            return error, False
        finally:
            self._runner = None

    def count_sent(self, size: int) -> None:
        self.bytes_sent += size

    @property
    def _unfailed_waiters(self) -> list[_Waiter]:
        return [waiter for waiter in self._waiters.values() if not waiter.failed]

    def _count_trouble(self, waiter: _Waiter, error: EngineError, *, opened: bool) -> None:
        """Fails an utterance that has met too much trouble."""
        if opened:
            waiter.drops += 1
            waiter.timeouts += error.fault is Fault.TIMEOUT
            if waiter.drops > self._policy.drops or waiter.timeouts >= MAX_TIMEOUTS:
                waiter.fail(error)
        else:
            waiter.failures += 1
            if error.fault in LASTING_FAULTS | TEMPORARY_FAULTS or waiter.failures >= MAX_ATTEMPTS:
                waiter.fail(error)

    async def _wait_before_next_attempt(self, error: EngineError, troubles: int) -> None:
        """Waits a moment if somebody speaks. Otherwise waits longer after each trouble, until somebody speaks."""
        if waiters := self._unfailed_waiters:
            attempts = max(waiter.failures + waiter.drops for waiter in waiters)
            if attempts > 1:
                await asyncio.sleep(min(self._policy.backoff_s * 2 ** (attempts - 2), MAX_BACKOFF_S))
            return
        delay_s = min(IDLE_S * 2 ** (troubles - 1), MAX_IDLE_S) if troubles else 0.0
        if error.retry_after_s is not None:
            delay_s = max(delay_s if troubles > 1 else 0.0, error.retry_after_s)
        if error.fault in LASTING_FAULTS or error.fault is Fault.LIMITED:
            refused_s = REFUSED_S if error.fault in LASTING_FAULTS else delay_s
            self._refusal, self._refused_until_s = error, asyncio.get_running_loop().time() + refused_s
        if error.fault in LASTING_FAULTS:
            delay_s = math.inf
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._wanted.wait()

    def _raise_refusal(self) -> None:
        """Raises the service's refusal while it lasts, so that not every utterance asks again."""
        remaining_s = self._refused_until_s - asyncio.get_running_loop().time()
        if self._refusal is not None and remaining_s > RETRY_TOLERANCE_S:
            error = copy_of(self._refusal)
            if error.retry_after_s is not None:
                error.retry_after_s = remaining_s
            raise error


def _tell_failure(reading: asyncio.Task[None], waiter: _Waiter) -> None:
    """Passes a failure of the audio source to the caller that waits for transcripts."""
    if not reading.cancelled() and (error := reading.exception()) is not None:
        waiter.transcripts.put_nowait(error)
