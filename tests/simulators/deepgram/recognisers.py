"""The recognisers with which the simulator finds words in the audio it receives. Each connection has its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tests.support.tone_words import ToneEar
from voicebot.audio.sound import SPEECH_RATE_HZ as RATE_HZ
from voicebot.audio.sound import Audio, Samples
from voicebot.engines.protocols import Transcriber, Transcript
from voicebot.engines.stt.moonshine.energy import HOP, energies, speech_span


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A recognised word, from sample `start` to sample `end` of the connection's audio."""

    text: str
    start: int
    end: int
    confidence: float = 0.99


class SimulatedRecogniser(Protocol):
    def receive_audio(self, samples: Samples) -> None: ...

    async def words(self, since: int, *, all_heard: bool) -> Sequence[HeardWord]:
        """Returns the words that begin at sample `since` or later. With `all_heard`, the last word may lack its end."""
        ...


class ToneWordRecogniser:
    """Recognises the signals of `tone_words`, and so knows exactly which words the audio contains."""

    def __init__(self) -> None:
        self._ear = ToneEar()

    def receive_audio(self, samples: Samples) -> None:
        self._ear.receive_audio(samples)

    async def words(self, since: int, *, all_heard: bool) -> list[HeardWord]:
        words = self._ear.words(all_heard=all_heard)
        return [HeardWord(word.text, word.start, word.end) for word in words if word.start >= since]


class ScriptedRecogniser:
    """Returns each word of a script when its time in the connection's audio has come, whatever the audio contains."""

    def __init__(self, *script: tuple[str, float, float]) -> None:
        self._script = [
            HeardWord(text, round(start_s * RATE_HZ), round(end_s * RATE_HZ)) for text, start_s, end_s in script
        ]
        self._heard = 0

    def receive_audio(self, samples: Samples) -> None:
        self._heard += len(samples)

    async def words(self, since: int, *, all_heard: bool) -> list[HeardWord]:
        return [word for word in self._script if word.start >= since and word.end <= self._heard]


class EmbeddedRecogniser:
    """Recognises real speech with an engine of the project once all audio is there, and spreads the words over it."""

    def __init__(self, transcriber: Transcriber) -> None:
        self._transcriber = transcriber
        self._sound = np.zeros(0, np.int16)

    def receive_audio(self, samples: Samples) -> None:
        self._sound = np.concatenate([self._sound, samples])

    async def words(self, since: int, *, all_heard: bool) -> list[HeardWord]:
        stretch = self._sound[since:]
        span = speech_span(energies(stretch), 0.0)
        if not all_heard or span is None:
            return []
        text = ""
        async with aclosing(self._transcriber.transcribe(_pieces(stretch))) as transcripts:
            async for transcript in transcripts:
                if isinstance(transcript, Transcript):
                    text = transcript.text
        words = text.split()
        places = np.linspace(since + span.start * HOP, since + span.end * HOP, len(words) + 1).astype(int).tolist()
        return [HeardWord(*word, 0.9) for word in zip(words, places[:-1], places[1:], strict=True)]


async def _pieces(sound: Samples) -> AsyncGenerator[Audio]:
    for start in range(0, len(sound), RATE_HZ):
        yield Audio(sound[start : start + RATE_HZ], RATE_HZ)
