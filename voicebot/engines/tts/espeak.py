"""Embedded text-to-speech: espeak-ng from a wheel, in worker processes."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import AsyncGenerator
from functools import cache
from pathlib import Path

from voicebot.core.audio import Audio
from voicebot.engines.worker import Kind, Message, WorkerPool

_LANGUAGE_LINE = re.compile(r"^language\s+([a-z]{2})(?![a-z])", re.MULTILINE)


class Espeak:
    """espeak-ng: robotic, but at once (first sound within 25 ms), in some hundred languages, and never off line.

    `voice` is a voice of espeak-ng, such as "en-us", with a variant if wanted ("en-us+f3"); `pitch` and `pitch_range`
    are 0 to 100. Sound is 22,050 Hz.
    """

    name = "espeak"

    def __init__(
        self,
        voice: str = "en-us",
        *,
        words_per_minute: int = 160,
        pitch: int = 50,
        pitch_range: int = 50,
        workers: int = 2,
    ) -> None:
        arguments = (voice, str(words_per_minute), str(pitch), str(pitch_range))
        self._pool = WorkerPool(self.name, "voicebot.engines.tts.espeak_worker", workers, arguments)

    @property
    def languages(self) -> frozenset[str]:
        return _languages()

    async def start(self) -> None:
        await self._pool.start()

    async def close(self) -> None:
        await self._pool.close()

    async def synthesize(self, text: str) -> AsyncGenerator[Audio]:
        async with self._pool.job(Message(Kind.START, {"text": text})) as job:
            while (message := await job.receive()) is not None:
                rate_hz = message.fields["rate_hz"]
                assert isinstance(rate_hz, int)
                yield Audio.from_bytes(message.body, rate_hz)


@cache
def _languages() -> frozenset[str]:
    """The two-letter codes that espeak-ng's voice files name; none if the package is missing."""
    spec = importlib.util.find_spec("espeakng_loader")
    if spec is None or spec.origin is None:
        return frozenset()
    folder = Path(spec.origin).parent / "espeak-ng-data" / "lang"
    texts = (path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file())
    return frozenset(code for text in texts for code in _LANGUAGE_LINE.findall(text))
