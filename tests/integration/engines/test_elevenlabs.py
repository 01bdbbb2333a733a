"""ElevenLabs against a simulator of its API, over real sockets."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import re
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import numpy as np
import psutil
import pytest

from tests.simulators.elevenlabs import KEY, ElevenLabsSimulator
from tests.simulators.faults import Fault as Wrong
from tests.simulators.faults import Planned
from tests.simulators.voices import espeak_of, tone_of
from tests.support.spoken_sentences import TEXT, failure, outcome, said
from voicebot.audio.sound import Audio
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import Style
from voicebot.engines.tts.elevenlabs import ElevenLabs


@pytest.fixture
async def service() -> AsyncIterator[ElevenLabsSimulator]:
    async with ElevenLabsSimulator() as simulator:
        yield simulator


@pytest.fixture
async def voice(service: ElevenLabsSimulator) -> AsyncIterator[ElevenLabs]:
    engine = ElevenLabs(KEY, base_url=service.url, timeout_s=0.5)
    await engine.start()
    yield engine
    await engine.close()
    await service.until_open(0)


async def test_audio_split_at_odd_bytes_arrives_sample_for_sample(voice: ElevenLabs) -> None:
    """The simulator's pieces have an odd number of bytes."""
    assert np.array_equal((await said(voice)).samples, tone_of(TEXT).samples)


async def test_the_request_matches_the_api_reference(voice: ElevenLabs, service: ElevenLabsSimulator) -> None:
    await said(voice)
    (request,) = service.requests
    assert request.target == "/v1/text-to-speech/EXAVITQu4vr4xnSDxMaL/stream?output_format=pcm_24000"
    assert json.loads(request.body) == {"text": TEXT, "model_id": "eleven_flash_v2_5", "language_code": "en"}
    assert request.headers["xi-api-key"] == KEY
    assert KEY not in request.target + request.body.decode()


async def test_sentences_reuse_the_connection_of_the_probe(voice: ElevenLabs, service: ElevenLabsSimulator) -> None:
    await voice.probe()
    await said(voice)
    await said(voice, "And then?")
    assert [request.connection for request in service.requests] == [1, 1, 1]


async def test_the_first_audio_arrives_long_before_the_last(voice: ElevenLabs, service: ElevenLabsSimulator) -> None:
    service.pace_s = 0.02
    start_s = time.monotonic()
    arrived_s = [time.monotonic() - start_s async for _ in voice.synthesize(TEXT)]
    assert arrived_s[0] < arrived_s[-1] / 5


async def test_twelve_sentences_synthesised_at_once_each_get_their_own_audio(voice: ElevenLabs) -> None:
    texts = [f"This is sentence number {number}." for number in range(12)]
    sounds = await asyncio.gather(*(said(voice, text) for text in texts))
    assert all(np.array_equal(sound.samples, tone_of(text).samples) for text, sound in zip(texts, sounds, strict=True))


@pytest.mark.parametrize("text", ["", " ", "...", "👍", "\n—\n"])
async def test_text_without_words_makes_no_audio_and_no_request(
    text: str, voice: ElevenLabs, service: ElevenLabsSimulator
) -> None:
    assert not (await said(voice, text)).samples.size
    assert service.requests == []


@pytest.mark.parametrize("text", ["\ud800 hi", "\x00\x01 a", "नमस्ते", '"Quoted" \\ and {braced}', "a" * 500])
async def test_unusual_text_is_spoken(text: str, voice: ElevenLabs) -> None:
    assert (await said(voice, text)).duration_s > 0.1


