"""The engine `gtts` against a simulator of Google Translate's voice, over real sockets and TLS."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import numpy as np
import numpy.typing as npt
import psutil
import pytest
import pytest_asyncio

from tests.simulators.faults import Fault as Wrong
from tests.simulators.faults import Faults, Planned
from tests.simulators.gtts import GttsSimulator, Spoken
from tests.simulators.voices import TONE_HZ, tone_of
from tests.support.spoken_sentences import TEXT, failure, outcome, said
from voicebot.audio.sound import Audio
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import Style
from voicebot.engines.tts.gtts import Gtts

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = (
    "Far out where the land ends, there stood a small lighthouse, and in it lived a keeper called Ada. "
    'Every evening she asked the sea: "Will you be calm tonight?" And the sea, which was slow, '
    "took its time; it rolled in, and out, and in again, before it gave an answer."
)


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as environment:
        yield environment


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def simulator(environment: pytest.MonkeyPatch) -> AsyncIterator[GttsSimulator]:
    async with GttsSimulator() as simulator:
        environment.setenv("HTTPS_PROXY", simulator.url)
        yield simulator
        await simulator.until_open(0)  # The engines are closed by now.


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def voice(simulator: GttsSimulator) -> AsyncIterator[Gtts]:
    engine = Gtts(timeout_s=1.0)
    await engine.start()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def patient(simulator: GttsSimulator) -> AsyncIterator[Gtts]:
    """Returns an engine with a time limit of a minute, so a request that ends sooner was given up by the test."""
    engine = Gtts(timeout_s=60.0)
    await engine.start()
    yield engine
    await engine.close()


@pytest.fixture
def google(simulator: GttsSimulator) -> GttsSimulator:
    simulator.requests.clear()
    simulator.faults, simulator.page = Faults(), None
    return simulator


def loud_ms(audio: Audio) -> npt.NDArray[np.intp]:
    """Returns the numbers of the milliseconds that have sound."""
    hop = audio.rate_hz // 1000
    frames = np.abs(audio.samples[: len(audio.samples) // hop * hop].reshape(-1, hop)).max(axis=1)
    return np.flatnonzero(frames > 300)


def silences_s(audio: Audio) -> list[float]:
    """Returns the length of each silence within the sound, to 1 ms."""
    return [float(gap - 1) / 1000 for gap in np.diff(loud_ms(audio)) if gap > 5]


def loud_parts_s(audio: Audio) -> list[float]:
    """Returns the length of each part between two silences."""
    loud = loud_ms(audio)
    return [len(part) / 1000 for part in np.split(loud, np.flatnonzero(np.diff(loud) > 5) + 1)]


async def test_a_sentence_keeps_the_duration_level_and_pitch_that_the_service_sent(
    voice: Gtts, google: GttsSimulator
) -> None:
    sound = await said(voice)
    spoken = tone_of(TEXT)
    assert sound.duration_s == pytest.approx(spoken.duration_s, rel=0.05)
    assert sound.level_dbfs == pytest.approx(spoken.level_dbfs, abs=1)
    assert silences_s(sound) == []
    spectrum = np.abs(np.fft.rfft(sound.samples))
    assert np.argmax(spectrum) / sound.duration_s == pytest.approx(TONE_HZ, abs=2)
    assert google.spoken == [Spoken(TEXT, "en", "translate.google.us")]


async def test_a_long_text_is_requested_in_parts_of_at_most_100_characters_and_heard_in_order(
    voice: Gtts, google: GttsSimulator
) -> None:
    """Each part has a different length, so the lengths of what is heard show the order."""
    sound = await said(voice, LONG)
    asked = [spoken.text for spoken in google.spoken]
    assert " ".join(asked) == LONG
    assert len(asked) == 3
    assert max(map(len, asked)) <= 100
    assert loud_parts_s(sound) == pytest.approx([tone_of(text).duration_s for text in asked], abs=0.1)
    assert sound.level_dbfs == pytest.approx(tone_of(LONG).level_dbfs, abs=1)


async def test_parts_join_without_a_click_and_with_only_the_codec_padding_as_a_gap(
    voice: Gtts, google: GttsSimulator
) -> None:
    """LAME adds 24 ms before a file's sound and up to 48 ms after it. Google's files declare neither."""
    sound = await said(voice, LONG)
    gaps_s = silences_s(sound)
    assert len(gaps_s) == 2
    assert max(gaps_s) < 0.09
    steepest = np.abs(np.diff(tone_of(LONG).samples.astype(int))).max()
    assert np.abs(np.diff(sound.samples.astype(int))).max() < 1.3 * steepest


async def test_the_next_parts_are_requested_before_the_first_sound_is_consumed(
    voice: Gtts, google: GttsSimulator
) -> None:
    async with aclosing(voice.synthesize(LONG)) as pieces:
        await anext(pieces)
        await google.requested(3)  # All three are made while the first piece of sound is in use.
        rest = [piece async for piece in pieces]
    assert sum(piece.duration_s for piece in rest) > 10


async def test_the_first_part_is_delivered_while_the_next_request_hangs(voice: Gtts, google: GttsSimulator) -> None:
    google.faults.plan(None, Wrong.HANG)
    async with aclosing(voice.synthesize(LONG)) as pieces:
        heard_s = 0.0
        while heard_s < 5.5:
            heard_s += (await anext(pieces)).duration_s


@pytest.mark.parametrize(
    ("language", "spoken"),
    [
        ("pt", Spoken("Olá 1", "pt", "translate.google.com.br")),
        ("he", Spoken("Olá 1", "iw", "translate.google.com")),
    ],
)
async def test_each_language_is_requested_with_its_google_code_and_domain(
    language: str, spoken: Spoken, voice: Gtts, google: GttsSimulator
) -> None:
    await said(voice, "Olá 1", Style(language))
    assert google.spoken == [spoken]


async def test_one_engine_serves_sessions_with_different_languages_and_accents(
    voice: Gtts, google: GttsSimulator
) -> None:
    for style in (Style("pt"), Style("en", voice="co.uk"), Style("en")):
        await said(voice, "Olá", style)
    assert google.spoken == [
        Spoken("Olá", "pt", "translate.google.com.br"),
        Spoken("Olá", "en", "translate.google.co.uk"),
        Spoken("Olá", "en", "translate.google.us"),
    ]


async def test_sentences_reuse_one_connection(google: GttsSimulator) -> None:
    engine = Gtts()
    await engine.start()
    await engine.probe()
    await said(engine)
    await said(engine, "And then?")
    assert len({request.connection for request in google.requests}) == 1
    await engine.close()


async def test_supports_the_main_languages_by_two_letter_codes() -> None:
    assert {"en", "es", "hi", "de", "fr", "he", "zh", "pt"} <= Gtts().languages
    assert all(len(code) == 2 for code in Gtts().languages)


@pytest.mark.parametrize("text", ["", " ", "...", "👍", "\n—\n", '"?!"'])
async def test_a_text_without_words_gives_no_sound_and_no_request(
    text: str, voice: Gtts, google: GttsSimulator
) -> None:
    assert not (await said(voice, text)).samples.size
    assert google.requests == []


@pytest.mark.parametrize(
    "text", ["\ud800 hi", "\x00\x01 a", "नमस्ते", '"Quoted" \\"] and {braced}', "jQ1olc", "a" * 250, "No. " * 60, "x\ny"]
)
async def test_unusual_texts_are_spoken(text: str, voice: Gtts, google: GttsSimulator) -> None:
    assert (await said(voice, text)).duration_s > 0.1


@pytest.mark.parametrize(
    ("planned", "fault", "message"),
    [
        (Wrong.REFUSE, Fault.BROKEN, "the connection broke"),
        (Wrong.UNAUTHORIZED, Fault.DENIED, "the service answered with status 401"),
        (Wrong.FORBIDDEN, Fault.DENIED, "the service answered with status 403"),
        (Wrong.RATE_LIMITED, Fault.LIMITED, "too many requests"),
        (Wrong.SERVER_ERROR, Fault.SERVER, "the service answered with status 500"),
        (Wrong.HANG, Fault.TIMEOUT, "no answer within 1 s"),
        (Wrong.CUT, Fault.BROKEN, "the connection broke"),
        (Wrong.GARBAGE, Fault.BROKEN, "the connection broke"),
        (Planned(Wrong.GARBAGE, after=0), Fault.BROKEN, "the connection broke"),
        (Planned(Wrong.SLOW_FIRST_BYTE, delay_s=3), Fault.TIMEOUT, "no answer within 1 s"),
    ],
    ids=["refuse", "401", "403", "429", "500", "hang", "cut", "garbage", "no HTTP", "late"],
)
async def test_each_service_fault_is_reported_and_the_next_request_succeeds(
    planned: Wrong | Planned, fault: Fault, message: str, voice: Gtts, google: GttsSimulator
) -> None:
    google.faults.plan(planned)
    sound, error = await outcome(voice)
    assert error is not None
    assert (error.fault, str(error), error.retry_after_s) == (fault, f"gtts: {message}", None)
    assert not sound.samples.size
    assert (await said(voice)).samples.size, "the next request succeeds"


async def test_waits_for_a_slow_first_byte_within_the_timeout(voice: Gtts, google: GttsSimulator) -> None:
    google.faults.plan(Planned(Wrong.SLOW_FIRST_BYTE, delay_s=0.3))
    assert (await said(voice)).samples.size


async def test_a_rate_limit_error_carries_the_retry_delay(voice: Gtts, google: GttsSimulator) -> None:
    google.faults.plan(Planned(Wrong.RATE_LIMITED, retry_after_s=1.5))
    assert (await failure(voice)).retry_after_s == 1.5


@pytest.mark.parametrize("wrong", [Wrong.CUT, Wrong.RATE_LIMITED, Wrong.HANG])
async def test_sound_received_before_a_failure_is_still_delivered(
    wrong: Wrong, voice: Gtts, google: GttsSimulator
) -> None:
    google.faults.plan(None, wrong)
    sound, error = await outcome(voice, LONG)
    assert error is not None
    assert sound.duration_s == pytest.approx(tone_of(google.spoken[0].text).duration_s, rel=0.05)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (b"<html>Are you a robot?</html>", "there is no sound in its answer"),
        (b"", "there is no sound in its answer"),
        (b'[["wrb.fr","jQ1olc",null]]', "there is no sound in its answer"),
        (b'[["wrb.fr","jQ1olc","[\\"\xff\xfe\\"]"]]', "its sound can't be used: it is no MP3, or damaged"),
        (b'[["wrb.fr","jQ1olc","[\\"abcde\\"]"]]', "its answer makes no sense"),
        (b'[["wrb.fr","jQ1olc","[\\"\\"]"]]', "its sound can't be used: it is no MP3, or damaged"),
        (b"x" * 3_000_000, "its answer is too long"),
    ],
    ids=["page", "nothing", "no sound", "no UTF-8", "no base64", "empty sound", "too long"],
)
async def test_an_answer_without_usable_sound_is_reported_as_broken(
    page: bytes, message: str, voice: Gtts, google: GttsSimulator
) -> None:
    google.page = page
    error = await failure(voice)
    assert (error.fault, error.message) == (Fault.BROKEN, message)


async def test_sound_that_is_not_mp3_is_reported_as_broken(environment: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(1).bytes(8_000)
    async with GttsSimulator(encode=lambda audio: noise) as noisy:
        with environment.context() as proxied:
            proxied.setenv("HTTPS_PROXY", noisy.url)
            engine = Gtts()
            await engine.start()
        error = await failure(engine)
        assert (error.fault, error.message) == (Fault.BROKEN, "its sound can't be used: it is no MP3, or damaged")
        await engine.close()


async def test_synthesis_and_probe_fail_at_once_without_a_connection(environment: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused, environment.context() as proxied:
        unused.bind(("127.0.0.1", 0))
        proxied.setenv("HTTPS_PROXY", f"http://127.0.0.1:{unused.getsockname()[1]}")
        engine = Gtts(timeout_s=60)
        await engine.start()
        for attempt in (said(engine), engine.probe()):
            with pytest.raises(EngineError, match="gtts: no connection") as raised:
                async with asyncio.timeout(20):
                    await attempt
            assert raised.value.fault is Fault.UNREACHABLE
        await engine.close()


async def test_the_probe_requests_a_short_text_and_reports_failures(voice: Gtts, google: GttsSimulator) -> None:
    await voice.probe()
    assert [spoken.text for spoken in google.spoken] == ["1"]
    google.faults.plan(Wrong.RATE_LIMITED)
    with pytest.raises(EngineError, match="too many requests"):
        await voice.probe()


@pytest.mark.parametrize("text", [TEXT, LONG], ids=["first request", "second request"])
async def test_cancelling_synthesis_ends_the_request(text: str, patient: Gtts, google: GttsSimulator) -> None:
    number = 1 if text == TEXT else 2
    google.faults.plan(*[None] * (number - 1), Wrong.HANG)
    waiting = asyncio.create_task(said(patient, text))
    await google.requested(number)
    waiting.cancel()
    await google.gone(number)
    await asyncio.wait([waiting])
    await said(patient)
    assert [spoken.text for spoken in google.spoken[number:]] == [TEXT], "no more of the cancelled text is requested"


async def test_requests_that_hang_delay_no_other_sentence(patient: Gtts, google: GttsSimulator) -> None:
    google.faults.plan(*[Wrong.HANG] * 10)
    stalled = [asyncio.create_task(said(patient)) for _ in range(10)]
    await google.requested(10)
    async with asyncio.timeout(10):
        await said(patient)
    for task in stalled:
        task.cancel()
    await asyncio.wait(stalled)


async def test_closing_the_audio_stream_ends_the_pending_request(patient: Gtts, google: GttsSimulator) -> None:
    google.faults.plan(None, Wrong.HANG)
    async with aclosing(patient.synthesize(LONG)) as pieces:
        await anext(pieces)
        await google.requested(2)
    await google.gone(2)
    await said(patient)
    assert [spoken.text for spoken in google.spoken[2:]] == [TEXT], "the third part of the text was not requested"


async def test_sentences_synthesised_at_once_are_each_spoken_whole(voice: Gtts, google: GttsSimulator) -> None:
    texts = ["Yes, " * number for number in range(1, 7)]
    sounds = await asyncio.gather(*(said(voice, text) for text in texts))
    expected_s = [tone_of(text.strip()).duration_s for text in texts]
    assert [sound.duration_s for sound in sounds] == pytest.approx(expected_s, abs=0.1)


async def test_80_turns_leak_no_files_threads_or_tasks(google: GttsSimulator) -> None:
    voice = Gtts(timeout_s=1.0)
    await voice.start()
    idle = google.open

    async def turn(number: int) -> None:
        made = len(google.requests)
        match number % 4:
            case 0:
                await said(voice, "Yes.")
            case 1:
                google.faults.plan(None, Wrong.HANG)
                async with aclosing(voice.synthesize(LONG)) as pieces:
                    await anext(pieces)
                    await google.requested(made + 2)
            case 2:
                google.faults.plan(Wrong.CUT)
                await failure(voice, "Yes.")
            case _:
                google.faults.plan(Wrong.HANG)
                waiting = asyncio.create_task(said(voice, "Yes."))
                await google.requested(made + 1)
                waiting.cancel()
                await asyncio.wait([waiting])

    async def settled() -> tuple[int, ...]:
        await said(voice, "No.")
        await google.until_open(idle + 1)  # One idle connection stays open.
        gc.collect()
        return psutil.Process().num_fds(), threading.active_count(), len(asyncio.all_tasks())

    for number in range(4):
        await turn(number)
    before = await settled()
    for number in range(80):
        await turn(number)
    assert await settled() == before
    await voice.close()


async def test_the_spoken_text_appears_in_no_error_and_no_log(
    voice: Gtts, google: GttsSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    errors = ""
    for wrong in Wrong:
        google.faults.plan(Planned(wrong, delay_s=0.1))
        _, error = await outcome(voice, "A very private matter indeed.")
        errors += f"{error} {error!r}"
    assert re.search("no answer", errors)
    assert "private" not in errors + caplog.text
