"""Cloud text-to-speech by the voice of Google Translate, through the gTTS package: no key, but no promise either.

Worker processes, not threads, since only their requests can be ended. gTTS keeps its connection to itself, so a thread
in mid-request would stay, with its socket, until the answer came. A worker shuts the connection down and is free again:
the service sees it 2 ms after the generator was closed (median of 20; 15 ms at most, on two busy cores). Killing the
worker would be as quick, but a new one costs 0.6 s of processor time at each interruption. A worker takes 25 MB.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from itertools import chain

from gtts.lang import tts_langs  # type: ignore[import-untyped]

from voicebot.audio.sound import Audio
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import DEFAULT_STYLE, Style
from voicebot.engines.tts.mp3 import Mp3Decoder, Mp3Error
from voicebot.engines.worker.frames import Kind, Message
from voicebot.engines.worker.pool import Job, WorkerPool
from voicebot.languages.loader import language_of
from voicebot.speech_text.speakable import has_words

_CODES = {"he": "iw", "jv": "jw", "nb": "no", "zh": "zh-CN"}
"""Google's codes for languages that it does not call by their two-letter code (ISO 639-1)."""


class Gtts:
    """Google Translate's voice. The requests for a long text run ahead of its playback, one after the other.

    Each answer must come within `timeout_s`. As many texts are made at the same time as there are workers; more wait.
    Sound is 24 kHz.
    """

    name = "gtts"

    def __init__(self, *, timeout_s: float = 10.0, workers: int = 3) -> None:
        self._timeout_s = timeout_s
        self._pool = WorkerPool(self.name, "voicebot.engines.tts.gtts_worker", workers, network=True)

    def voices(self, language: str) -> dict[str, str]:
        return language_of(language).voices.gtts_accents

    @property
    def languages(self) -> frozenset[str]:
        return frozenset(code for code in tts_langs() if len(code) == 2) | frozenset(_CODES)

    async def start(self) -> None:
        await self._pool.start()

    async def close(self) -> None:
        await self._pool.close()

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        """Has a digit spoken: only an answer with sound shows that Google, which has no other door, lets us in."""
        async for _ in self.synthesize("1", style):
            pass

    async def synthesize(self, text: str, style: Style = DEFAULT_STYLE) -> AsyncGenerator[Audio]:
        if not has_words(text):
            return  # Google has no sound for it, and answers as to a language that it does not know
        async with self._pool.job(_request(text, style)) as job:
            while (mp3 := await self._next(job)) is not None:
                decoder = Mp3Decoder()
                try:
                    for piece in chain(decoder.push(mp3), decoder.finish()):
                        yield piece
                        await asyncio.sleep(0)  # a request's sound is decoded in 5 ms or more: others get their turn
                except Mp3Error as error:
                    raise EngineError(self.name, f"its sound can't be used: {error}") from error
            await job.send(Message(Kind.END))

    async def _next(self, job: Job) -> bytes | None:
        """The next MP3; None after the last one. Raises EngineError."""
        try:
            async with asyncio.timeout(self._timeout_s):
                message = await job.receive()
        except TimeoutError:
            raise EngineError(self.name, f"no answer within {self._timeout_s:g} s", fault=Fault.TIMEOUT) from None
        assert message is not None, "the worker goes on until it is told that all has come"
        if "fault" in message.fields:
            wait_s = message.fields["retry_after_s"]
            raise EngineError(
                self.name,
                message.text("message"),
                fault=Fault(message.text("fault")),
                retry_after_s=None if wait_s is None else float(wait_s),
            )
        return None if "ended" in message.fields else message.body


def _request(text: str, style: Style) -> Message:
    language, usual = _voice(style.language)
    return Message(Kind.START, {"text": text, "language": language, "top_level_domain": style.voice or usual})


def _voice(language: str) -> tuple[str, str]:
    """Google's code of the language, and the top-level domain of its usual accent."""
    return _CODES.get(language, language), language_of(language).voices.gtts
