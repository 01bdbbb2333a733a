"""Stub services for Pipecat's pipeline, with the same delays, words and voice as the stub engines of the other bots."""

# mypy: disable-error-code="import-not-found, no-untyped-call"

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import fields
from typing import Any

from pipecat.audio.vad.vad_analyzer import VAD_STOP_SECS
from pipecat.frames.frames import (
    Frame,
    InterimTranscriptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.utils.time import time_now_iso8601

from tests.benchmarks.control import Stage
from tests.benchmarks.oracle import Delays, Utterance, tokens
from tests.support.position_voice import RATE_HZ

ENDPOINTING_S = 0.3
"""The silence after which a streaming recogniser finishes a text without being told to by a detector."""


class StubStt(STTService):
    """A streaming recogniser: each word is known `stt_s` after it, the final text `stt_s` after the detected end of
    speech."""

    def __init__(self, stage: Stage, delays: Delays) -> None:
        latency_s = VAD_STOP_SECS + delays.stt_s
        super().__init__(ttfs_p99_latency=latency_s, settings=STTSettings(model=None, language=None))
        self._stage = stage
        self._delays = delays
        self._utterance: Utterance | None = None
        self._shown = ""
        self._changed_s = 0.0

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None]:
        """Receives a piece of 20 ms."""
        now_s = time.monotonic()
        if self._utterance is None:
            self._utterance = self._stage.oracle.begin()
        text = self._utterance.text(now_s - self._delays.stt_s)
        if text != self._shown:
            self._shown, self._changed_s = text, now_s
            yield InterimTranscriptionFrame(text, "", time_now_iso8601())
        elif text and not self._user_speaking and now_s - self._changed_s >= ENDPOINTING_S:
            await self._finish()
        else:
            yield None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            asyncio.get_running_loop().call_later(self._delays.stt_s, self._finish_soon)

    def _finish_soon(self) -> None:
        self.create_task(self._finish())

    async def _finish(self) -> None:
        if self._utterance is None or self._user_speaking:
            return
        text = self._utterance.end(time.monotonic() - self._delays.stt_s)
        self._utterance, self._shown = None, ""
        if text:
            self.request_finalize()
            self.confirm_finalize()
            await self.push_frame(TranscriptionFrame(text, "", time_now_iso8601()))


class StubLlm(LLMService):
    """Says what the client asked for, token by token. An interruption cancels it, as it cancels every processor's
    work."""

    def __init__(self, stage: Stage, delays: Delays) -> None:
        unset: dict[str, Any] = {each.name: None for each in fields(LLMSettings)}
        super().__init__(settings=LLMSettings(**unset | {"extra": {}}))
        self._stage = stage
        self._delays = delays

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        number = self._stage.reply()
        await self.push_frame(LLMFullResponseStartFrame())
        await asyncio.sleep(self._delays.first_token_s)
        for index, word in enumerate(tokens(self._stage.oracle.mode, number)):
            await asyncio.sleep(self._delays.token_s if index else 0.0)
            await self.push_frame(LLMTextFrame(word))
        await self.push_frame(LLMFullResponseEndFrame())


class StubTts(TTSService):
    """Yields the whole sentence `tts_s` after the request."""

    def __init__(self, stage: Stage, delays: Delays) -> None:
        settings = TTSSettings(model=None, voice=None, language=None)
        super().__init__(push_start_frame=True, push_stop_frames=True, sample_rate=RATE_HZ, settings=settings)
        self._stage = stage
        self._delays = delays

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None]:
        await asyncio.sleep(self._delays.tts_s)
        for piece in self._stage.sentence(text):
            frame: Any = TTSAudioRawFrame(piece.tobytes(), RATE_HZ, 1, context_id=context_id)
            yield frame
