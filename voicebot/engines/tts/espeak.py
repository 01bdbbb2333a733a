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
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import DEFAULT_STYLE, Style, WordStarts
from voicebot.engines.worker.frames import Kind, Message
from voicebot.engines.worker.pool import WorkerPool
from voicebot.languages.loader import language_of

_PLACE = re.compile(r"^name\s+.*\(([^,)]+)\)", re.MULTILINE)
_LANGUAGE_LINE = re.compile(r"^language\s+([a-z]{2})(?![a-z])", re.MULTILINE)
_UNFINISHED = re.compile(r"^status testing", re.MULTILINE)

_PIECE_S = 2.5
"""How long a worker may take for each piece of sound. It takes milliseconds; one that needs this long hangs."""

_CODES = {"no": "nb", "zh": "cmn"}
"""espeak-ng's codes for languages that it does not call by their two-letter code (ISO 639-1)."""


class Espeak:
    """espeak-ng: robotic, but at once (first sound within 25 ms), in some hundred languages, and never off line.

    `voice` is a voice of espeak-ng, such as "en-us", with a variant if wanted ("en-us+f3"). It is the usual voice for
    requests in `language`; requests in other languages get espeak-ng's own. `pitch` and `pitch_range` are 0 to 100.
    Sound is 22,050 Hz.
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
        """Its accents of the language, and the usual one with a woman's voice."""
        return {**accents(language), f"{usual_voice(language)}+f3": "a woman’s voice"}

    @property
    def languages(self) -> frozenset[str]:
        return _languages()

    async def start(self) -> None:
        await self._pool.start()

    async def close(self) -> None:
        await self._pool.close()

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        """Workers that have started can work."""

    async def synthesize(self, text: str, style: Style = DEFAULT_STYLE) -> AsyncGenerator[Audio | WordStarts]:
        """The sound, then when its words begin (unless espeak-ng's marks don't fit the text).

        If a worker hangs before it has made any sound, another one is given the text.
        """
        voice = style.voice or self._usual_voice(style.language)
        silent = True
        try:
            async with aclosing(self._attempt(text, voice)) as pieces:
                async for piece in pieces:
                    silent = False
                    yield piece
            return
        except EngineError as error:
            if error.fault is not Fault.TIMEOUT or not silent:
                raise
        async with aclosing(self._attempt(text, voice)) as pieces:
            async for piece in pieces:
                yield piece

    def _usual_voice(self, language: str) -> str:
        return self._voice if language == self._language else usual_voice(language)

    async def _attempt(self, text: str, voice: str) -> AsyncGenerator[Audio | WordStarts]:
        start = Message(Kind.START, {"text": text, "voice": voice})
        duration_s = 0.0
        async with self._pool.job(start, first_s=_PIECE_S, next_s=_PIECE_S) as job:
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


def usual_voice(language: str) -> str:
    """The voice of a language by its two-letter code."""
    return language_of(language).voices.espeak or _CODES.get(language, language)


@cache
def accents(language: str) -> Mapping[str, str]:
    """The voices of a language beside the usual one, and the places in their names ("en-gb-scotland": Scotland)."""
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
    """The two-letter codes that espeak-ng's voice files name; none if the package is missing."""
    return frozenset(code for text in _voice_files().values() for code in _LANGUAGE_LINE.findall(text))


@cache
def _voice_files() -> Mapping[str, str]:
    """What says which voices there are, by their names: "en" is the British one."""
    spec = importlib.util.find_spec("espeakng_loader")
    if spec is None or spec.origin is None:
        return {}
    folder = Path(spec.origin).parent / "espeak-ng-data" / "lang"
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.name.lower(): path.read_text(encoding="utf-8") for path in files}
