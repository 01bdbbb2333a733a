"""Uses an open connection to Deepgram until it is lost: sends sound and finalize requests, and reads results."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import Protocol

from websockets.exceptions import WebSocketException

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.stt.deepgram.audio_ledger import AudioChunk, AudioLedger, FinalizeRequest
from voicebot.engines.stt.deepgram.protocol import ENGINE, ListenConnection


class ConnectionUser(Protocol):
    """The session to which a connection reports."""

    def count_sent(self, size: int) -> None:
        """Counts a piece of sound of `size` bytes that was sent."""
        ...

    def tell_news(self) -> None:
        """Passes on new transcripts, as the ledger has changed."""
        ...


class ConnectionRunner:
    """Sends what the ledger has to send, and gives the results to the ledger."""

    def __init__(
        self,
        connection: ListenConnection,
        ledger: AudioLedger,
        user: ConnectionUser,
        *,
        answer_timeout_s: float,
        keep_alive_s: float,
    ) -> None:
        self._connection = connection
        self._ledger = ledger
        self._user = user
        self._answer_timeout_s = answer_timeout_s
        self._keep_alive_s = keep_alive_s
        self._woken = asyncio.Event()
        self._unanswered: deque[tuple[float, FinalizeRequest]] = deque()
        """The requests without an answer, each with the time when it is overdue."""

    def wake(self) -> None:
        """Tells the runner that the ledger may have something to send."""
        self._woken.set()

    async def run(self) -> EngineError:
        """Uses the connection until it is lost, and returns the reason."""
        self._ledger.restart_stream()
        # No TaskGroup: if one of its tasks fails just as the group is cancelled, the cancellation is lost.
        sending = asyncio.create_task(self._send(), name="deepgram out")
        receiving = asyncio.create_task(self._receive(), name="deepgram in")
        both = [sending, receiving]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            receiving.cancel()
            await asyncio.wait(both)
        return _loss_reason([task.exception() for task in both if not task.cancelled()])

    async def _receive(self) -> None:
        async with aclosing(self._connection.results()) as results:
            async for result in results:
                self._ledger.add_result(result)
                self._user.tell_news()
        raise EngineError(ENGINE, "the service closed the connection")

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        quiet_since_s = loop.time()
        while True:
            self._woken.clear()
            match self._ledger.next_item():
                case AudioChunk(pcm):
                    await self._connection.send_audio(pcm)
                    self._user.count_sent(len(pcm))
                    quiet_since_s = loop.time()
                    await asyncio.sleep(0)  # sending hardly ever waits, and after a lost connection there may be much
                case FinalizeRequest() as request:
                    if (silence_s := await self._connection.request_final(closing=request.closing)) is not None:
                        self._expect_answer(request, silence_s)
                case None:
                    await self._wait_until(quiet_since_s + self._keep_alive_s)
                    if loop.time() >= quiet_since_s + self._keep_alive_s:
                        await self._connection.keep_alive()
                        quiet_since_s = loop.time()
            self._check_answers()

    async def _wait_until(self, deadline_s: float) -> None:
        """Waits until there is something to send, until an answer is overdue, or until the deadline."""
        if self._unanswered:
            deadline_s = min(deadline_s, self._unanswered[0][0])
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline_s):
                await self._woken.wait()

    def _expect_answer(self, request: FinalizeRequest, silence_s: float) -> None:
        self._ledger.add_silence(silence_s)
        self._unanswered.append((asyncio.get_running_loop().time() + self._answer_timeout_s, request))

    def _check_answers(self) -> None:
        """Handles an overdue answer. Deepgram may leave a request unanswered if there was little to recognise.

        Raises EngineError if there is no other way to learn the words.
        """
        while self._unanswered and not self._ledger.needs_answer(self._unanswered[0][1]):
            self._unanswered.popleft()
        if self._unanswered and asyncio.get_running_loop().time() >= self._unanswered[0][0]:
            _, request = self._unanswered.popleft()
            if (silence_s := self._connection.request_final_differently()) is not None:
                self._expect_answer(request, silence_s)
            elif self._ledger.settle(request):
                self._user.tell_news()
            else:
                raise EngineError(ENGINE, "no words came in time", fault=Fault.TIMEOUT)


def _loss_reason(errors: Sequence[BaseException | None]) -> EngineError:
    """Returns the error that says most about the loss. Raises an error that is not about the connection."""
    reason = EngineError(ENGINE, "the connection broke")
    for error in errors:
        if isinstance(error, EngineError):
            reason = error
        elif error is not None and not isinstance(error, (WebSocketException, OSError)):
            raise error
    return reason