@pytest.mark.parametrize(
    ("planned", "fault", "message"),
    [
        (Wrong.REFUSE, Fault.BROKEN, "the connection broke"),
        (Wrong.UNAUTHORIZED, Fault.DENIED, "the key is not accepted"),
        (Wrong.FORBIDDEN, Fault.DENIED, "the account's plan does not have this voice"),
        (Wrong.RATE_LIMITED, Fault.LIMITED, "too many requests at once"),
        (Wrong.SERVER_ERROR, Fault.SERVER, r"answered with status 500 \(internal_server_error\)"),
        (Wrong.HANG, Fault.TIMEOUT, r"no answer within 0\.5 s"),
        (Wrong.CUT, Fault.BROKEN, "the connection broke"),
        (Wrong.GARBAGE, Fault.BROKEN, "the connection broke"),
        (Planned(Wrong.GARBAGE, after=0), Fault.BROKEN, "the connection broke"),
        (Planned(Wrong.SLOW_FIRST_BYTE, delay_s=2), Fault.TIMEOUT, r"no answer within 0\.5 s"),
    ],
    ids=["refuse", "401", "403", "429", "500", "hang", "cut", "garbage", "no HTTP", "late"],
)
async def test_a_fault_raises_an_error_that_names_the_cause_and_the_next_request_succeeds(
    planned: Wrong | Planned, fault: Fault, message: str, voice: ElevenLabs, service: ElevenLabsSimulator
) -> None:
    service.faults.plan(planned)
    error = await failure(voice)
    assert error.fault is fault
    assert error.retry_after_s is None
    assert re.fullmatch(f"elevenlabs: .*{message}", str(error))
    assert (await said(voice)).samples.size, "the next request succeeds"


async def test_waits_for_a_first_byte_that_comes_before_the_timeout(
    voice: ElevenLabs, service: ElevenLabsSimulator
) -> None:
    service.faults.plan(Planned(Wrong.SLOW_FIRST_BYTE, delay_s=0.2))
    assert (await said(voice)).samples.size


async def test_a_rate_limit_error_carries_the_services_retry_after_time(
    voice: ElevenLabs, service: ElevenLabsSimulator
) -> None:
    service.faults.plan(Planned(Wrong.RATE_LIMITED, retry_after_s=1.5))
    assert (await failure(voice)).retry_after_s == 1.5


@pytest.mark.parametrize("wrong", [Wrong.CUT, Wrong.GARBAGE])
async def test_audio_received_before_a_broken_connection_is_delivered(
    wrong: Wrong, voice: ElevenLabs, service: ElevenLabsSimulator
) -> None:
    service.faults.plan(Planned(wrong, after=10))
    sound, error = await outcome(voice)
    assert error is not None
    assert len(sound.samples) == 10 * 4_093 // 2
    assert np.array_equal(sound.samples, tone_of(TEXT).samples[: len(sound.samples)])


def detail(status: str, **more: str) -> bytes:
    return json.dumps({"detail": {"status": status, "message": "Your text 'secret' is wrong", **more}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "fault", "message"),
    [
        (401, detail("quota_exceeded"), Fault.UNPAID, "the account's quota is used up"),
        (400, detail("quota_exceeded"), Fault.UNPAID, "the account's quota is used up"),
        (400, detail("invalid_api_key"), Fault.DENIED, "the key is not accepted"),
        (401, detail("missing_permissions"), Fault.DENIED, "the key may not be used for speech"),
        (404, detail("voice_not_found"), Fault.REJECTED, "there is no such voice"),
        (400, detail("max_character_limit_exceeded"), Fault.REJECTED, "the text is too long"),
        (429, detail("system_busy"), Fault.LIMITED, "the service is busy"),
        (429, detail("", code="concurrent_limit_exceeded"), Fault.LIMITED, "too many requests at once"),
        (400, detail("something_new"), Fault.REJECTED, "the service answered with status 400 (something_new)"),
        (400, detail("Key 'secret' is bad"), Fault.REJECTED, "the service answered with status 400"),
        (422, b'{"detail": [{"msg": "field secret"}]}', Fault.REJECTED, "the service answered with status 422"),
        (403, b'{"detail": "secret"}', Fault.DENIED, "the service answered with status 403"),
        (502, b"<html>Bad gateway</html>", Fault.SERVER, "the service answered with status 502"),
        (504, b"", Fault.TIMEOUT, "the service answered with status 504"),
        (302, b"", Fault.REJECTED, "the service answered with status 302"),
        (200, b'{"detail": "no sound"}', Fault.BROKEN, "its answer is no sound"),
    ],
)
async def test_a_refusal_raises_an_error_in_plain_words(
    status: int, body: bytes, fault: Fault, message: str, voice: ElevenLabs, service: ElevenLabsSimulator
) -> None:
    service.refuse_with = (status, body)
    error = await failure(voice)
    assert (error.fault, error.message) == (fault, message)


