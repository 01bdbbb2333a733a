"""Deepgram over REST: whole utterances, and files."""

from __future__ import annotations

import asyncio
import io
import logging
import socket
import threading
import wave
from collections.abc import AsyncIterator
from random import Random

import av
import numpy as np
import pytest

from tests.simulators.deepgram import KEY, DeepgramSimulator
from tests.simulators.faults import Fault as Trouble
from tests.simulators.faults import Planned
from tests.support.deepgram_talk import final, heard, sound, utterance, words
from tests.support.recordings import encoded
from tests.support.tone_words import silence, spoken
from voicebot.audio.sound import Audio
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import Pause, SpeechToText, Style, Transcript
from voicebot.engines.stt.deepgram import DeepgramRest

TEXT = "you and he are one of they"


@pytest.fixture
async def simulator() -> AsyncIterator[DeepgramSimulator]:
    async with DeepgramSimulator() as simulator:
        yield simulator


@pytest.fixture
async def engine(simulator: DeepgramSimulator) -> AsyncIterator[DeepgramRest]:
    engine = DeepgramRest(KEY, base_url=simulator.url, timeout_s=0.5)
    await engine.start()
    yield engine
    await engine.close()


async def test_an_utterance_is_sent_as_one_wav_request(engine: DeepgramRest, simulator: DeepgramSimulator) -> None:
    async with engine.session() as transcriber:
        transcripts = await heard(transcriber, sound(*utterance(TEXT)))
        assert transcripts == [Transcript(TEXT, final=True, confidence=0.99)]
        (request,) = simulator.requests
        assert transcriber.bytes_sent == len(request.body)
    assert (request.head.method, request.head.path) == ("POST", "/v1/listen")
    assert request.head.headers["authorization"] == f"Token {KEY}"
    query = {name: value for name, (value,) in request.head.query.items()}
    assert query == {"model": "nova-3", "language": "en", "smart_format": "true", "punctuate": "true"}
    with wave.open(io.BytesIO(request.body)) as recording:
        assert (recording.getframerate(), recording.getnchannels(), recording.getsampwidth()) == (16_000, 1, 2)


async def test_audio_too_short_for_words_is_not_sent(engine: DeepgramRest, simulator: DeepgramSimulator) -> None:
    async with engine.session() as transcriber:
        assert await final(transcriber, sound(0.1, Pause(1), 0.09)) == ""
        assert await final(transcriber, sound()) == ""
    for container in ("webm", "wav", "mp3"):
        assert await engine.transcribe_file(encoded(silence(0.1), container)) == ""
    assert simulator.requests == []


@pytest.mark.parametrize("container", ["webm", "wav", "mp3"])
async def test_recordings_are_sent_unchanged(
    engine: DeepgramRest, simulator: DeepgramSimulator, container: str
) -> None:
    recording = encoded(np.concatenate([silence(0.2), spoken(TEXT), silence(0.2)]), container)
    assert await engine.transcribe_file(recording) == TEXT
    assert simulator.requests[0].body == recording


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the recording is empty"),
        (b"hello", "neither WebM nor WAV nor MP3"),
        (b"OggS" + bytes(100), "neither WebM nor WAV nor MP3"),
        (b"\xff\xf1" + bytes(100), "neither WebM nor WAV nor MP3"),
        (b"RIFF\x00\x00\x00\x00AVI " + bytes(100), "neither WebM nor WAV nor MP3"),
        (b"RIFF\x00\x00\x00\x00WAVE", "can't be read as WAV"),
        (b"\x1a\x45\xdf\xa3" + bytes(200), "can't be read as WebM"),
        (b"ID3" + bytes(10), "can't be read as MP3"),
    ],
    ids=["empty", "text", "ogg", "aac", "avi", "wav", "webm", "mp3"],
)
async def test_data_that_is_no_readable_recording_is_rejected_without_a_request(
    engine: DeepgramRest, simulator: DeepgramSimulator, data: bytes, problem: str
) -> None:
    with pytest.raises(EngineError, match=f"deepgram-rest: .*{problem}") as failed:
        await engine.transcribe_file(data)
    assert failed.value.fault is Fault.REJECTED
    assert simulator.requests == []


async def test_a_video_without_an_audio_track_is_rejected(engine: DeepgramRest) -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as film:
        stream = film.add_stream("libvpx", rate=10)
        stream.width = stream.height = 16
        for packet in [*stream.encode(av.VideoFrame(16, 16, "yuv420p")), *stream.encode(None)]:
            film.mux(packet)
    with pytest.raises(EngineError, match="no sound"):
        await engine.transcribe_file(file.getvalue())


