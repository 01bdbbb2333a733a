"""One connection to Deepgram in use: sound and requests out, results in, until it is lost."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import Protocol

from websockets.exceptions import WebSocketException

from voicebot.engines.base import EngineError, Fault
from voicebot.engines.stt.deepgram.audio_ledger import AudioLedger, FinalizeRequest, Sound
from voicebot.engines.stt.deepgram.service import ENGINE, Line


class ConnectionUser(Protocol):
    """Whose sound goes over a connection, and who waits for the words."""

    def count_sent(self, size: int) -> None:
        """A piece of sound of `size` bytes has been sent."""
        ...

    def tell_news(self) -> None:
        """The ledger has learnt something: there may be transcripts to tell."""
        ...


class Connection:
    """Sends what the ledger has to send and gives it the results."""

    def __init__(
        self,
        line: Line,
        ledger: AudioLedger,
        user: ConnectionUser,
        *,
        answer_timeout_s: float,
        keep_alive_s: float,
    ) -> None:
        self._line = line
        self._ledger = ledger
        self._user = user
        self._answer_timeout_s = answer_timeout_s
        self._keep_alive_s = keep_alive_s
        self._news = asyncio.Event()
        self._requests: deque[tuple[float, FinalizeRequest]] = deque()
        """What was asked and has no answer yet, and when one is overdue."""

    def wake(self) -> None:
        """The ledger may have something to send."""
        self._news.set()

    async def run(self) -> EngineError:
        """Until the connection is lost. Gives the reason."""
        self._ledger.restart()
        # No TaskGroup: when one of its tasks fails just as it is cancelled itself, the cancellation is lost.
        sending = asyncio.create_task(self._send(), name="deepgram out")
        receiving = asyncio.create_task(self._receive(), name="deepgram in")
        both = [sending, receiving]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            receiving.cancel()
            await asyncio.wait(both)
        return _reason([task.exception() for task in both if not task.cancelled()])

    async def _receive(self) -> None:
        async with aclosing(self._line.results()) as results:
            async for result in results:
                self._ledger.take(result)
                self._user.tell_news()
        raise EngineError(ENGINE, "the service closed the connection")

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        quiet_since_s = loop.time()
        while True:
            self._news.clear()
            match self._ledger.next():
                case Sound(pcm):
                    await self._line.send(pcm)
                    self._user.count_sent(len(pcm))
                    quiet_since_s = loop.time()
                    await asyncio.sleep(0)  # sending hardly ever waits, and there may be much to send again
                case FinalizeRequest() as request:
                    if (silence_s := await self._line.ask(request)) is not None:
                        self._expect(request, silence_s)
                case None:
                    await self._wait(quiet_since_s + self._keep_alive_s)
                    if loop.time() >= quiet_since_s + self._keep_alive_s:
                        await self._line.keep_alive()
                        quiet_since_s = loop.time()
            self._check_answers()

    async def _wait(self, until_s: float) -> None:
        """For something to send, but no longer than until then, or until an answer is overdue."""
        if self._requests:
            until_s = min(until_s, self._requests[0][0])
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until_s):
                await self._news.wait()

    def _expect(self, request: FinalizeRequest, silence_s: float) -> None:
        self._ledger.add_silence(silence_s)
        self._requests.append((asyncio.get_running_loop().time() + self._answer_timeout_s, request))

    def _check_answers(self) -> None:
        """Raises EngineError if an answer does not come. Deepgram need not answer if there is little to say."""
        while self._requests and not self._ledger.waits_for(self._requests[0][1]):
            self._requests.popleft()
        if self._requests and asyncio.get_running_loop().time() >= self._requests[0][0]:
            _, request = self._requests.popleft()
            if (silence_s := self._line.insist()) is not None:
                self._expect(request, silence_s)
            elif self._ledger.settle(request):
                self._user.tell_news()
            else:
                raise EngineError(ENGINE, "no words came in time", fault=Fault.TIMEOUT)


def _reason(errors: Sequence[BaseException | None]) -> EngineError:
    """What tells more about the loss; an error that is none is raised."""
    reason = EngineError(ENGINE, "the connection broke")
    for error in errors:
        if isinstance(error, EngineError):
            reason = error
        elif error is not None and not isinstance(error, (WebSocketException, OSError)):
            raise error
    return reason
