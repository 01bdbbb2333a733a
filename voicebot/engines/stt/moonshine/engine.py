"""The Moonshine engine: one model and a few threads for all sessions."""

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
from voicebot.engines.stt.moonshine.recognition import Recogniser
from voicebot.engines.stt.moonshine.scheduler import DecodeThreads, LoopAlarm, Scheduler
from voicebot.engines.stt.moonshine.transcriber import MoonshineTranscriber, SharedRecogniser

logger = logging.getLogger(__name__)


class Moonshine:
    """Embedded speech-to-text for English. It needs no key.

    The model tiny-en needs no internet. A `larger` model is used by sessions that begin after it was downloaded.
    """

    name = ENGINE
    languages = frozenset({"en"})

    def __init__(self, larger: LargerModel | None = None) -> None:
        self._larger = larger
        self._loading_larger: asyncio.Task[None] | None = None
        self._shared: SharedRecogniser | None = None
        self._failure = EngineError(ENGINE, "its model is not loaded")
        self._workers: DecodeThreads | None = None

    async def start(self) -> None:
        """Loads the model. Raises EngineError if its wheel is missing or damaged, or can't be used on this system."""
        if self._shared is None:
            try:
                recogniser = await asyncio.to_thread(_load_recogniser)
            except EngineError as failure:
                self._failure = failure
                raise
            self._workers = DecodeThreads()
            self._shared = SharedRecogniser(recogniser, Scheduler(self._workers, LoopAlarm()))
            if self._larger is not None:
                loading = self._use_larger(self._larger, recogniser, self._shared)
                self._loading_larger = asyncio.create_task(loading, name="larger moonshine model")

    async def close(self) -> None:
        if self._loading_larger is not None:
            self._loading_larger.cancel()
            await asyncio.wait([self._loading_larger])
        if self._shared is not None and self._workers is not None:
            self._shared.scheduler.close()
            await self._workers.close()
        self._shared = self._workers = self._loading_larger = None

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        """Raises EngineError if the model is not loaded."""
        if self._shared is None:
            raise self._failure

    @property
    def model(self) -> str | None:
        """The model in use; None without a larger model."""
        if self._larger is None:
            return None
        return NAME if self._larger.state is None else "tiny-en"

    @property
    def warning(self) -> str | None:
        """Why the larger model is not in use; None if it is."""
        return None if self._larger is None else self._larger.state

    @property
    def listed(self) -> tuple[str, ...]:
        return ()

    @asynccontextmanager
    async def session(self, style: Style = DEFAULT_STYLE) -> AsyncIterator[MoonshineTranscriber]:
        yield MoonshineTranscriber(self._shared or self._failure)

    async def _use_larger(self, larger: LargerModel, recogniser: Recogniser, shared: SharedRecogniser) -> None:
        try:
            model = await larger.load()
            self._shared = replace(shared, recogniser=recogniser.with_larger(model))
        except Exception:  # housekeeping boundary: tiny-en works without the larger model
            logger.exception("moonshine: %s can't be used", NAME)


def _load_recogniser() -> Recogniser:
    """Loads the model and decodes a second of silence, as the first decoding takes longer than others."""
    recogniser = Recogniser(Model.load())
    recogniser.recognise(np.zeros(SPEECH_RATE_HZ, np.int16), threading.Event())
    return recogniser
