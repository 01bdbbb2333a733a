"""What every engine of a stage offers, and how it says that it failed."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
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
class Transcript:
    """The words of one utterance so far; `final` once they will not change any more.

    `confidence` is 0 to 1, None where the engine has none.
    """

    text: str
    final: bool
    confidence: float | None = None


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
    def transcribe(self, audio: AsyncIterable[Audio]) -> AsyncIterator[Transcript]:
        """One utterance, as it is spoken (16 kHz pieces): partials, then exactly one final. Raises EngineError.

        The final's text is empty if there were no words. Closing the iterator gives the utterance up.
        """
        ...


class Agent(Engine, Protocol):
    def reply(self, history: History) -> AsyncIterator[str]:
        """The answer to the history's last message, token by token. Raises EngineError.

        Closing the iterator cancels the request.
        """
        ...


class TextToSpeech(Engine, Protocol):
    def synthesize(self, text: str) -> AsyncIterator[Audio]:
        """One sentence as sound, in pieces as they are made, at one rate. Raises EngineError.

        Closing the iterator stops the work.
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
