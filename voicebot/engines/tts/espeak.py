"""Embedded text-to-speech: espeak-ng from a wheel, in worker processes."""

from __future__ import annotations

import importlib.util
import re
from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from functools import cache
from itertools import accumulate
from pathlib import Path

import numpy as np

from voicebot.audio.sound import Audio
from voicebot.engines.protocols import DEFAULT_STYLE, Style, WordStarts
from voicebot.engines.worker.messages import WorkerMessage
from voicebot.engines.worker.pool import WorkerPool
from voicebot.languages.loader import language_of

_PLACE = re.compile(r"^name\s+.*\(([^,)]+)\)", re.MULTILINE)
_LANGUAGE_LINE = re.compile(r"^language\s+([a-z]{2})(?![a-z])", re.MULTILINE)
_UNFINISHED = re.compile(r"^status testing", re.MULTILINE)

_PIECE_S = 2.5
"""How long a worker may take for a piece of sound, which takes milliseconds. A worker that takes longer hangs."""

_CODES = {"no": "nb", "zh": "cmn"}
"""The usual voices whose name is not the language's code."""


class Espeak:
    """Speaks with espeak-ng: like a robot, but within 25 ms, in some hundred languages, and without a network.

    `voice` is a voice of espeak-ng, such as "en-us", optionally with a variant ("en-us+f3"). It is the usual voice for
    requests in `language`; other languages have their own usual voices. `pitch` and `pitch_range` are 0 to 100. The
    sound is 22,050 Hz.
    """

    name = "espeak"

    def __init__(
        self,
        voice: str | None = None,
        *,
        language: str = "en",
        words_per_minute: int = 160,
        pitch: int = 50,
        pitch_range: int = 50,
        workers: int = 2,
    ) -> None:
        self._language = language
        self._voice = voice or usual_voice(language)
        arguments = (self._voice, str(words_per_minute), str(pitch), str(pitch_range))
        self._pool = WorkerPool(self.name, "voicebot.engines.tts.espeak_worker", workers, arguments)

    def voices(self, language: str) -> dict[str, str]:
        """Returns the accents of the language, and the usual voice as a woman's."""
        return {**accents(language), f"{usual_voice(language)}+f3": "a woman’s voice"}

    @property
    def languages(self) -> frozenset[str]:
        return _languages()

    async def start(self) -> None:
        await self._pool.start()

    async def close(self) -> None:
        await self._pool.close()

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        """Does nothing: a worker that has started can speak."""

    async def synthesize(self, text: str, style: Style = DEFAULT_STYLE) -> AsyncGenerator[Audio | WordStarts]:
        """Yields the sound, then the word starts unless espeak-ng's marks do not fit the text."""
        usual = self._voice if style.language == self._language else usual_voice(style.language)
        request = WorkerMessage({"text": text, "voice": style.voice or usual})
        duration_s = 0.0
        async with aclosing(self._pool.answers(request, limit_s=_PIECE_S, retry=True)) as answers:
            async for answer in answers:
                if "marks" in answer.fields:
                    pairs = np.frombuffer(answer.body, np.int32).reshape(-1, 2)
                    marks = [(int(place), int(ms) / 1000) for place, ms in pairs]
                    if starts := word_starts(text, marks, duration_s):
                        yield starts
                else:
                    piece = Audio.from_bytes(answer.body, answer.number("rate_hz"))
                    duration_s += piece.duration_s
                    yield piece


def word_starts(text: str, marks: Iterable[tuple[int, float]], duration_s: float) -> WordStarts | None:
    """Returns when the words of `text`, split at spaces, begin in the sound, or None if the marks do not fit the text.

    Each mark holds where a spoken word begins in the text (in characters from 0) and in the sound (in seconds), in
    order. A word may have several marks ("1984") or none. Punctuation has no sound and begins with what follows. Of
    words that are spoken as one ("of the") only the first has a mark; the others are placed between their neighbours in
    proportion to their letters.
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
    # A word without letters has no length here, and so begins where the next one does.
    lengths = [letters or int(index in marked) for index, (_, letters) in enumerate(words)]
    at_letter = [0, *accumulate(lengths)]
    points = {0: 0.0} | {at_letter[index]: start_s for index, start_s in marked.items()} | {at_letter[-1]: duration_s}
    starts = np.interp(at_letter[:-1], list(points), list(points.values()))
    return WordStarts(tuple(map(float, starts)))


def usual_voice(language: str) -> str:
    """Returns the name of the voice for a two-letter code."""
    return language_of(language).voices.espeak or _CODES.get(language, language)


@cache
def accents(language: str) -> Mapping[str, str]:
    """Returns the other voices of a language, each with the place in its name ("en-gb-scotland": "Scotland")."""
    found = {}
    for voice, text in _voice_files().items():
        place, code = _PLACE.search(text), _LANGUAGE_LINE.search(text)
        if place is None or code is None or _UNFINISHED.search(text):
            continue
        if code[1] == language and voice != usual_voice(language):
            found[voice] = place[1]
    return found


@cache
def _languages() -> frozenset[str]:
    """Returns the two-letter codes in espeak-ng's voice files, or none if the package is missing."""
    return frozenset(code for text in _voice_files().values() for code in _LANGUAGE_LINE.findall(text))


@cache
def _voice_files() -> Mapping[str, str]:
    """Returns the text of each voice file by the voice's name. "en" is the British voice."""
    spec = importlib.util.find_spec("espeakng_loader")
    if spec is None or spec.origin is None:
        return {}
    folder = Path(spec.origin).parent / "espeak-ng-data" / "lang"
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.name.lower(): path.read_text(encoding="utf-8") for path in files}
