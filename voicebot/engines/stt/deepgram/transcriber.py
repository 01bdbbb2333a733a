"""One session's use of Deepgram: a connection kept open from before the first word on, and the utterances over it."""

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
from voicebot.engines.stt.deepgram.connection import Connection
from voicebot.engines.stt.deepgram.problems import again
from voicebot.engines.stt.deepgram.service import ENGINE, Service
from voicebot.engines.stt.deepgram.utterance import Utterance

logger = logging.getLogger(__name__)

FOR_GOOD = frozenset({Fault.DENIED, Fault.UNPAID, Fault.REJECTED})
"""To try again would not help."""

REFUSED_S = 30.0
"""But after so long the next utterance does: somebody may have paid the bill, and a session must not go on saying what
was true when it began."""

FOR_NOW = frozenset({Fault.LIMITED, Fault.TIMEOUT})
"""To try again at once would not help, or take too long."""

TIMEOUTS = 2
"""So many answers may fail to come in one utterance: the service hangs."""

LASTING_S = 5.0
"""A connection that lasted so long was a good one: the next is opened at once."""

LONGEST_S = 1.0
"""The longest wait for the next attempt while somebody speaks."""

IDLE_S, LONGEST_IDLE_S = 0.5, 30.0
"""The first wait while nobody speaks, which then doubles, and the longest."""

ALMOST_S = 0.05
"""Who was told when to come back may be so much too early."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for what, and how often it is tried again."""

    answer_s: float
    """For the words of what was said, once they are asked for."""
    keep_alive_s: float
    """Without a message to the service, before one is sent to keep the connection."""
    attempts: int
    """To open a connection, in a row, while somebody speaks."""
    drops: int
    """Of the connection, in one utterance."""
    backoff_s: float
    """Before the third of them, and twice that before each next: the first and second are tried at once."""


@dataclass(slots=True)
class _Hearing:
    """An utterance that somebody waits for the words of."""

    told: asyncio.Queue[Transcript | BaseException] = field(default_factory=asyncio.Queue)
    failures: int = 0
    drops: int = 0
    timeouts: int = 0
    failed: bool = False

    def fail(self, error: EngineError) -> None:
        self.failed = True
        self.told.put_nowait(again(error))


