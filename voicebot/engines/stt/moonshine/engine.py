"""The embedded recogniser: one model and a few threads for all sessions."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np

from voicebot.audio.sound import SPEECH_RATE_HZ
from voicebot.engines.errors import EngineError
from voicebot.engines.protocols import DEFAULT_STYLE, Style
from voicebot.engines.stt.moonshine.larger import NAME, LargerModel
from voicebot.engines.stt.moonshine.model import ENGINE, Model
from voicebot.engines.stt.moonshine.recognition import Recognizer
from voicebot.engines.stt.moonshine.scheduler import LoopAlarm, Scheduler, ThreadWorkers
from voicebot.engines.stt.moonshine.transcriber import MoonshineTranscriber, Shared

logger = logging.getLogger(__name__)


class Moonshine:
    """Moonshine: English only; needs no key.

    tiny-en needs no internet, either. A `larger` model takes its place in sessions that begin after it was fetched.
    """

    name = ENGINE
    languages = frozenset({"en"})

    def __init__(self, larger: LargerModel | None = None) -> None:
        self._larger = larger
        self._replacing: asyncio.Task[None] | None = None
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
            self._shared = Shared(recognizer, Scheduler(self._workers, LoopAlarm()))
            if self._larger is not None:
                replacing = self._replace_with(self._larger, recognizer, self._shared)
                self._replacing = asyncio.create_task(replacing, name="larger moonshine model")

    async def close(self) -> None:
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.wait([self._replacing])
        if self._shared is not None and self._workers is not None:
            self._shared.scheduler.close()
            await self._workers.close()
        self._shared = self._workers = self._replacing = None

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        """Raises EngineError if the model is not loaded."""
        if self._shared is None:
            raise self._failure

    @property
    def model(self) -> str | None:
        """The model in use, where there is a choice."""
        if self._larger is None:
            return None
        return NAME if self._larger.state is None else "tiny-en"

    @property
    def warning(self) -> str | None:
        """Why the larger model is not in use."""
        return None if self._larger is None else self._larger.state

    @property
    def listed(self) -> tuple[str, ...]:
        return ()

    @asynccontextmanager
    async def session(self, style: Style = DEFAULT_STYLE) -> AsyncIterator[MoonshineTranscriber]:
        yield MoonshineTranscriber(self._shared or self._failure)

    async def _replace_with(self, larger: LargerModel, recognizer: Recognizer, shared: Shared) -> None:
        try:
            model = await larger.loaded()
            self._shared = replace(shared, recognizer=recognizer.with_larger(model))
        except Exception:  # housekeeping boundary: whatever is wrong with the larger model, tiny-en works
            logger.exception("moonshine: %s can't be used", NAME)


def _loaded_and_warm() -> Recognizer:
    """The first decoding takes longer than others: it is done before anybody waits."""
    recognizer = Recognizer(Model.load())
    recognizer.recognize(np.zeros(SPEECH_RATE_HZ, np.int16), threading.Event())
    return recognizer
