"""Stub engines for our bot and FastRTC's: known delays, the oracle's words, and the position voice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.benchmarks.control import Stage
from tests.benchmarks.oracle import Delays, tokens
from tests.support.position_voice import RATE_HZ
from voicebot.audio.sound import Audio
from voicebot.dialogue.history import History
from voicebot.engines.protocols import DEFAULT_STYLE, NO_DEADLINE, OutputDeadline, Pause, Style, Transcript


@dataclass(frozen=True)
class _Stub:
    stage: Stage
    delays: Delays
    name: str = "stub"
    languages: frozenset[str] = frozenset({"en"})

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def probe(self, style: Style = DEFAULT_STYLE) -> None: ...


class StubStt(_Stub):
    """A streaming recogniser: each word, and the text up to a pause or the end, is known `stt_s` after it."""

    bytes_sent: int = 0

    @asynccontextmanager
    async def session(self, style: Style = DEFAULT_STYLE) -> AsyncIterator[StubStt]:
        yield self

    async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
        answers: asyncio.Queue[Transcript] = asyncio.Queue()
        listening = asyncio.create_task(self._listen(audio, answers))
        try:
            while True:
                answer = await answers.get()
                yield answer
                if answer.final:
                    return
        finally:
            listening.cancel()

    async def _listen(self, audio: AsyncIterable[Audio | Pause], answers: asyncio.Queue[Transcript]) -> None:
        utterance = self.stage.oracle.begin()
        loop = asyncio.get_running_loop()
        shown = ""
        async for piece in audio:
            now_s = time.monotonic()
            if isinstance(piece, Pause):
                answer = Transcript(utterance.text(now_s), final=False, pause=piece.number)
                loop.call_later(self.delays.stt_s, answers.put_nowait, answer)
            elif (text := utterance.text(now_s - self.delays.stt_s)) != shown:
                shown = text
                answers.put_nowait(Transcript(text, final=False))
        final = Transcript(utterance.end(time.monotonic()), final=True)
        loop.call_later(self.delays.stt_s, answers.put_nowait, final)


class StubAgent(_Stub):
    """Says what the client asked for, token by token."""

    async def reply(
        self, history: History, wanted: asyncio.Event, deadline: OutputDeadline = NO_DEADLINE, **_: object
    ) -> AsyncGenerator[str]:
        number = self.stage.reply()
        words = tokens(self.stage.oracle.mode, number)
        await asyncio.sleep(self.delays.first_token_s)
        yield words[0]
        for word in words[1:]:
            await asyncio.sleep(self.delays.token_s)
            yield word


class PositionTts(_Stub):
    """Yields the whole sentence `tts_s` after the request."""

    async def synthesize(self, text: str, style: Style = DEFAULT_STYLE) -> AsyncGenerator[Audio]:
        await asyncio.sleep(self.delays.tts_s)
        for piece in self.stage.sentence(text):
            yield Audio(piece, RATE_HZ)
            await asyncio.sleep(0)