class DeepgramTranscriber:
    """`keep` must run for the whole session."""

    def __init__(self, service: Service, patience: Patience) -> None:
        self.bytes_sent = 0
        self._service = service
        self._endpointing_delays = patience
        self._ledger = AudioLedger(at_pauses=service.at_pauses, piece_s=service.piece_s)
        self._hearings: dict[Utterance, _Hearing] = {}
        self._connection: Connection | None = None
        self._wanted = asyncio.Event()
        """Somebody speaks: a connection is needed at once."""
        self._refusal: EngineError | None = None
        """Why no connection is tried to be opened before `_refused_until_s`."""
        self._refused_until_s = 0.0

    async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
        self._raise_refusal()
        utterance, hearing = self._ledger.begin(), _Hearing()
        self._hearings[utterance] = hearing
        self._wanted.set()
        listening = asyncio.create_task(self._listen(audio, utterance), name="deepgram audio")
        listening.add_done_callback(lambda task: _tell_failure(task, hearing))
        try:
            while True:
                told = await hearing.told.get()
                if isinstance(told, BaseException):
                    raise told
                yield told
                if told.final:
                    return
        finally:
            listening.cancel()
            await asyncio.wait([listening])
            self._forget(utterance)

    async def _listen(self, audio: AsyncIterable[Audio | Pause], utterance: Utterance) -> None:
        async for item in audio:
            match item:
                case Audio(samples):
                    utterance.receive_audio(samples)
                case Pause(number):
                    utterance.pause(number)
            self._changed()
        utterance.end()
        self._changed()

    def _changed(self) -> None:
        self.tell_news()
        if self._connection is not None:
            self._connection.wake()

    def tell_news(self) -> None:
        """Tells those who wait for words what is new."""
        for utterance, hearing in self._hearings.items():
            for transcript in utterance.news():
                hearing.told.put_nowait(transcript)

    def _forget(self, utterance: Utterance) -> None:
        self._ledger.close(utterance)
        del self._hearings[utterance]
        self._changed()

    # The connection -----------------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Keeps a connection open: opened at once, and again when it is lost."""
        loop = asyncio.get_running_loop()
        troubles = 0
        try:
            while True:
                self._wanted.clear()
                self._refusal = None
                begun_s = loop.time()
                error, opened = await self._connect()
                logger.info("connection lost" if opened else "no connection", extra={"error": str(error)})
                lasted = opened and loop.time() - begun_s >= LASTING_S
                troubles = 0 if lasted else troubles + 1
                for hearing in self._waiting:
                    self._trouble(hearing, error, opened=opened)
                await self._rest(error, troubles)
        finally:
            self._refusal, self._refused_until_s = EngineError(ENGINE, "the session is over"), math.inf
            for hearing in self._waiting:
                hearing.fail(self._refusal)

    async def _connect(self) -> tuple[EngineError, bool]:
        """Opens a connection and uses it until it is lost. Gives the reason, and whether it was open."""
        try:
            async with self._service.line() as line:
                for hearing in self._waiting:
                    hearing.failures = 0
                self._connection = Connection(
                    line,
                    self._ledger,
                    self,
                    answer_timeout_s=self._endpointing_delays.answer_s,
                    keep_alive_s=self._endpointing_delays.keep_alive_s,
                )
                return await self._connection.run(), True
        except EngineError as error:
            return error, False
        finally:
            self._connection = None

    def count_sent(self, size: int) -> None:
        self.bytes_sent += size

    @property
    def _waiting(self) -> list[_Hearing]:
        return [hearing for hearing in self._hearings.values() if not hearing.failed]

    def _trouble(self, hearing: _Hearing, error: EngineError, *, opened: bool) -> None:
        """Those who have met too much of it get the error."""
        if opened:
            hearing.drops += 1
            hearing.timeouts += error.fault is Fault.TIMEOUT
            if hearing.drops > self._endpointing_delays.drops or hearing.timeouts >= TIMEOUTS:
                hearing.fail(error)
        else:
            hearing.failures += 1
            if error.fault in FOR_GOOD | FOR_NOW or hearing.failures >= self._endpointing_delays.attempts:
                hearing.fail(error)

    async def _rest(self, error: EngineError, troubles: int) -> None:
        """Before the next attempt: a moment if somebody speaks, else longer and longer until somebody does."""
        if waiting := self._waiting:
            tried = max(hearing.failures + hearing.drops for hearing in waiting)
            if tried > 1:
                await asyncio.sleep(min(self._endpointing_delays.backoff_s * 2 ** (tried - 2), LONGEST_S))
            return
        delay_s = min(IDLE_S * 2 ** (troubles - 1), LONGEST_IDLE_S) if troubles else 0.0
        if error.retry_after_s is not None:
            delay_s = max(delay_s if troubles > 1 else 0.0, error.retry_after_s)
        if error.fault in FOR_GOOD or error.fault is Fault.LIMITED:
            refused_s = REFUSED_S if error.fault in FOR_GOOD else delay_s
            self._refusal, self._refused_until_s = error, asyncio.get_running_loop().time() + refused_s
        if error.fault in FOR_GOOD:
            delay_s = math.inf
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._wanted.wait()

    def _raise_refusal(self) -> None:
        """What was refused is not asked for again by every utterance, only when its time has come."""
        remaining_s = self._refused_until_s - asyncio.get_running_loop().time()
        if self._refusal is not None and remaining_s > ALMOST_S:
            error = again(self._refusal)
            if error.retry_after_s is not None:
                error.retry_after_s = remaining_s
            raise error


def _tell_failure(listening: asyncio.Task[None], hearing: _Hearing) -> None:
    """Whoever waits for words learns that the source of the sound failed."""
    if not listening.cancelled() and (error := listening.exception()) is not None:
        hearing.told.put_nowait(error)
