"""The recogniser of one session, which shares the model with all others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import Protocol

from voicebot.audio.sound import SPEECH_RATE_HZ, Audio, Samples
from voicebot.engines.errors import EngineError
from voicebot.engines.protocols import Pause, Transcript
from voicebot.engines.stt.moonshine.model import ENGINE
from voicebot.engines.stt.moonshine.recognition import RecognisedText
from voicebot.engines.stt.moonshine.scheduler import DecodeJob, InterimShare, Scheduler
from voicebot.engines.stt.moonshine.utterance import DecodeRequest, GrowingUtterance

SLICE_SAMPLES = SPEECH_RATE_HZ
"""Long pieces of sound, such as recordings, are taken in slices of 1 s, so that the event loop is never blocked."""


class SoundRecogniser(Protocol):
    """What `Recogniser` offers."""

    def recognise(self, sound: Samples, stop: threading.Event) -> RecognisedText: ...


@dataclass(frozen=True, slots=True)
class SharedRecogniser:
    """What all sessions share: the loaded model, and the scheduler that decides when it is used."""

    recogniser: SoundRecogniser
    scheduler: Scheduler


@dataclass(frozen=True, slots=True)
class _Decoding:
    """Decodes one sound."""

    recogniser: SoundRecogniser
    sound: Samples

    def run(self, stop: threading.Event) -> RecognisedText:
        return self.recogniser.recognise(self.sound, stop)


class MoonshineTranscriber:
    """Transcribes the utterances of one session. Without a recogniser it raises the error that it was given instead."""

    def __init__(self, shared: SharedRecogniser | EngineError) -> None:
        self._shared = shared
        self._share = InterimShare()
        self.bytes_sent = 0

    async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
        if isinstance(self._shared, EngineError):
            raise EngineError(ENGINE, self._shared.message, fault=self._shared.fault)
        decoder = _UtteranceDecoder(self._shared, self._share)
        feeding = asyncio.create_task(self._feed(audio, decoder), name="moonshine audio")
        try:
            final = False
            while not final:
                transcript = await decoder.wait_for_transcript()
                yield transcript
                final = transcript.final
        finally:
            feeding.cancel()
            decoder.close()
            await asyncio.wait([feeding])

    async def _feed(self, audio: AsyncIterable[Audio | Pause], decoder: _UtteranceDecoder) -> None:
        try:
            async for item in audio:
                match item:
                    case Pause(number):
                        decoder.add_pause(number)
                    case Audio(samples):
                        for start in range(0, len(samples), SLICE_SAMPLES):
                            decoder.add_audio(samples[start : start + SLICE_SAMPLES])
                            await asyncio.sleep(0)
                        self.bytes_sent += 2 * len(samples)
            decoder.end()
        except Exception as error:  # noqa: BLE001 - the source's error is raised where the transcripts are awaited
            decoder.fail(error)


class _UtteranceDecoder:
    """Decodes one utterance, with at most one job at a time."""

    def __init__(self, shared: SharedRecogniser, share: InterimShare) -> None:
        self._scheduler, self._recogniser, self._share = shared.scheduler, shared.recogniser, share
        self._utterance = GrowingUtterance()
        self._transcripts: asyncio.Queue[Transcript | Exception] = asyncio.Queue()
        self._job: DecodeJob[RecognisedText] | None = None
        self._request: DecodeRequest | None = None
        """What the job decodes; None before the job has begun."""
        self._closed = False

    async def wait_for_transcript(self) -> Transcript:
        """Returns the next transcript. Raises the error that has ended the utterance."""
        item = await self._transcripts.get()
        if isinstance(item, Exception):
            raise item
        return item

    def add_audio(self, samples: Samples) -> None:
        self._utterance.add_audio(samples)
        self._update()

    def add_pause(self, number: int) -> None:
        self._utterance.add_pause(number)
        self._update()

    def end(self) -> None:
        self._utterance.end()
        self._update()

    def fail(self, error: Exception) -> None:
        """Ends the utterance with an error, which `wait_for_transcript` raises."""
        self.close()
        self._transcripts.put_nowait(error)

    def close(self) -> None:
        """Gives the utterance up."""
        self._closed = True
        self._drop_job()

    def _update(self) -> None:
        """Passes on new transcripts, and submits the job that is needed next."""
        if self._closed:
            return
        while (transcript := self._utterance.next_transcript()) is not None:
            self._transcripts.put_nowait(transcript)
        needed = self._utterance.next_request()
        if self._job is not None and self._request is not None:
            if needed is None or self._request.serves(needed):
                return
            self._drop_job()
        if needed is None:
            self._drop_job()
        elif self._job is None:
            self._job = DecodeJob(needed.urgency, self._share, self)
            self._scheduler.submit(self._job)
        elif self._job.urgency is not needed.urgency:
            self._scheduler.change_urgency(self._job, needed.urgency)

    def _drop_job(self) -> None:
        if self._job is not None:
            self._scheduler.drop(self._job)
        self._job = self._request = None

    # The scheduler calls these ------------------------------------------------------------------------------------

    def prepare(self) -> _Decoding | None:
        self._request = request = self._utterance.next_request()
        if request is None:
            self._job = None
            return None
        return _Decoding(self._recogniser, self._utterance.audio_of(request))

    def done(self, result: RecognisedText | BaseException) -> None:
        request, self._job, self._request = self._request, None, None
        if isinstance(result, BaseException):
            self.fail(EngineError(ENGINE, f"it failed to decode a sound ({type(result).__name__})"))
            return
        assert request is not None
        self._utterance.add_result(request, result)
        self._update()

    def preempted(self) -> None:
        """Begins again later, as the interim job was stopped for a more urgent one."""
        self._job = self._request = None
        self._update()
