"""The embedded recogniser: one model and a few threads for all sessions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from voicebot.core.audio import SPEECH_RATE_HZ
from voicebot.engines.base import EngineError
from voicebot.engines.stt.moonshine.model import ENGINE, Model
from voicebot.engines.stt.moonshine.recognition import Recognizer
from voicebot.engines.stt.moonshine.scheduler import Scheduler, ThreadWorkers
from voicebot.engines.stt.moonshine.transcriber import MoonshineTranscriber, Shared


class Moonshine:
    """Moonshine tiny-en: English only; needs no key and no internet."""

    name = ENGINE
    languages = frozenset({"en"})

    def __init__(self) -> None:
        self._shared: Shared | None = None
        self._failure = EngineError(ENGINE, "its model is not loaded")
        self._workers: ThreadWorkers | None = None

    async def start(self) -> None:
        """Loads the model. Raises EngineError if its wheel is missing, damaged, or can't be used on this system."""
        if self._shared is None:
            try:
                recognizer = await asyncio.to_thread(_loaded_and_warm)
            except EngineError as failure:
                self._failure = failure
                raise
            self._workers = ThreadWorkers()
            self._shared = Shared(recognizer, Scheduler(self._workers, asyncio.get_running_loop()))

    async def close(self) -> None:
        if self._workers is not None:
            self._workers.close()
        self._shared = self._workers = None

    async def probe(self) -> None:
        """Raises EngineError if the model is not loaded."""
        if self._shared is None:
            raise self._failure

    @asynccontextmanager
    async def session(self) -> AsyncIterator[MoonshineTranscriber]:
        yield MoonshineTranscriber(self._shared or self._failure)


def _loaded_and_warm() -> Recognizer:
    """The first decoding takes longer than others: it is done before anybody waits."""
    recognizer = Recognizer(Model.load())
    recognizer.recognize(np.zeros(SPEECH_RATE_HZ, np.int16), threading.Event())
    return recognizer
