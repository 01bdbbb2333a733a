"""The decoding jobs of an utterance, with a fake model whose work ends when the test says so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing

import numpy as np
import pytest

from voicebot.audio.sound import SPEECH_RATE_HZ, Audio, Samples
from voicebot.engines.errors import EngineError
from voicebot.engines.protocols import Pause, Transcript
from voicebot.engines.stt.moonshine.recognition import NO_TEXT, RecognisedText
from voicebot.engines.stt.moonshine.scheduler import DecodeThreads, LoopAlarm, Scheduler
from voicebot.engines.stt.moonshine.transcriber import MoonshineTranscriber, SharedRecogniser


def loud(duration_s: float) -> Audio:
    noise = np.random.default_rng(1).normal(0, 3_000, round(duration_s * SPEECH_RATE_HZ))
    return Audio(noise.astype(np.int16), SPEECH_RATE_HZ)


def silence(duration_s: float) -> Audio:
    return Audio.silence(duration_s, SPEECH_RATE_HZ)


class Model:
    """Finds one word in each half second of audio. Its threads wait for `go_on`."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.go_on.set()
        self.begun: asyncio.Queue[float] = asyncio.Queue()
        self.stopped = threading.Semaphore(0)
        self.fails = False
        self._loop = asyncio.get_running_loop()

    def recognise(self, sound: Samples, stop: threading.Event) -> RecognisedText:
        self._loop.call_soon_threadsafe(self.begun.put_nowait, len(sound) / SPEECH_RATE_HZ)
        if self.fails:
            raise MemoryError("no more memory")
        while not self.go_on.wait(0.01):
            if stop.is_set():
                self.stopped.release()
                return NO_TEXT
        return RecognisedText(" ".join(["word"] * round(2 * len(sound) / SPEECH_RATE_HZ)), 0.9)


class Talk:
    """One session, which gets its audio from the test."""

    def __init__(self) -> None:
        self.model = Model()
        self.workers = DecodeThreads()
        self.scheduler = Scheduler(self.workers, LoopAlarm())
        self.transcriber = MoonshineTranscriber(SharedRecogniser(self.model, self.scheduler))
        self.sound: asyncio.Queue[Audio | Pause | None] = asyncio.Queue()

    async def pieces(self) -> AsyncIterator[Audio | Pause]:
        while (piece := await self.sound.get()) is not None:
            yield piece

    def hears(self, *pieces: Audio | Pause | None) -> None:
        for piece in pieces:
            self.sound.put_nowait(piece)


@pytest.fixture
async def talk() -> AsyncIterator[Talk]:
    talk = Talk()
    yield talk
    talk.model.go_on.set()
    talk.scheduler.close()
    await talk.workers.close()


async def test_an_utterance_that_is_given_up_stops_its_decoding(talk: Talk) -> None:
    talk.model.go_on.clear()
    transcripts = talk.transcriber.transcribe(talk.pieces())
    waiting = asyncio.ensure_future(anext(transcripts))
    talk.hears(loud(1.0), silence(0.1), Pause(1))
    await talk.model.begun.get()
    waiting.cancel()
    await asyncio.wait([waiting])
    await transcripts.aclose()
    assert await asyncio.to_thread(talk.model.stopped.acquire, timeout=10)


async def test_the_final_does_not_wait_for_an_interim_text_that_misses_the_last_word(talk: Talk) -> None:
    talk.model.go_on.clear()
    async with aclosing(talk.transcriber.transcribe(talk.pieces())) as transcripts:
        waiting = asyncio.ensure_future(anext(transcripts))
        talk.hears(loud(1.0))
        assert await talk.model.begun.get() == pytest.approx(1.0)
        talk.hears(loud(1.0), silence(0.5), None)
        assert await talk.model.begun.get() == pytest.approx(2.15, abs=0.02)
        assert await asyncio.to_thread(talk.model.stopped.acquire, timeout=10), (
            "decoding an interim text that is no longer needed must stop"
        )
        talk.model.go_on.set()
        assert await waiting == Transcript("word word word word", final=True, confidence=0.9)


async def test_a_pause_decoding_in_progress_becomes_the_final_text(talk: Talk) -> None:
    talk.model.go_on.clear()
    async with aclosing(talk.transcriber.transcribe(talk.pieces())) as transcripts:
        waiting = asyncio.ensure_future(anext(transcripts))
        talk.hears(loud(0.45), silence(0.1), Pause(1))
        await talk.model.begun.get()
        talk.hears(silence(0.4), None)
        await asyncio.sleep(0)
        talk.model.go_on.set()
        told = await waiting
        assert told.final
    assert talk.model.begun.empty(), "the audio must be decoded only once"


async def test_a_model_failure_affects_only_one_utterance(talk: Talk) -> None:
    talk.model.fails = True
    talk.hears(loud(1.0), None)
    with pytest.raises(EngineError, match=r"moonshine: it failed to decode a sound \(MemoryError\)"):
        _ = [each async for each in talk.transcriber.transcribe(talk.pieces())]
    talk.model.fails = False
    talk.hears(loud(1.0), None)
    assert [each.text async for each in talk.transcriber.transcribe(talk.pieces())][-1] == "word word"


async def test_closing_the_scheduler_ends_a_waiting_transcription_with_an_error(talk: Talk) -> None:
    talk.model.go_on.clear()
    waiting = asyncio.ensure_future(anext(talk.transcriber.transcribe(talk.pieces())))
    talk.hears(loud(1.0), None)
    await talk.model.begun.get()
    talk.scheduler.close()
    with pytest.raises(EngineError, match="moonshine"):
        await waiting


async def test_bytes_sent_counts_the_audio_of_an_utterance(talk: Talk) -> None:
    talk.hears(loud(1.0), Pause(1), silence(0.5), None)
    _ = [each async for each in talk.transcriber.transcribe(talk.pieces())]
    assert talk.transcriber.bytes_sent == 2 * 24_000
