"""One reply as one task: the agent's tokens become sentences, the sentences sound, the sound is played."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from voicebot.core.audio import WIRE_RATE_HZ, Resampler
from voicebot.core.events import (
    AudioReceived,
    ReplyInput,
    SentenceReady,
    SentenceSynthesized,
    StartReply,
    TextEnded,
    TokenReceived,
)
from voicebot.core.sentences import Batch, SentenceBatcher
from voicebot.engines.base import Agent, EngineError, TextToSpeech, WordStarts
from voicebot.player import Player

logger = logging.getLogger(__name__)

APOLOGY = "Sorry, something went wrong while I was thinking. Please try again."


@dataclass(frozen=True, slots=True)
class ReplyMaker:
    """What a reply is made with. `queue_max` sentences wait for the synthesiser at most; then the agent waits."""

    agent: Agent
    tts: TextToSpeech
    player: Player
    post: Callable[[ReplyInput], None]
    queue_max: int
    sentence_max_chars: int
    language: str

    async def run(self, start: StartReply, wanted: asyncio.Event) -> str | None:
        """Make and play the reply; returns when it has been heard to the end. An error's text, if one cut it short.

        The player has begun it. Nothing that can't be undone is done before it is `wanted`.
        """
        reply = start.reply
        sentences: asyncio.Queue[Batch | None] = asyncio.Queue(self.queue_max)
        error: str | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._think(start, wanted, sentences), name=f"think {reply}")
                group.create_task(self._speak(reply, sentences), name=f"speak {reply}")
        except* EngineError as failures:
            error = str(failures.exceptions[0])
            logger.warning("reply ended early", extra={"reply": reply, "error": error})
        except* Exception:  # the reply boundary: whatever went wrong ends this reply, not the session
            error = "Something went wrong inside the bot. Its log says more."
            logger.exception("reply failed", extra={"reply": reply})
        self.player.complete(reply)
        await self.player.finished(reply)
        return error

    async def _think(self, start: StartReply, wanted: asyncio.Event, sentences: asyncio.Queue[Batch | None]) -> None:
        """The agent's answer, cut into sentences. An agent that fails is apologised for in its stead."""
        reply = start.reply
        answer = self.agent.reply(start.history, wanted) if start.text is None else _said(start.text)
        batcher = SentenceBatcher(max_chars=self.sentence_max_chars, language=self.language)
        error: str | None = None
        count = 0

        async def emit(batches: list[Batch]) -> None:
            nonlocal count
            for batch in batches:
                self.post(SentenceReady(reply, count, batch.text))
                count += 1
                await sentences.put(batch)

        try:
            async with aclosing(answer) as tokens:
                first = True
                async for token in tokens:
                    if first:
                        self.post(TokenReceived(reply))
                        first = False
                    await emit(batcher.push(token))
        except EngineError as failure:
            logger.warning("the agent failed", extra={"reply": reply, "error": str(failure)})
            error = str(failure)
        await emit(batcher.finish())
        if error is not None:
            await emit([Batch(APOLOGY, APOLOGY)])
        self.post(TextEnded(reply, error))
        await sentences.put(None)

    async def _speak(self, reply: int, sentences: asyncio.Queue[Batch | None]) -> None:
        """The sentences as sound, in order, a few ahead of the one that is playing."""
        index = 0
        while (batch := await sentences.get()) is not None:
            await self.player.room(reply)
            self.player.open_sentence(reply, index, batch.text)
            await self._synthesize(reply, index, batch.speech)
            self.player.close_sentence(reply)
            self.post(SentenceSynthesized(reply, index))
            index += 1

    async def _synthesize(self, reply: int, index: int, speech: str) -> None:
        resampler: Resampler | None = None
        async with aclosing(self.tts.synthesize(speech)) as pieces:
            async for piece in pieces:
                if isinstance(piece, WordStarts):
                    self.player.time_words(reply, piece.starts_s)
                    continue
                if resampler is None:
                    resampler = Resampler(piece.rate_hz, WIRE_RATE_HZ)
                    self.post(AudioReceived(reply, index))
                self.player.write(reply, resampler.push(piece))
        if resampler is not None:
            self.player.write(reply, resampler.flush())


async def _said(text: str) -> AsyncGenerator[str]:
    yield text
