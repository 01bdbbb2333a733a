"""Embedded text-to-speech: espeak-ng from a wheel, in worker processes."""

from __future__ import annotations

import importlib.util
import re
from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterable
from functools import cache
from itertools import accumulate
from pathlib import Path

import numpy as np

from voicebot.core.audio import Audio
from voicebot.engines.base import WordStarts
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

    async def probe(self) -> None:
        """Workers that have started can work."""

    async def synthesize(self, text: str) -> AsyncGenerator[Audio | WordStarts]:
        """The sound, then when its words begin (unless espeak-ng's marks don't fit the text)."""
        duration_s = 0.0
        async with self._pool.job(Message(Kind.START, {"text": text})) as job:
            while (message := await job.receive()) is not None:
                if "marks" in message.fields:
                    marks = [
                        (int(at), int(ms) / 1000) for at, ms in np.frombuffer(message.body, np.int32).reshape(-1, 2)
                    ]
                    if starts := word_starts(text, marks, duration_s):
                        yield starts
                    continue
                rate_hz = message.fields["rate_hz"]
                assert isinstance(rate_hz, int)
                piece = Audio.from_bytes(message.body, rate_hz)
                duration_s += piece.duration_s
                yield piece


def word_starts(text: str, marks: Iterable[tuple[int, float]], duration_s: float) -> WordStarts | None:
    """When the words of `text`, split at spaces, begin. None if the marks don't fit.

    A mark is where a spoken word begins, in the text (characters from 0) and in the sound (seconds), in order. A word
    may have several marks ("1984") or none: punctuation has no sound and begins with what follows; of words spoken as
    one ("of the") only the first is marked, and the others are placed between its neighbours by their letters.
    """
    words = [(match.start(), sum(map(str.isalnum, match[0]))) for match in re.finditer(r"\S+", text)]
    begins = [begin for begin, _ in words]
    marked: dict[int, float] = {}
    latest_s = 0.0
    for at, start_s in marks:
        word = bisect_right(begins, at) - 1
        if word < max(marked, default=0) or not latest_s <= start_s <= duration_s:
            return None
        latest_s = start_s
        marked.setdefault(word, start_s)
    if len(marked) < sum(letters > 0 for _, letters in words) / 2 or not marked:
        return None
    # Along the letters, a word without any has no length and so begins where the next one does.
    lengths = [letters or int(index in marked) for index, (_, letters) in enumerate(words)]
    at_letter = [0, *accumulate(lengths)]
    points = {0: 0.0} | {at_letter[index]: start_s for index, start_s in marked.items()} | {at_letter[-1]: duration_s}
    starts = np.interp(at_letter[:-1], list(points), list(points.values()))
    return WordStarts(tuple(map(float, starts)))


@cache
def _languages() -> frozenset[str]:
    """The two-letter codes that espeak-ng's voice files name; none if the package is missing."""
    spec = importlib.util.find_spec("espeakng_loader")
    if spec is None or spec.origin is None:
        return frozenset()
    folder = Path(spec.origin).parent / "espeak-ng-data" / "lang"
    texts = (path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file())
    return frozenset(code for text in texts for code in _LANGUAGE_LINE.findall(text))
