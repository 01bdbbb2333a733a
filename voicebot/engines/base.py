"""What every engine of a stage offers, and how it says that it failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from voicebot.core.audio import Audio
from voicebot.core.history import History


class EngineError(Exception):
    """An engine could not do its work. The text says which engine and why, is safe to show, and holds no key."""

    def __init__(self, engine: str, message: str) -> None:
        super().__init__(f"{engine}: {message}")
        self.engine = engine
        self.message = message


@dataclass(frozen=True, slots=True)
class Pause:
    """A mark in the sound of an utterance: the speaker has fallen silent, and may speak on. Numbered from 1 upwards."""

    number: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words of one utterance so far; `final` once they will not change any more.

    `confidence` is 0 to 1, None where the engine has none. `pause` is the number of the pause this answers: no word
    said before it is missing, and it is what the final would be if nothing followed.
    """

    text: str
    final: bool
    confidence: float | None = None
    pause: int | None = None


@dataclass(frozen=True, slots=True)
class WordStarts:
    """When the words of a text begin in its sound, in seconds from its start: one for each word, split at spaces."""

    starts_s: tuple[float, ...]


class Engine(Protocol):
    """What all stages share. Constructors open nothing; `start` does, `close` frees it, and both may come twice."""

    @property
    def name(self) -> str: ...

    @property
    def languages(self) -> frozenset[str]:
        """The two-letter codes it can work in."""
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class SpeechToText(Engine, Protocol):
    def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
        """One utterance, as it is spoken (16 kHz pieces): partials, then exactly one final. Raises EngineError.

        At a pause an engine that can tells at once what was said so far; one that can't passes over it, as it may
        over a pause that has ended meanwhile. The final's text is empty if there were no words. Closing the
        generator gives the utterance up.
        """
        ...


class Agent(Engine, Protocol):
    def reply(self, history: History, wanted: asyncio.Event) -> AsyncGenerator[str]:
        """The answer to the history's last message, token by token. Raises EngineError.

        Until it is `wanted` the answer may be thrown away: what has effects outside must wait for that. Closing the
        generator cancels the request.
        """
        ...


class TextToSpeech(Engine, Protocol):
    def synthesize(self, text: str) -> AsyncGenerator[Audio | WordStarts]:
        """One sentence as sound, in pieces as they are made, at one rate. Raises EngineError.

        An engine that knows when its words begin may tell so once, at any point.
        Closing the generator stops the work.
        """
        ...


class VoiceActivityDetector(Protocol):
    """Listens to one stream; not shared between sessions."""

    @property
    def window_samples(self) -> int:
        """How many 16 kHz samples it takes at a time."""
        ...

    def probability(self, window: npt.NDArray[np.int16]) -> float:
        """How likely this window is speech, 0 to 1. `window`: int16 of shape (window_samples,)."""
        ...

    def reset(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Engines:
    """One engine for each stage, shared by all sessions; a detector is made for each session."""

    stt: SpeechToText
    agent: Agent
    tts: TextToSpeech
    vad_name: str
    make_vad: Callable[[], VoiceActivityDetector]

    @property
    def names(self) -> dict[str, str]:
        return {"stt": self.stt.name, "llm": self.agent.name, "tts": self.tts.name, "vad": self.vad_name}

    async def start(self) -> None:
        """Start every stage. Raises EngineError of the first that can't."""
        for engine in (self.stt, self.agent, self.tts):
            await engine.start()

    async def close(self) -> None:
        for engine in (self.tts, self.agent, self.stt):
            await engine.close()
