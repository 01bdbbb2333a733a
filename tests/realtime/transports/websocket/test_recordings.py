"""Recordings from strangers are decoded in confined processes, where a bad one harms only its sender."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import statistics
import struct
import time
from collections.abc import AsyncIterator
from fractions import Fraction

import av
import numpy as np
import psutil
import pytest

from tests.support.waiting import until
from tests.support.ws_bot import bot
from tests.support.ws_client import recording, ws_client
from voicebot.runtime import limits
from voicebot.transports.websocket.recording_decoder import DecodedRecording, RecordingDecoder

MODULE = "voicebot.engines.upload_worker"


def decoders() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            if MODULE in process.cmdline():
                found.append(process)
    return found


async def busy(before_s: dict[int, float]) -> psutil.Process:
    """Returns the decoder that is working. `before_s` holds the processor time that each had used before."""
    async with asyncio.timeout(10):
        while True:
            for process in decoders():
                if process.cpu_times().user > before_s.get(process.pid, 1e9) + 0.02:
                    return process
            await asyncio.sleep(0.01)


@pytest.fixture
async def decoder() -> AsyncIterator[RecordingDecoder]:
    decoder = RecordingDecoder(6_000_000)
    decoder.add_session()
    yield decoder
    decoder.remove_session()
    await decoder.close()
    assert decoders() == []


async def decode(decoder: RecordingDecoder, data: bytes) -> DecodedRecording:
    return await decoder.decode_base64(base64.b64encode(data))


def wav(rate_hz: int, channels: int = 1, size: int = 2_000, claim: int | None = None) -> bytes:
    """Returns 16-bit silence under a header with this rate and, as the number of bytes, `claim` instead of `size`."""
    claim = size if claim is None else claim
    frame = 2 * channels
    form = struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * frame % 2**32, frame % 2**16, 16)
    head = struct.pack("<4sI4s4sI", b"RIFF", (36 + claim) % 2**32, b"WAVE", b"fmt ", 16)
    return head + form + struct.pack("<4sI", b"data", claim) + bytes(size)


def webm(duration_s: float, layout: str = "mono", frame_ms: str = "20", pictures: int = 0) -> bytes:
    """Returns noise in Opus, with a VP8 video of `pictures` frames if that is not 0."""
    out = io.BytesIO()
    with av.open(out, "w", format="webm") as file:
        stream = file.add_stream("libopus", rate=48_000, layout=layout, options={"frame_duration": frame_ms})
        assert isinstance(stream, av.AudioStream)
        count = round(48_000 * duration_s) * stream.codec_context.channels
        noise = np.random.default_rng(1).normal(0, 3_000, (1, count)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(noise, format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
        if pictures:
            video = file.add_stream("libvpx", rate=1)
            assert isinstance(video, av.VideoStream)
            video.width, video.height, video.pix_fmt = 640, 480, "yuv420p"
            for number in range(pictures):
                picture = av.VideoFrame(640, 480, "yuv420p")
                picture.pts = number
                file.mux(video.encode(picture))
            file.mux(video.encode(None))
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


@pytest.mark.parametrize("rate_hz", [1, 7_999, 192_001, 1_000_001, 120_000_001, 192_000_000, 2**31 - 1])
async def test_a_sample_rate_outside_8_to_192_khz_is_refused(decoder: RecordingDecoder, rate_hz: int) -> None:
    begun_s = time.monotonic()
    decoded = await decode(decoder, wav(rate_hz))
    assert decoded.error == f"its sample rate is {rate_hz} Hz; 8000 to 192000 Hz are allowed"
    assert decoded.cost_s < 0.2
    assert time.monotonic() - begun_s < 5


@pytest.mark.parametrize("channels", [0, 9, 64, 65_535])
async def test_a_recording_with_no_channel_or_more_than_eight_is_refused(
    decoder: RecordingDecoder, channels: int
) -> None:
    decoded = await decode(decoder, wav(48_000, channels, size=4 * 2 * max(1, channels)))
    assert "channels; 1 to 8 are allowed" in decoded.error


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100, 96_000, 192_000])
async def test_recordings_at_usual_sample_rates_are_decoded(decoder: RecordingDecoder, rate_hz: int) -> None:
    decoded = await decode(decoder, wav(rate_hz, channels=8, size=16 * rate_hz))
    assert decoded.audio is not None
    assert decoded.audio.duration_s == pytest.approx(1.0, abs=0.02)


async def test_a_recording_whose_sample_rate_changes_midway_is_refused(decoder: RecordingDecoder) -> None:
    slow, fast = (base64.b64decode(recording("mp3", 1.0)) for _ in range(2))
    out = io.BytesIO()
    with av.open(out, "w", format="mp3") as file:
        stream = file.add_stream("libmp3lame", rate=16_000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16_000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)
    slow = out.getvalue()
    assert (await decode(decoder, slow)).audio is not None
    assert (await decode(decoder, fast + slow)).error


async def test_the_length_limit_holds_whatever_the_file_claims(decoder: RecordingDecoder) -> None:
    just_right = await decode(decoder, wav(8_000, size=2 * 8_000 * 59))
    assert just_right.audio is not None
    assert just_right.audio.duration_s == pytest.approx(59, abs=0.1)
    for data in (wav(8_000, size=2 * 8_000 * 61), wav(8_000, size=2 * 8_000 * 61, claim=2**32 - 1), webm(61)):
        assert "too long; 60 s are allowed" in (await decode(decoder, data)).error


async def test_decoding_thousands_of_tiny_frames_takes_less_than_half_the_cpu_limit(decoder: RecordingDecoder) -> None:
    data = webm(50, frame_ms="2.5")
    decoded = await decode(decoder, data)
    assert decoded.audio is not None
    assert decoded.cost_s < (limits.DECODER_CPU_S + limits.DECODER_CPU_S_PER_MB * len(data) / 1e6) / 2


async def test_only_the_sound_of_a_video_is_decoded(decoder: RecordingDecoder) -> None:
    decoded = await decode(decoder, webm(1, pictures=30))
    assert decoded.audio is not None
    assert decoded.audio.duration_s == pytest.approx(1.0, abs=0.05)


async def test_garbage_is_refused_and_the_next_recording_is_decoded(decoder: RecordingDecoder) -> None:
    """A damaged recording gives sound or an error, never both, and ends no process."""
    rng = np.random.default_rng(0)
    whole = webm(1)
    await until(lambda: decoder.free == limits.DECODERS)
    processes = {process.pid for process in decoders()}
    refused = 0
    for _ in range(30):
        damaged = bytearray(whole)
        for place in rng.integers(40, len(damaged), 60):
            damaged[place] = rng.integers(256)
        decoded = await decode(decoder, bytes(damaged))
        assert (decoded.audio is None) == bool(decoded.error)
        assert decoded.audio is None or decoded.audio.duration_s <= limits.UPLOAD_S
        refused += decoded.audio is None
    assert refused > 0
    for head in (b"\x1a\x45\xdf\xa3", b"RIFF\0\0\0\0WAVE", b"ID3"):
        decoded = await decode(decoder, head + rng.bytes(100_000))
        assert decoded.audio is None
        assert decoded.error
    decoded = await decode(decoder, whole)
    assert decoded.audio is not None
    assert decoded.audio.duration_s == pytest.approx(1.0, abs=0.05)
    assert {process.pid for process in decoders()} == processes


@pytest.mark.parametrize(
    ("audio", "complaint"),
    [
        (recording("wav", 4.0), "too large"),
        (base64.b64encode(wav(1, size=40_000)).decode(), "its sample rate is 1 Hz; 8000 to 192000 Hz are allowed"),
        (base64.b64encode(bytes(20_000)).decode(), "neither WebM nor WAV nor MP3"),
    ],
)
async def test_an_unacceptable_recording_is_refused_and_the_next_one_is_answered(audio: str, complaint: str) -> None:
    async with bot([["Yes."]], [["x"], ["hello"]], ws_max_audio_mb=0.1) as server, ws_client(server) as client:
        await client.send("speech_start")
        await client.send("speech_end", audio=audio)
        message = (await client.next("error"))["message"]
        assert message.startswith("speech_end: audio: ")
        assert complaint in message
        await client.send("speech_end", audio=recording("wav"))
        assert (await client.next("asr.final", text="hello"))["text"] == "hello"
        assert (await client.next("play_audio"))["text"] == "Yes."


async def test_a_decoder_process_has_no_keys_few_open_files_and_low_priority(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "secret")
    decoder = RecordingDecoder(6_000_000)
    decoder.add_session()
    assert (await decode(decoder, webm(0.5))).audio is not None
    await until(lambda: decoder.free == limits.DECODERS)
    processes = decoders()
    assert len(processes) == limits.DECODERS
    for process in processes:
        assert "secret" not in str(process.environ())
        assert process.nice() >= 10
        assert process.num_fds() == 5
        assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        assert process.rlimit(psutil.RLIMIT_AS)[0] < process.memory_info().vms + limits.DECODER_MEMORY_BYTES + 1e6
    decoder.remove_session()
    await decoder.close()


async def test_a_decoder_that_dies_or_hangs_costs_only_its_sender_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limits, "DECODER_WALL_S", 1.0)
    heard = [["x"], ["x"], ["good day"], ["good evening"]]
    async with bot([["Yes."], ["No."]], heard) as server, ws_client(server) as client, ws_client(server) as other:
        await client.send("speech_start")
        await until(lambda: len(decoders()) == limits.DECODERS)
        long = base64.b64encode(webm(55, frame_ms="2.5")).decode()
        for end in (psutil.Process.kill, psutil.Process.suspend):
            await until(lambda: server.application.decoder.free == limits.DECODERS)
            before_s = {process.pid: process.cpu_times().user for process in decoders()}
            await client.send("speech_end", audio=long)
            end(await busy(before_s))
            assert "speech_end: audio: the recording can't be decoded" in (await client.next("error"))["message"]
        for each in (other, client):
            await each.send("speech_end", audio=recording("webm"))
            while not (await each.next("asr.final", timeout_s=10))["text"]:
                pass  # the lost recordings have an empty text
        await until(lambda: len(decoders()) == limits.DECODERS)
    assert "killed by SIGKILL (out of memory?); another takes its place" in caplog.text


async def test_decoders_start_ahead_of_the_first_recording_and_end_after_the_last_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "DECODER_IDLE_S", 0.3)
    async with bot([["Yes."]], [["x"]]) as server:
        async with ws_client(server) as client:
            await client.next("connected")
            assert decoders() == []
            await client.send("speech_start")
            await until(lambda: len(decoders()) == limits.DECODERS)
            await client.send("speech_end", audio=recording("webm"))
            await client.next("asr.final")
            await asyncio.sleep(0.5)
            assert len(decoders()) == limits.DECODERS
        await until(lambda: decoders() == [])
        async with ws_client(server) as client:
            await client.send("speech_end", audio=recording("webm"))
            await client.next("asr.final")
    assert decoders() == []


async def test_recordings_sent_faster_than_real_time_wait_until_enough_time_has_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The burst and the time since the session began are allowed: after two recordings of 1.5 s the third waits 2 s."""
    monkeypatch.setattr(limits, "UPLOAD_BURST_S", 1.0)
    async with bot([["A."]] * 3, [["one"], ["two"], ["three"]]) as server, ws_client(server) as client:
        begun_s, waited_s = time.monotonic(), []
        for _ in range(3):
            await client.send("speech_end", audio=recording("wav", 1.5))
            while not (await client.next("asr.final", timeout_s=10))["text"]:
                pass
            waited_s.append(time.monotonic() - begun_s)
        assert waited_s[0] < 1.5
        assert waited_s[2] > 1.9
        await client.send("speech_end", audio=recording("wav", 1.5))
        await client.send("bye")
        await client.next("closed", timeout_s=1.0)


async def test_a_recording_of_three_seconds_is_decoded_in_less_than_200_ms(decoder: RecordingDecoder) -> None:
    """On an idle core, 3 s of WebM take 13 ms, and the pipe adds 1 ms. The limit allows for other work."""
    data = webm(3)
    await decode(decoder, data)
    took_s = []
    for _ in range(20):
        begun_s = time.perf_counter()
        await decode(decoder, data)
        took_s.append(time.perf_counter() - begun_s)
    assert statistics.median(took_s) < 0.2
