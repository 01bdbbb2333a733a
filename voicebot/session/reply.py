"""One reply as one task: the agent's tokens become sentences, the sentences become audio, and the audio is played."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Protocol

from voicebot.agent.tools.fillers import Filler
from voicebot.audio.sound import WIRE_RATE_HZ, Audio, Resampler
from voicebot.dialogue.errors import ErrorCode, ErrorReport
from voicebot.dialogue.events import (
    AudioReceived,
    EngineReported,
    ReplyRefused,
    SentenceReady,
    SentenceSynthesized,
    Stage,
    StartReply,
    TextEnded,
    TextReceived,
    TokenReceived,
)
from voicebot.engines.errors import EngineError
from voicebot.engines.protocols import (
    Agent,
    ConversationCalls,
    EngineSelected,
    RestOfSentence,
    Style,
    Styles,
    TextToSpeech,
    WordStarts,
)
from voicebot.languages.prompts import apology, no_answers_left
from voicebot.session.mailbox import Mailbox
from voicebot.session.player import Player
from voicebot.session.sentence_queue import QueuedSentence, SentenceQueue
from voicebot.speech_text.sentences import SentenceBatch, SentenceBatcher

logger = logging.getLogger(__name__)

STANDS_S = 0.5
"""A whole sentence is spoken if no token follows it for this long. Models usually pause less between two tokens."""

LATE_S = 4.0
SLOW_TOKEN_S = 0.5
"""If there is no complete sentence after `LATE_S`, and tokens come at least `SLOW_TOKEN_S` apart, words are spoken as
they come: that is better than more silence."""

INTERNAL_ERROR = ErrorReport(ErrorCode.INTERNAL, "Something went wrong inside the bot. Its log says more.")


class TurnBudget(Protocol):
    """How many answers the bot may still give today."""

    @property
    def scarce(self) -> bool:
        """Whether so few answers are left that no preemptive reply should use one."""
        ...

    @property
    def back_in_s(self) -> float:
        """The time until the next day begins, in seconds."""
        ...

    @property
    def reason(self) -> str:
        """A sentence that tells the user that no answer is left, and when the bot is back."""
        ...

    async def take(self) -> bool:
        """Counts one more answer; returns False if none is left."""
        ...


@dataclass(frozen=True, slots=True)
class ReplyMaker:
    """Makes replies. At most `queue_max` sentences wait for the synthesizer; after that the agent waits.

    With `drop_oldest` the agent does not wait, and the oldest waiting sentence is not spoken. Without `turns` the
    number of answers is unlimited.
    """

    agent: Agent
    tts: TextToSpeech
    player: Player
    mailbox: Mailbox
    queue_max: int
    sentence_max_chars: int
    drop_oldest: bool = False
    turns: TurnBudget | None = None

    async def run(
        self, start: StartReply, wanted: asyncio.Event, styles: Styles, calls: ConversationCalls | None = None
    ) -> ErrorReport | None:
        """Makes the reply and waits until it has been played. Returns the error if a failure cut it short.

        The player must have begun the reply. Nothing that cannot be undone happens before `wanted` is set. Requests to
        the agent and the synthesizer carry their style of `styles`. The agent's tools make `calls`.
        """
        reply = start.reply
        sentences = SentenceQueue(reply, self.mailbox, self.queue_max, drop_oldest=self.drop_oldest)
        error: ErrorReport | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._think(start, wanted, styles, calls, sentences), name=f"think {reply}")
                group.create_task(self._speak(reply, styles.tts, sentences), name=f"speak {reply}")
        except* EngineError as failures:
            first = failures.exceptions[0]
            error = first.report if isinstance(first, EngineError) else INTERNAL_ERROR
            logger.warning("reply ended early", extra={"reply": reply, "error": error.message})
        except* Exception:  # the reply boundary: whatever went wrong ends this reply, not the session
            error = INTERNAL_ERROR
            logger.exception("reply failed", extra={"reply": reply})
        self.player.complete(reply)
        await self.player.finished(reply)
        return error

    async def _think(
        self,
        start: StartReply,
        wanted: asyncio.Event,
        styles: Styles,
        calls: ConversationCalls | None,
        sentences: SentenceQueue,
    ) -> None:
        """Cuts the agent's answer into sentences. If the agent fails, an apology follows."""
        reply = start.reply
        spoken = asyncio.Event()
        language = styles.tts.language
        text = AnswerText(self, reply, language, sentences, spoken)
        error: ErrorReport | None = None
        try:
            async with aclosing(await self._tokens(start, wanted, styles.llm, spoken, calls)) as tokens:
                first = True
                while True:
                    with text.whole_sentence_in_time():
                        token = await anext(tokens, None)
                    if token is None:
                        break
                    if isinstance(token, EngineSelected):
                        self.mailbox.post(EngineReported(Stage.LLM, token.engine, token.reasons))
                        text.start_over()
                        continue
                    if first or not wanted.is_set():
                        self.mailbox.post(TokenReceived(reply))
                        first = False
                    await text.push(token)
        except EngineError as failure:
            logger.warning("the agent failed", extra={"reply": reply, "error": str(failure)})
            error = failure.report
        await text.finish(None if error is None else apology(language))
        self.mailbox.post(TextEnded(reply, error))
        sentences.end()

    async def _tokens(
        self,
        start: StartReply,
        wanted: asyncio.Event,
        style: Style,
        spoken: asyncio.Event,
        calls: ConversationCalls | None,
    ) -> AsyncGenerator[str | EngineSelected]:
        """Returns the tokens of the reply: the fixed text, or the agent's answer.

        An answer counts as a turn of the day, unless its turn was counted before. When the day's turns are used up, the
        reply says so.
        """
        if start.text is not None:
            return _said(start.text)
        if self.turns is not None and not start.counted:
            if self.turns.scarce:
                await wanted.wait()
            if not await self.turns.take():
                self.mailbox.post(ReplyRefused(start.reply, self.turns.reason))
                return _said(no_answers_left(style.language, self.turns.back_in_s))
        return self.agent.reply(start.history, wanted, style=style, stood_in=start.stood_in, spoken=spoken, calls=calls)

    async def _speak(self, reply: int, style: Style, sentences: SentenceQueue) -> None:
        """Synthesizes the sentences in order, a few ahead of the one that is playing."""
        index = 0
        while (batch := await sentences.get()) is not None:
            await self.player.wait_for_capacity(reply)
            self.player.open_sentence(reply, index, batch.text)
            error = None if batch.dropped else await self._synthesize(reply, index, style, batch)
            self.player.close_sentence(reply, broken=error is not None or batch.dropped)
            self.mailbox.post(SentenceSynthesized(reply, index, error))
            index += 1

    async def _synthesize(self, reply: int, index: int, style: Style, batch: QueuedSentence) -> ErrorReport | None:
        """Synthesizes one sentence. Returns an error message if its audio broke off; what came of it is played.

        Raises EngineError if no audio came at all.
        """
        resampler: Resampler | None = None
        sounds = False
        error: ErrorReport | None = None
        try:
            async with aclosing(self.tts.synthesize(batch.speech, style)) as pieces:
                async for piece in pieces:
                    match piece:
                        case EngineSelected(engine, reasons):
                            self.mailbox.post(EngineReported(Stage.TTS, engine, reasons))
                        case WordStarts(starts_s):
                            self.player.time_words(reply, starts_s)
                        case RestOfSentence(word, words):
                            if resampler is not None:
                                self.player.write(reply, resampler.flush())
                                resampler = None
                            self.player.resume_sentence(reply, _index_in_written_text(word, words, batch.text))
                        case Audio():
                            if resampler is None:
                                resampler = Resampler(piece.rate_hz, WIRE_RATE_HZ)
                            if not sounds:
                                self.mailbox.post(AudioReceived(reply, index))
                                sounds = True
                            self.player.write(reply, resampler.push(piece))
        except EngineError as failure:
            if not sounds:
                raise
            logger.warning("a sentence broke off", extra={"reply": reply, "error": str(failure)})
            error = failure.report
        if resampler is not None:
            self.player.write(reply, resampler.flush())
        return error


