"""Deepgram's recognition of whole recordings: an utterance once it is over, or a file that was uploaded."""

from __future__ import annotations

import asyncio
import io
import math
import wave
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager

import httpx
from pydantic import BaseModel, ConfigDict, Field

from voicebot.audio.sound import SPEECH_RATE_HZ, Audio
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import DEFAULT_STYLE, Pause, Style, Transcript
from voicebot.engines.stt.deepgram.languages import languages_of
from voicebot.engines.stt.deepgram.problems import of_status
from voicebot.engines.stt.deepgram.sdk import ApiError, AsyncMediaClient, ParsingError, client
from voicebot.engines.stt.deepgram.websocket import tls
from voicebot.engines.upload import RecordingError, lasts

ENGINE = "deepgram-rest"

SHORTEST_S = 0.2
"""There are no words in less."""

PROBE_S = 0.1


class DeepgramRest:
    """Deepgram by REST (listen v1). Flux knows no recordings: in its place nova-3 does them."""

    name = ENGINE

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str | None = None,
        model: str = "nova-3",
        timeout_s: float = 10.0,
    ) -> None:
        self._api_key, self._base_url = api_key, base_url
        self._model = "nova-3" if model.startswith("flux") else model
        self._timeout_s = timeout_s
        self._http: httpx.AsyncClient | None = None
        self._media: AsyncMediaClient | None = None
        self.languages = languages_of(self._model)

    async def start(self) -> None:
        if self._http is None:
            self._http = httpx.AsyncClient(verify=tls())
            self._media = client(self._api_key, self._base_url, self._http).listen.v1.media

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = self._media = None

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        """Has a moment of silence recognised, which is as good as free."""
        await self.recognise(_wav(Audio.silence(PROBE_S, SPEECH_RATE_HZ)), style)

    @asynccontextmanager
    async def session(self, style: Style = DEFAULT_STYLE) -> AsyncIterator[DeepgramRestTranscriber]:
        yield DeepgramRestTranscriber(self, style)

    async def transcribe_file(self, data: bytes, style: Style = DEFAULT_STYLE) -> str:
        """The words of a WebM, WAV or MP3 recording; empty if it is shorter than 0.2 s.

        Raises EngineError: REJECTED if it is no such recording.
        """
        try:
            if not await asyncio.to_thread(lasts, data, SHORTEST_S):
                return ""
        except RecordingError as problem:
            raise EngineError(ENGINE, str(problem), fault=Fault.REJECTED) from None
        return (await self.recognise(data, style)).text

    async def recognise(self, recording: bytes, style: Style) -> Transcript:
        """One request; not tried again."""
        assert self._media is not None, "start comes first"
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._media.transcribe_file(
                    request=recording,
                    model=self._model,
                    language=style.language,
                    smart_format=True,
                    punctuate=True,
                    request_options={"max_retries": 0, "timeout_in_seconds": math.ceil(self._timeout_s)},
                )
            best = _Answer.model_validate(answer).results.channels[0].alternatives[0]
        except ApiError as failure:
            raise of_status(ENGINE, failure.status_code or 0, httpx.Headers(failure.headers)) from None
        except (TimeoutError, httpx.TimeoutException):
            raise EngineError(ENGINE, "no answer came in time", fault=Fault.TIMEOUT) from None
        except httpx.ConnectError:
            raise EngineError(ENGINE, "no connection", fault=Fault.UNREACHABLE) from None
        except httpx.RequestError:
            raise EngineError(ENGINE, "the connection broke") from None
        except (ParsingError, ValueError):
            raise EngineError(ENGINE, "the answer is not one of Deepgram's") from None
        return Transcript(best.transcript, final=True, confidence=best.confidence if best.transcript else None)


class DeepgramRestTranscriber:
    """One session's use of the service.

    It collects an utterance's sound because one request must hold all of it, not to send it twice.
    """

    def __init__(self, engine: DeepgramRest, style: Style) -> None:
        self._engine = engine
        self._style = style
        self.bytes_sent = 0

    async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
        """Waits for the end of the utterance: there is neither a partial nor an answer to a pause."""
        utterance = Audio.joined([item async for item in audio if isinstance(item, Audio)], SPEECH_RATE_HZ)
        if utterance.duration_s < SHORTEST_S:
            yield Transcript("", final=True)
            return
        recording = _wav(utterance)
        self.bytes_sent += len(recording)
        yield await self._engine.recognise(recording, self._style)


def _wav(audio: Audio) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(audio.rate_hz)
        recording.writeframes(audio.to_bytes())
    return file.getvalue()


class _Part(BaseModel):
    """The SDK does not check what it makes of an answer: any field may be missing, or of another type."""

    model_config = ConfigDict(from_attributes=True, allow_inf_nan=False)


class _Alternative(_Part):
    transcript: str
    confidence: float = 0.0


class _Channel(_Part):
    alternatives: list[_Alternative] = Field(min_length=1)


class _Results(_Part):
    channels: list[_Channel] = Field(min_length=1)


class _Answer(_Part):
    results: _Results