@pytest.mark.parametrize(
    ("trouble", "fault", "message"),
    [
        (Trouble.UNAUTHORIZED, Fault.DENIED, "the key is not accepted"),
        (Trouble.FORBIDDEN, Fault.DENIED, "the key may not use this"),
        (Planned(Trouble.RATE_LIMITED, retry_after_s=7), Fault.LIMITED, "too many requests"),
        (Trouble.SERVER_ERROR, Fault.SERVER, "the service failed"),
        (Trouble.REFUSE, Fault.BROKEN, "the connection broke"),
        (Trouble.HANG, Fault.TIMEOUT, "no answer came in time"),
        (Planned(Trouble.SLOW_FIRST_BYTE, delay_s=5), Fault.TIMEOUT, "no answer came in time"),
        (Trouble.CUT, Fault.BROKEN, "the connection broke"),
        (Trouble.GARBAGE, Fault.BROKEN, "not one of Deepgram's"),
    ],
    ids=lambda value: str(getattr(value, "fault", value)),
)
async def test_a_fault_raises_an_error_that_names_the_cause_without_a_retry(
    engine: DeepgramRest,
    simulator: DeepgramSimulator,
    caplog: pytest.LogCaptureFixture,
    trouble: Trouble | Planned,
    fault: Fault,
    message: str,
) -> None:
    simulator.faults.always(trouble)
    async with engine.session() as transcriber:
        with caplog.at_level(logging.DEBUG), pytest.raises(EngineError, match=f"^deepgram-rest: .*{message}") as failed:
            await final(transcriber, sound(*utterance(TEXT)))
        assert failed.value.fault is fault
        assert failed.value.retry_after_s == (7 if fault is Fault.LIMITED else None)
        assert KEY not in str(failed.value)
        assert not any(KEY in record.getMessage() for record in caplog.records)
        assert len(simulator.requests) == 1, "the SDK sends the request once"
        simulator.faults.always(None)
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT


async def test_a_closed_port_is_reported_as_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    engine = DeepgramRest(KEY, base_url=f"http://127.0.0.1:{port}")
    await engine.start()
    with pytest.raises(EngineError, match="no connection") as failed:
        await engine.probe()
    assert failed.value.fault is Fault.UNREACHABLE
    await engine.close()


async def test_a_probe_passes_with_a_good_key_and_fails_with_a_denied_one(
    engine: DeepgramRest, simulator: DeepgramSimulator
) -> None:
    await engine.probe()
    simulator.faults.plan(Trouble.UNAUTHORIZED)
    with pytest.raises(EngineError, match="key is not accepted"):
        await engine.probe()


async def test_cancelling_a_transcription_ends_its_request_within_a_tenth_of_a_second(
    engine: DeepgramRest, simulator: DeepgramSimulator
) -> None:
    simulator.setting.delay_s = 60
    async with engine.session() as transcriber:
        transcribing = asyncio.create_task(final(transcriber, sound(*utterance(TEXT))))
        request = await simulator.requested(1)
        given_up_s = asyncio.get_running_loop().time()
        transcribing.cancel()
        await asyncio.wait([transcribing])
        await asyncio.wait_for(request.gone.wait(), 1)
    assert request.gone_s - given_up_s < 0.1


async def test_two_hundred_utterances_leak_no_tasks_threads_or_connections(
    engine: DeepgramRest, simulator: DeepgramSimulator
) -> None:
    random = Random(7)
    async with engine.session() as transcriber:
        await final(transcriber, sound(*utterance("one")))
        before = len(asyncio.all_tasks()), threading.active_count(), simulator.open
        for _ in range(200):
            text = words(random, 2)
            assert await final(transcriber, one_piece(text)) == text
        assert (len(asyncio.all_tasks()), threading.active_count(), simulator.open) == before
    await engine.close()
    await engine.close()
    await asyncio.wait_for(simulator.requests[-1].gone.wait(), 1)
    assert simulator.open == 0


async def one_piece(text: str) -> AsyncIterator[Audio | Pause]:
    yield Audio(np.concatenate([spoken(text), silence(0.1)]), 16_000)


async def test_a_flux_model_is_replaced_by_nova_3(simulator: DeepgramSimulator) -> None:
    engine: SpeechToText = DeepgramRest(KEY, base_url=simulator.url, model="flux-general-multi")
    await engine.start()
    await engine.probe(Style("es"))
    assert simulator.requests[0].head.query["model"] == ["nova-3"]
    assert {"es", "ja", "sv"} <= engine.languages
    await engine.close()