async def test_real_speech_arrives_with_its_duration_and_level() -> None:
    async with ElevenLabsSimulator(espeak_of) as service:
        engine = ElevenLabs(KEY, base_url=service.url)
        await engine.start()
        sound, spoken = await said(engine), espeak_of(TEXT)
        await engine.close()
    assert sound.duration_s == pytest.approx(spoken.duration_s, rel=0.01)
    assert sound.level_dbfs == pytest.approx(spoken.level_dbfs, abs=0.5)
    assert sound.level_dbfs > -30


async def test_an_answer_without_audio_raises_an_error() -> None:
    async with ElevenLabsSimulator(lambda text: Audio.silence(0, 24_000)) as service:
        engine = ElevenLabs(KEY, base_url=service.url)
        await engine.start()
        assert "no sound" in (await failure(engine)).message
        await engine.close()


async def test_a_closed_port_is_reported_as_unreachable_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        engine = ElevenLabs(KEY, base_url=f"http://127.0.0.1:{unused.getsockname()[1]}")
        await engine.start()
        start_s = time.monotonic()
        error = await failure(engine)
        assert (error.fault, error.message) == (Fault.UNREACHABLE, "no connection")
        with pytest.raises(EngineError, match="no connection"):
            await engine.probe()
        assert time.monotonic() - start_s < 1
        await engine.close()


async def test_closing_the_audio_stream_ends_the_request_within_a_tenth_of_a_second(
    voice: ElevenLabs, service: ElevenLabsSimulator
) -> None:
    service.pace_s = 0.02
    async with aclosing(voice.synthesize(TEXT)) as pieces:
        await anext(pieces)
        closed_s = time.monotonic()
    assert await service.gone(1) - closed_s < 0.1


async def test_cancelling_a_synthesis_ends_its_request_within_a_tenth_of_a_second(
    voice: ElevenLabs, service: ElevenLabsSimulator
) -> None:
    service.faults.plan(Wrong.HANG)
    waiting = asyncio.create_task(said(voice))
    await service.requested(1)
    cancelled_s = time.monotonic()
    waiting.cancel()
    assert await service.gone(1) - cancelled_s < 0.1
    await asyncio.wait([waiting])


async def test_a_probe_passes_with_a_good_key_and_fails_with_a_wrong_one(
    voice: ElevenLabs, service: ElevenLabsSimulator
) -> None:
    await voice.probe()
    assert [request.target for request in service.requests] == ["/v1/models"]
    stranger = ElevenLabs("sk_wrong", base_url=service.url)
    await stranger.start()
    with pytest.raises(EngineError, match="elevenlabs: the key is not accepted"):
        await stranger.probe()
    await stranger.close()


@pytest.mark.parametrize(("wrong", "fault"), [(Wrong.HANG, Fault.TIMEOUT), (Wrong.SERVER_ERROR, Fault.SERVER)])
async def test_a_probe_reports_a_hang_and_a_server_error(
    wrong: Wrong, fault: Fault, voice: ElevenLabs, service: ElevenLabsSimulator
) -> None:
    service.faults.plan(wrong)
    with pytest.raises(EngineError) as raised:
        await voice.probe()
    assert raised.value.fault is fault


async def test_a_key_restricted_to_speech_passes_the_probe() -> None:
    async with ElevenLabsSimulator(restricted=True) as service:
        engine = ElevenLabs(KEY, base_url=service.url)
        await engine.start()
        await engine.probe()
        assert (await said(engine)).samples.size
        await engine.close()


