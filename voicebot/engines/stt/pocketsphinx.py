"""Embedded speech-to-text: PocketSphinx with the US English model of its wheel, in worker processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager

from voicebot.core.audio import Audio
from voicebot.engines.base import EngineError, Pause, Transcript
from voicebot.engines.worker.frames import Kind, Message
from voicebot.engines.worker.pool import Job, WorkerPool

_FINAL_S = 30.0
"""How long the last decode may take after the end of the audio: some seconds for a minute of speech."""


class PocketSphinx:
    """PocketSphinx: English only, weak on free dictation, but needs nothing from outside."""

    name = "pocketsphinx"
    languages = frozenset({"en"})

    def __init__(self, workers: int = 2) -> None:
        self._pool = WorkerPool(self.name, "voicebot.engines.stt.pocketsphinx_worker", workers)

    async def start(self) -> None:
        await self._pool.start()

    async def close(self) -> None:
        await self._pool.close()

    async def probe(self) -> None:
        """Workers that have started can work."""

    @asynccontextmanager
    async def session(self) -> AsyncIterator[PocketSphinxTranscriber]:
        """Its workers belong to nobody: each utterance takes one."""
        yield PocketSphinxTranscriber(self._pool)


class PocketSphinxTranscriber:
    """One session's use of the workers."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self.bytes_sent = 0

    async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
        leased: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        waiting: list[Message] = []
        feeding = asyncio.create_task(self._feed(audio, waiting, leased), name="pocketsphinx audio")
        try:
            async with self._pool.job(Message(Kind.START)) as job:
                leased.set_result(job)
                await _send(waiting, job)
                while (message := await self._next(job, feeding)) is not None:
                    yield _transcript(message)
        finally:
            feeding.cancel()
            await asyncio.wait([feeding])

    async def _feed(
        self, audio: AsyncIterable[Audio | Pause], waiting: list[Message], leased: asyncio.Future[Job]
    ) -> None:
        """Sends the audio as it comes; what comes before there is a worker is kept in `waiting`."""
        async for item in audio:
            message = _input(item)
            waiting.append(message)
            self.bytes_sent += len(message.body)
            if leased.done():
                await _send(waiting, leased.result())
        waiting.append(Message(Kind.END))
        await _send(waiting, await leased)

    async def _next(self, job: Job, feeding: asyncio.Task[None]) -> Message | None:
        """The job's next message. Raises what the audio's source raised, and EngineError if the final is overdue."""
        receiving = asyncio.create_task(job.receive(), name="pocketsphinx words")
        try:
            if not feeding.done():
                await asyncio.wait({receiving, feeding}, return_when=asyncio.FIRST_COMPLETED)
            if feeding.done():
                feeding.result()
                await asyncio.wait({receiving}, timeout=_FINAL_S)
                if not receiving.done():
                    raise EngineError(PocketSphinx.name, f"no final text within {_FINAL_S:g} s of the end of the audio")
            return await receiving
        finally:
            receiving.cancel()
            await asyncio.wait([receiving])


async def _send(waiting: list[Message], job: Job) -> None:
    """May run twice at a time: a message is written as soon as it is taken off the list."""
    while waiting:
        await job.send(waiting.pop(0))


def _input(item: Audio | Pause) -> Message:
    match item:
        case Audio():
            return Message(Kind.DATA, body=item.to_bytes())
        case Pause(number):
            return Message(Kind.DATA, {"pause": number})


def _transcript(message: Message) -> Transcript:
    confidence, pause = message.fields["confidence"], message.fields["pause"]
    return Transcript(
        message.text("text"),
        final=bool(message.fields["final"]),
        confidence=None if confidence is None else float(confidence),
        pause=None if pause is None else int(pause),
    )
