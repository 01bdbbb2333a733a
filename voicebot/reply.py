"""One reply as one task: the agent's tokens become sentences, the sentences sound, the sound is played."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from voicebot.core.audio import WIRE_RATE_HZ, Resampler
from voicebot.core.events import (
    AudioReceived,
    EngineServed,
    ReplyInput,
    ReplyRefused,
    SentenceReady,
    SentenceSynthesized,
    Stage,
    StartReply,
    TextEnded,
    TokenReceived,
)
from voicebot.core.sayings import apology, no_answers_left
from voicebot.core.sentences import Batch, SentenceBatcher
from voicebot.engines.base import Agent, EngineError, Served, TextToSpeech, WordStarts
from voicebot.player import Player
from voicebot.sentence_queue import SentenceQueue
from voicebot.tools.fillers import Filler

logger = logging.getLogger(__name__)

INTERNAL_ERROR = "Something went wrong inside the bot. Its log says more."


class TurnBudget(Protocol):
    """How many answers the bot may still give today."""

    @property
    def scarce(self) -> bool:
        """So few are left that no answer should be begun before it is sure to be wanted."""
        ...

    @property
    def back_in_s(self) -> float:
        """When the next day begins."""
        ...

    @property
    def reason(self) -> str:
        """Tells a user that none is left, and when the bot is back."""
        ...

    async def take(self) -> bool:
        """Count one more answer; False if none is left."""
        ...


@dataclass(frozen=True, slots=True)
class ReplyMaker:
    """What a reply is made with. `queue_max` sentences wait for the synthesiser at most; then the agent waits.

    With `drop_oldest` it does not: the sentence that has waited longest is left unspoken, and `dropped` is told.
    `streamed` gets the reply's number and each piece of its text, as the model streams it. Without `turns` any number
    of answers may be given.
    """

    agent: Agent
    tts: TextToSpeech
    player: Player
    post: Callable[[ReplyInput | EngineServed], None]
    queue_max: int
    sentence_max_chars: int
    language: str
    drop_oldest: bool = False
    dropped: Callable[[str], None] | None = None
    streamed: Callable[[int, str], None] | None = None
    turns: TurnBudget | None = None

    async def run(self, start: StartReply, wanted: asyncio.Event) -> str | None:
        """Make and play the reply; returns when it has been heard to the end. An error's text, if one cut it short.

        The player has begun it. Nothing that can't be undone is done before it is `wanted`.
        """
        reply = start.reply
        sentences = SentenceQueue(self.queue_max, drop_oldest=self.drop_oldest)
        error: str | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._think(start, wanted, sentences), name=f"think {reply}")
                group.create_task(self._speak(reply, sentences), name=f"speak {reply}")
        except* EngineError as failures:
            error = str(failures.exceptions[0])
            logger.warning("reply ended early", extra={"reply": reply, "error": error})
        except* Exception:  # the reply boundary: whatever went wrong ends this reply, not the session
            error = INTERNAL_ERROR
            logger.exception("reply failed", extra={"reply": reply})
        self.player.complete(reply)
        await self.player.finished(reply)
        return error

    async def _think(self, start: StartReply, wanted: asyncio.Event, sentences: SentenceQueue) -> None:
        """The agent's answer, cut into sentences. An agent that fails is apologised for in its stead."""
        reply = start.reply
        answer = self._answer(start, wanted) if start.text is None else _said(start.text)
        batcher = SentenceBatcher(max_chars=self.sentence_max_chars, language=self.language)
        error: str | None = None
        count = 0

        def stream(text: str) -> None:
            if self.streamed is not None:
                self.streamed(reply, text)

        async def emit(batches: list[Batch]) -> None:
            nonlocal count
            for batch in batches:
                self.post(SentenceReady(reply, count, batch.text))
                count += 1
                dropped = await sentences.put(batch)
                if dropped is not None and self.dropped is not None:
                    self.dropped(dropped.text)

        try:
            async with aclosing(answer) as tokens:
                first = True
                async for token in tokens:
                    if isinstance(token, Served):
                        self.post(EngineServed(Stage.LLM, token.engine, token.reasons))
                        continue
                    if first:
                        self.post(TokenReceived(reply))
                        first = False
                    stream(f" {token} " if isinstance(token, Filler) else token)
                    await emit(batcher.push(token))
                    if isinstance(token, Filler):
                        await emit(batcher.finish())
        except EngineError as failure:
            logger.warning("the agent failed", extra={"reply": reply, "error": str(failure)})
            error = str(failure)
        await emit(batcher.finish())
        if error is not None:
            sorry = apology(self.language)
            stream(f" {sorry}")
            await emit([Batch(sorry, sorry)])
        self.post(TextEnded(reply, error))
        sentences.end()

    async def _answer(self, start: StartReply, wanted: asyncio.Event) -> AsyncGenerator[str | Served]:
        """The agent's answer, which counts as a turn; or what is said instead when the day's turns are used up."""
        if self.turns is not None:
            if self.turns.scarce:
                await wanted.wait()
            if not await self.turns.take():
                self.post(ReplyRefused(start.reply, self.turns.reason))
                yield no_answers_left(self.language, self.turns.back_in_s)
                return
        async with aclosing(self.agent.reply(start.history, wanted, stood_in=start.stood_in)) as tokens:
            async for token in tokens:
                yield token

    async def _speak(self, reply: int, sentences: SentenceQueue) -> None:
        """The sentences as sound, in order, a few ahead of the one that is playing."""
        index = 0
        while (batch := await sentences.get()) is not None:
            await self.player.room(reply)
            self.player.open_sentence(reply, index, batch.text)
            error = None if batch.dropped else await self._synthesize(reply, index, batch.speech)
            self.player.close_sentence(reply, broken=error is not None or batch.dropped)
            self.post(SentenceSynthesized(reply, index, error))
            index += 1

    async def _synthesize(self, reply: int, index: int, speech: str) -> str | None:
        """Why the sound broke off, if it did: what came of it stays, and the next sentence may fare better.

        Raises EngineError if no sound came at all.
        """
        resampler: Resampler | None = None
        error: str | None = None
        try:
            async with aclosing(self.tts.synthesize(speech)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Served):
                        self.post(EngineServed(Stage.TTS, piece.engine, piece.reasons))
                        continue
                    if isinstance(piece, WordStarts):
                        self.player.time_words(reply, piece.starts_s)
                        continue
                    if resampler is None:
                        resampler = Resampler(piece.rate_hz, WIRE_RATE_HZ)
                        self.post(AudioReceived(reply, index))
                    self.player.write(reply, resampler.push(piece))
        except EngineError as failure:
            if resampler is None:
                raise
            logger.warning("a sentence broke off", extra={"reply": reply, "error": str(failure)})
            error = str(failure)
        if resampler is not None:
            self.player.write(reply, resampler.flush())
        return error


async def _said(text: str) -> AsyncGenerator[str]:
    yield text