class AnswerText:
    """The text of one answer on its way to the synthesizer and to the client.

    Until the first sentence goes to the synthesizer, another engine may answer instead of one that stalls. So the
    client gets no text before that if the agent has several engines.
    """

    def __init__(
        self, maker: ReplyMaker, reply: int, language: str, sentences: SentenceQueue, spoken: asyncio.Event
    ) -> None:
        self._maker = maker
        self._reply = reply
        self._language = language
        self._sentences = sentences
        self._spoken = spoken
        self._count = 0
        self._withheld: list[str] | None = None
        """The text that the client gets when the first sentence is spoken; None if it gets text at once."""
        self._batcher = self._new_batcher()
        self._begun_s = self._last_s = asyncio.get_running_loop().time()

    def _new_batcher(self) -> SentenceBatcher:
        return SentenceBatcher(max_chars=self._maker.sentence_max_chars, language=self._language)

    def start_over(self) -> None:
        """Discards the text so far, as another engine answers instead."""
        self._batcher = self._new_batcher()
        self._withheld = []
        self._last_s = asyncio.get_running_loop().time()

    @contextmanager
    def whole_sentence_in_time(self) -> Iterator[None]:
        """Wraps the wait for the next token: if that takes too long, a whole sentence is spoken without it."""
        timer = asyncio.get_running_loop().call_later(STANDS_S, self._speak_whole_sentence)
        try:
            yield
        finally:
            timer.cancel()

    def _speak_whole_sentence(self) -> None:
        if self._sentences.has_room:
            for batch in self._batcher.finish_sentence():
                self._announce(batch)
                self._sentences.put_nowait(batch)

    async def push(self, token: str) -> None:
        """Takes the next token. A filler is spoken at once; after it the answer may still start over."""
        now_s = asyncio.get_running_loop().time()
        is_filler = isinstance(token, Filler)
        if is_filler and not self._withheld:
            self._tell(f" {token} ")
            for batch in (*self._batcher.push(token), *self._batcher.finish()):
                self._announce(batch, is_filler=True)
                await self._sentences.put(batch)
            return
        text = f" {token} " if is_filler else token
        if self._withheld is None or self._spoken.is_set():
            self._tell(text)
        else:
            self._withheld.append(text)
        batches = self._batcher.push(token)
        late = now_s - self._begun_s >= LATE_S and now_s - self._last_s >= SLOW_TOKEN_S
        if is_filler:
            batches += self._batcher.finish()
        elif late and not batches and not self._spoken.is_set():
            batches = self._batcher.finish_words()
        for batch in batches:
            self._announce(batch)
            await self._sentences.put(batch)
        self._last_s = now_s

    async def finish(self, sorry: str | None) -> None:
        """Ends the text: no more tokens will come. `sorry` is spoken in place of those that are missing."""
        for batch in self._batcher.finish():
            self._announce(batch)
            await self._sentences.put(batch)
        if sorry is not None:
            self._tell(f" {sorry}")
            self._announce(last := SentenceBatch(sorry, sorry))
            await self._sentences.put(last)

    def _announce(self, batch: SentenceBatch, *, is_filler: bool = False) -> None:
        """Posts that a sentence goes to the synthesizer."""
        if not is_filler and not self._spoken.is_set():
            self._spoken.set()
            self._tell("".join(self._withheld or ()))
        self._maker.mailbox.post(SentenceReady(self._reply, self._count, batch.text, filler=is_filler))
        self._count += 1

    def _tell(self, text: str) -> None:
        if text:
            self._maker.mailbox.post(TextReceived(self._reply, text))


def _index_in_written_text(word: int, words: int, text: str) -> int:
    """Returns the index in the written text that corresponds to word `word` of `words` in the spoken text."""
    written = len(text.split())
    return word if written == words else round(word / words * written)


async def _said(text: str) -> AsyncGenerator[str | EngineSelected]:
    yield text
