"""Deepgram's recognition of whole recordings: an utterance once it is over, or an uploaded file."""

from __future__ import annotations

import asyncio
import io
import math
import wave
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager

import httpx

from voicebot.audio.sound import SPEECH_RATE_HZ, Audio
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import DEFAULT_STYLE, Pause, Style, Transcript
from voicebot.engines.stt.deepgram.engine import languages_of
from voicebot.engines.stt.deepgram.messages import FileAnswer
from voicebot.engines.stt.deepgram.sdk import (
    NOT_DEEPGRAM,
    ApiError,
    AsyncMediaClient,
    ParsingError,
    client,
    error_of_status,
    tls_context,
)
from voicebot.engines.upload import RecordingError, lasts

ENGINE = "deepgram-rest"

SHORTEST_S = 0.2
"""Shorter sound holds no words, and is not sent."""

PROBE_S = 0.1


class DeepgramRest:
    """Deepgram by REST (listen v1). Flux does not transcribe recordings, so nova-3 does it in its place."""

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
            self._http = httpx.AsyncClient(verify=tls_context())
            self._media = client(self._api_key, self._base_url, self._http).listen.v1.media

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = self._media = None

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        """Sends a tenth of a second of silence, which costs next to nothing."""
        await self.recognise(_wav_of(Audio.silence(PROBE_S, SPEECH_RATE_HZ)), style)

    @asynccontextmanager
    async def session(self, style: Style = DEFAULT_STYLE) -> AsyncIterator[DeepgramRestTranscriber]:
        yield DeepgramRestTranscriber(self, style)

    async def transcribe_file(self, data: bytes, style: Style = DEFAULT_STYLE) -> str:
        """Returns the words of a WebM, WAV or MP3 recording. The text is empty if it is shorter than 0.2 s.

        Raises EngineError, with the fault REJECTED if the data is no such recording.
        """
        try:
            if not await asyncio.to_thread(lasts, data, SHORTEST_S):
                return ""
        except RecordingError as problem:
            raise EngineError(ENGINE, str(problem), fault=Fault.REJECTED) from None
        return (await self.recognise(data, style)).text

    async def recognise(self, recording: bytes, style: Style) -> Transcript:
        """Returns the words of a recording. Sends one request, and does not try again. Raises EngineError."""
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
            best = FileAnswer.model_validate(answer).results.channels[0].alternatives[0]
        except ApiError as failure:
            raise error_of_status(ENGINE, failure.status_code or 0, httpx.Headers(failure.headers)) from None
        except (TimeoutError, httpx.TimeoutException):
            raise EngineError(ENGINE, "no answer came in time", fault=Fault.TIMEOUT) from None
        except httpx.ConnectError:
            raise EngineError(ENGINE, "no connection", fault=Fault.UNREACHABLE) from None
        except httpx.RequestError:
            raise EngineError(ENGINE, "the connection broke") from None
        except (ParsingError, ValueError):
            raise EngineError(ENGINE, NOT_DEEPGRAM) from None
        return Transcript(best.transcript, final=True, confidence=best.confidence if best.transcript else None)


class DeepgramRestTranscriber:
    """The recogniser of one session. It collects the sound of an utterance because one request must hold all of it."""

    def __init__(self, engine: DeepgramRest, style: Style) -> None:
        self._engine = engine
        self._style = style
        self.bytes_sent = 0

    async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
        """Waits for the end of the utterance, and yields its final only: no partials, no answers to pauses."""
        utterance = Audio.joined([item async for item in audio if isinstance(item, Audio)], SPEECH_RATE_HZ)
        if utterance.duration_s < SHORTEST_S:
            yield Transcript("", final=True)
            return
        recording = _wav_of(utterance)
        self.bytes_sent += len(recording)
        yield await self._engine.recognise(recording, self._style)


def _wav_of(audio: Audio) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(audio.rate_hz)
        recording.writeframes(audio.to_bytes())
    return file.getvalue()