async def test_the_language_is_sent_only_to_models_that_accept_it(service: ElevenLabsSimulator) -> None:
    asked = {}
    for model in ("eleven_flash_v2_5", "eleven_multilingual_v2", "eleven_flash_v2", "eleven_v3"):
        engine = ElevenLabs(KEY, base_url=service.url, model=model)
        await engine.start()
        await said(engine, "Hola.", Style("es"))
        await engine.close()
        request = service.requests[-1]
        asked[model] = json.loads(request.body).get("language_code")
        assert "/cjVigY5qzO86Huf0OWal/" in request.target, "Spanish has a voice of its own"
    assert asked == {
        "eleven_flash_v2_5": "es",
        "eleven_multilingual_v2": None,
        "eleven_flash_v2": None,
        "eleven_v3": "es",
    }


async def test_the_request_uses_the_chosen_voice_and_the_path_of_the_base_url(service: ElevenLabsSimulator) -> None:
    engine = ElevenLabs(KEY, base_url=f"{service.url}/gateway", voice="My/Voice?")
    await engine.start()
    await failure(engine)
    assert service.requests[0].target.startswith("/gateway/v1/text-to-speech/My%2FVoice%3F/stream?")
    await engine.close()


async def test_start_and_close_may_each_be_called_twice(service: ElevenLabsSimulator) -> None:
    engine = ElevenLabs(KEY, base_url=service.url)
    await engine.close()
    with pytest.raises(EngineError, match="not started"):
        await said(engine)
    await engine.start()
    await engine.start()
    assert (await said(engine)).samples.size
    await engine.close()
    await engine.close()
    await service.until_open(0)


async def test_two_hundred_turns_leak_no_file_descriptors_threads_or_tasks(
    voice: ElevenLabs, service: ElevenLabsSimulator
) -> None:
    async def turn(number: int) -> None:
        made, text = len(service.requests), "Yes, of course."
        match number % 4:
            case 0:
                await said(voice, text)
            case 1:
                async with aclosing(voice.synthesize(text * 5)) as pieces:
                    await anext(pieces)
            case 2:
                service.faults.plan(Wrong.CUT)
                await failure(voice)
            case _:
                service.faults.plan(Wrong.HANG)
                waiting = asyncio.create_task(said(voice, text))
                await service.requested(made + 1)
                waiting.cancel()
                await asyncio.wait([waiting])

    for number in range(4):
        await turn(number)
    await said(voice)
    await service.until_open(1)
    before = (psutil.Process().num_fds(), threading.active_count(), len(asyncio.all_tasks()))
    for number in range(200):
        await turn(number)
    await said(voice)
    await service.until_open(1)
    gc.collect()
    assert (psutil.Process().num_fds(), threading.active_count(), len(asyncio.all_tasks())) == before


async def test_neither_the_key_nor_the_text_appears_in_an_error_or_a_log(
    service: ElevenLabsSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    logging.getLogger("httpcore").setLevel(1)
    text = "A very private matter indeed."
    errors = ""
    for key in (KEY, "sk_another_key_altogether"):
        engine = ElevenLabs(key, base_url=service.url, timeout_s=0.2)
        await engine.start()
        for wrong in Wrong:
            service.faults.plan(wrong)
            try:
                await said(engine, text)
            except EngineError as error:
                errors += f"{error} {error!r} {error.__cause__}"
        await engine.close()
    assert errors
    assert "http" in caplog.text
    for secret in (KEY, "another_key", "private"):
        assert secret not in errors + caplog.text


@pytest.mark.parametrize("key", ["sk_bro\nken", "sk_broken\x00", "sk_brökên"])
async def test_a_key_with_invalid_characters_is_denied_and_not_quoted(
    key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    with pytest.raises(EngineError, match="the key has characters that no key has") as raised:
        await ElevenLabs(key).start()
    assert raised.value.fault is Fault.DENIED
    assert "sk_br" not in caplog.text + str(raised.value)
