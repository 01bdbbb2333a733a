"""One session's use of the shared recogniser."""

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
from voicebot.engines.stt.moonshine.recognition import Recognized
from voicebot.engines.stt.moonshine.scheduler import Job, Scheduler, Share
from voicebot.engines.stt.moonshine.utterance import Request, Utterance

SLICE_SAMPLES = SPEECH_RATE_HZ
"""Sound that comes in long pieces, as recordings do, is taken in slices, so that nothing else has to wait."""


class FindsWords(Protocol):
    """What `Recognizer` does, or a test's replacement for it."""

    def recognize(self, sound: Samples, stop: threading.Event) -> Recognized: ...


@dataclass(frozen=True, slots=True)
class Shared:
    """What all sessions share: the loaded model, and what decides when it is used."""

    recognizer: FindsWords
    scheduler: Scheduler


@dataclass(frozen=True, slots=True)
class _Decoding:
    """A sound that is to be decoded now."""

    recognizer: FindsWords
    sound: Samples

    def run(self, stop: threading.Event) -> Recognized:
        return self.recognizer.recognize(self.sound, stop)


class MoonshineTranscriber:
    """Transcribes the utterances of one session; or raises why it can't, if there is no recogniser."""

    def __init__(self, shared: Shared | EngineError) -> None:
        self._shared = shared
        self._share = Share()
        self.bytes_sent = 0

    async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
        if isinstance(self._shared, EngineError):
            raise EngineError(ENGINE, self._shared.message, fault=self._shared.fault)
        hearing = _Hearing(self._shared, self._share)
        feeding = asyncio.create_task(self._feed(audio, hearing), name="moonshine audio")
        try:
            final = False
            while not final:
                transcript = await hearing.next()
                yield transcript
                final = transcript.final
        finally:
            feeding.cancel()
            hearing.close()
            await asyncio.wait([feeding])

    async def _feed(self, audio: AsyncIterable[Audio | Pause], hearing: _Hearing) -> None:
        try:
            async for item in audio:
                match item:
                    case Pause(number):
                        hearing.pause(number)
                    case Audio(samples):
                        for start in range(0, len(samples), SLICE_SAMPLES):
                            hearing.push(samples[start : start + SLICE_SAMPLES])
                            await asyncio.sleep(0)
                        self.bytes_sent += 2 * len(samples)
            hearing.end()
        except Exception as error:  # noqa: BLE001 - the source's error is raised where the transcripts are awaited
            hearing.fail(error)


class _Hearing:
    """One utterance, with the job that decodes it at the moment."""

    def __init__(self, shared: Shared, share: Share) -> None:
        self._scheduler, self._recognizer, self._share = shared.scheduler, shared.recognizer, share
        self._utterance = Utterance()
        self._told: asyncio.Queue[Transcript | Exception] = asyncio.Queue()
        self._job: Job[Recognized] | None = None
        self._request: Request | None = None
        """What the job decodes; None before it has begun."""
        self._closed = False

    async def next(self) -> Transcript:
        """Returns the next transcript. Raises what went wrong."""
        told = await self._told.get()
        if isinstance(told, Exception):
            raise told
        return told

    def push(self, samples: Samples) -> None:
        self._utterance.push(samples)
        self._go_on()

    def pause(self, number: int) -> None:
        self._utterance.pause(number)
        self._go_on()

    def end(self) -> None:
        self._utterance.end()
        self._go_on()

    def fail(self, error: Exception) -> None:
        """Ends the utterance: `next` raises the error."""
        self.close()
        self._told.put_nowait(error)

    def close(self) -> None:
        """Gives the utterance up."""
        self._closed = True
        self._drop()

    def _go_on(self) -> None:
        """Tells what is known, and sees to it that what is needed next is decoded."""
        if self._closed:
            return
        while (transcript := self._utterance.answer()) is not None:
            self._told.put_nowait(transcript)
        needed = self._utterance.request()
        if self._job is not None and self._request is not None:
            if needed is None or self._request.serves(needed):
                return
            self._drop()
        if needed is None:
            self._drop()
        elif self._job is None:
            self._job = Job(needed.urgency, self._share, self)
            self._scheduler.submit(self._job)
        elif self._job.urgency is not needed.urgency:
            self._scheduler.hurry(self._job, needed.urgency)

    def _drop(self) -> None:
        if self._job is not None:
            self._scheduler.drop(self._job)
        self._job = self._request = None

    # What the scheduler calls ---------------------------------------------------------------------------------------

    def prepare(self) -> _Decoding | None:
        self._request = request = self._utterance.request()
        if request is None:
            self._job = None
            return None
        return _Decoding(self._recognizer, self._utterance.sound(request))

    def done(self, result: Recognized | BaseException) -> None:
        request, self._job, self._request = self._request, None, None
        if isinstance(result, BaseException):
            self.fail(EngineError(ENGINE, f"it failed to decode a sound ({type(result).__name__})"))
            return
        assert request is not None
        self._utterance.heard(request, result)
        self._go_on()

    def preempted(self) -> None:
        """The interim job was stopped for a more urgent one: it may begin again later."""
        self._job = self._request = None
        self._go_on()
