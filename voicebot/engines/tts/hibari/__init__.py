"""Embedded text-to-speech: hibari-tts, a small neural voice that speaks English."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from voicebot.audio.sound import Audio
from voicebot.engines.download import DownloadRules
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import DEFAULT_STYLE, Style, WordStarts
from voicebot.engines.tts.hibari.assets import AssetError
from voicebot.engines.tts.hibari.phonemes import UnsuitableTextError, split_into_parts
from voicebot.engines.tts.hibari.voices import Speaker, Voices
from voicebot.engines.tts.hibari.waveform import RATE_HZ
from voicebot.runtime.threads import Threads

_THREADS = 2
"""Sentences that are made at the same time. Each takes some 50 ms of one core; more threads than cores gain nothing."""

_SILENCE_S = 0.1
"""The sound of a text without words. The fallback would take no sound at all for a failure."""


class Hibari:
    """A neural voice that needs no network, in English only, at 24 kHz.

    It works in threads. The model and the transforms leave Python's global lock free; only the pronunciation needs it.
    Downloaded voices are stored in `folder`, and `download_rules` limit the downloads.
    """

    name = "hibari"
    languages = frozenset({"en"})

    def __init__(
        self,
        *,
        folder: Path | None = None,
        download_rules: DownloadRules | None = None,
    ) -> None:
        self._voices = Voices(folder, download_rules)
        self._threads: Threads | None = None

    def prepare(self, style: Style) -> None:
        """Downloads the style's voice in the background if necessary. The usual voice speaks until it is here."""
        self._voices.fetch(style.voice)

    def voices(self, language: str) -> dict[str, str]:
        return self._voices.labels if language in self.languages else {}

    @property
    def note(self) -> str | None:
        return self._voices.note

    def speaker(self, style: Style = DEFAULT_STYLE) -> Speaker | None:
        """Returns the voice that speaks for this style now: the usual one until the style's voice is here.

        Returns None before `start`.
        """
        return self._voices.speaker(style.voice)

    async def settle(self) -> None:
        """Waits for the voices that are on their way. Then `voices` and `note` say what became of them."""
        await self._voices.settle()

    async def start(self) -> None:
        if self._threads is not None:
            return
        self._threads = Threads(self.name, _THREADS)
        try:
            await self._voices.start(self._threads)
        except AssetError as error:
            await self.close()
            raise EngineError(self.name, str(error), fault=Fault.MISSING) from None
        except ImportError as error:
            await self.close()
            message = f"the package {error.name or 'hibari-tts'} cannot be loaded: pip install -r requirements.txt"
            raise EngineError(self.name, message, fault=Fault.MISSING) from None

    async def close(self) -> None:
        await self._voices.close()
        if self._threads is not None:
            self._threads.close()
            self._threads = None

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        """Does nothing: loading the model ends with a sentence, so a loaded model works."""

    async def synthesize(self, text: str, style: Style = DEFAULT_STYLE) -> AsyncGenerator[Audio | WordStarts]:
        """Yields the sound, sentence by sentence, and the starts of all words once they are known.

        Raises EngineError with UNSUITABLE for a text that is not in Latin script.
        """
        self.prepare(style)
        speaker, threads = self.speaker(style), self._threads
        if speaker is None or threads is None:
            raise EngineError(self.name, "it is not started")
        words, starts_s, ended_s = len(text.split()), dict[int, float](), 0.0
        try:
            parts = await threads.run(split_into_parts, text)
            for part in parts:
                for phonemes in await threads.run(speaker.phonemize, part):
                    spoken = await threads.run(speaker.speak, phonemes)
                    for word, start_s in spoken.starts_s:
                        starts_s.setdefault(word, ended_s + start_s)
                    ended_s += spoken.duration_s
                    sound = spoken.sound()
                    while (samples := await threads.run(next, sound, None)) is not None:
                        yield Audio(samples, RATE_HZ)
        except UnsuitableTextError as error:
            raise EngineError(self.name, str(error), fault=Fault.UNSUITABLE) from None
        if starts_s:
            yield WordStarts(_for_each(words, starts_s, ended_s))
        else:
            yield Audio.silence(_SILENCE_S, RATE_HZ)


def _for_each(words: int, known_s: dict[int, float], end_s: float) -> tuple[float, ...]:
    """Returns when each word begins. A word without a sound, such as a dash, begins with the word after it."""
    starts = []
    for word in reversed(range(words)):
        end_s = known_s.get(word, end_s)
        starts.append(end_s)
    return tuple(reversed(starts))
