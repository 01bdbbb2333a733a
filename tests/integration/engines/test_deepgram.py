"""Deepgram's listen v1 without faults; test_deepgram_faults has the faults."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from random import Random
from statistics import median, quantiles

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.simulators.deepgram import KEY, DeepgramSimulator, HeardWord, ScriptedRecogniser, Setting, ToneWordRecogniser
from tests.support.deepgram_talk import answer, final, heard, sound, talking, until, utterance, words
from voicebot.audio.sound import Audio
from voicebot.engines.errors import EngineError
from voicebot.engines.protocols import Pause, Style, Transcript
from voicebot.engines.stt.deepgram import Deepgram, DeepgramRest
from voicebot.engines.stt.deepgram.sdk import tls_context

logger = logging.getLogger(__name__)


@pytest.fixture
async def simulator() -> AsyncIterator[DeepgramSimulator]:
    async with DeepgramSimulator() as simulator:
        yield simulator


async def test_words_arrive_as_partials_then_as_the_pauses_answer_and_as_the_final(
    simulator: DeepgramSimulator,
) -> None:
    async with talking(simulator) as transcriber:
        *partials, answered, last = await heard(transcriber, sound(*utterance("you and he are one")))
    assert [partial.text for partial in partials] == [
        "you",
        "you and",
        "you and he",
        "you and he are",
        "you and he are one",
    ]
    assert all(partial.pause is None and not partial.final for partial in partials)
    assert (answered.text, answered.pause, answered.final) == ("you and he are one", 1, False)
    assert (last.text, last.final) == ("you and he are one", True)
    assert last.confidence == pytest.approx(0.99)


async def test_each_pause_is_answered_with_all_words_of_the_utterance_so_far(simulator: DeepgramSimulator) -> None:
    async with talking(simulator) as transcriber:
        parts = (0.3, "you and he", 0.2, Pause(1), 0.1, "are with they", 0.2, Pause(2), 0.3, "by it", 0.1)
        transcripts = await heard(transcriber, sound(*parts))
    answers = {each.pause: each.text for each in transcripts if each.pause is not None}
    assert answers == {1: "you and he", 2: "you and he are with they"}
    assert transcripts[-1] == Transcript(
        "you and he are with they by it", final=True, confidence=transcripts[-1].confidence
    )


async def test_an_utterance_without_words_has_an_empty_final(simulator: DeepgramSimulator) -> None:
    async with talking(simulator) as transcriber:
        assert await final(transcriber, sound(1.0, Pause(1), 0.5)) == ""
        assert await final(transcriber, sound()) == ""


async def test_an_utterance_of_many_segments_is_transcribed_whole() -> None:
    """Deepgram finishes a long utterance segment by segment: here 14 s in segments of 3 s."""
    begins: set[int] = set()

    class NotingRecogniser(ToneWordRecogniser):
        async def words(self, since: int, *, all_heard: bool) -> list[HeardWord]:
            begins.add(since)
            return await super().words(since, all_heard=all_heard)

    text = words(Random(5), 80)
    async with (
        DeepgramSimulator(Setting(make_recogniser=NotingRecogniser)) as simulator,
        talking(simulator) as transcriber,
    ):
        assert await final(transcriber, sound(0.3, text, 0.5)) == text
    assert len(begins) >= 4, "each segment begins where the one before ended"


async def test_one_connection_opens_before_the_first_word_and_serves_all_utterances(
    simulator: DeepgramSimulator,
) -> None:
    async with talking(simulator) as transcriber:
        request = await simulator.requested(1)
        assert transcriber.bytes_sent == 0, "silence between utterances is not sent"
        for text in ("one", "this", "of it"):
            assert await final(transcriber, sound(*utterance(text))) == text
        assert len(simulator.requests) == 1
    assert request.head.path == "/v1/listen"
    assert request.head.headers["authorization"] == f"Token {KEY}"
    assert {name: value for name, (value,) in request.head.query.items()} == {
        "model": "nova-3",
        "language": "en",
        "encoding": "linear16",
        "sample_rate": "16000",
        "channels": "1",
        "interim_results": "true",
        "endpointing": "false",
        "smart_format": "true",
        "punctuate": "true",
        "numerals": "true",
    }


async def test_exactly_the_audio_of_the_utterance_is_sent(simulator: DeepgramSimulator) -> None:
    pieces = [item async for item in sound(*utterance("you and he"))]
    async with talking(simulator) as transcriber:
        await final(transcriber, sound(*utterance("you and he")))
        assert transcriber.bytes_sent == sum(2 * len(item.samples) for item in pieces if isinstance(item, Audio))


async def test_a_long_silence_does_not_close_the_connection() -> None:
    """The service closes a silent connection before eight keep-alive messages have been sent."""
    async with DeepgramSimulator(Setting(idle_timeout_s=0.5)) as simulator:
        async with talking(simulator, keep_alive_s=0.1) as transcriber:
            await until(lambda: simulator.messages >= 8)
            assert await final(transcriber, sound(*utterance("you he"))) == "you he"
            assert len(simulator.requests) == 1
        simulator.setting.idle_timeout_s = 0.1
        async with talking(simulator, keep_alive_s=60) as transcriber:
            await simulator.requested(3)  # The service closes the connection, and the engine opens another.


async def test_results_of_an_abandoned_utterance_do_not_reach_the_next_one() -> None:
    """The machine gives an utterance up once its pause is answered. All other results come very late here."""
    async with DeepgramSimulator(Setting(delay_s=0.1)) as simulator, talking(simulator) as transcriber:
        for text in ("the one", "you and he", "in his"):
            assert (await answer(transcriber, sound(*utterance(text)), pause=1)).text == text
        async with aclosing(transcriber.transcribe(sound(0.3, "one of the", 9.0))) as transcripts:
            await anext(transcripts)
        assert await final(transcriber, sound(*utterance("from they"))) == "from they"
        assert len(simulator.requests) == 1


async def test_an_utterance_may_begin_before_the_final_of_the_previous_one_arrives() -> None:
    """Each utterance begins before the final of the previous one has come."""
    texts = ["you and he", "in", "the one of it", "one"]
    async with DeepgramSimulator(Setting(delay_s=0.2)) as simulator, talking(simulator) as transcriber:
        finals: list[asyncio.Task[str]] = []
        for text in texts:
            said: asyncio.Queue[None] = asyncio.Queue()
            finals.append(asyncio.create_task(final(transcriber, told_of(sound(*utterance(text)), said))))
            await said.get()
            assert not finals[-1].done()
        assert await asyncio.gather(*finals) == texts


async def told_of(audio: AsyncGenerator[Audio | Pause], said: asyncio.Queue[None]) -> AsyncGenerator[Audio | Pause]:
    async for item in audio:
        yield item
    said.put_nowait(None)


@pytest.mark.parametrize(
    ("rejected", "accepted"),
    [({"smart_format"}, {"punctuate", "interim_results"}), ({"interim_results"}, set()), ({"endpointing"}, set())],
)
async def test_request_parameters_that_deepgram_rejects_are_dropped_for_later_sessions_too(
    rejected: set[str], accepted: set[str]
) -> None:
    async with DeepgramSimulator(Setting(rejects=frozenset(rejected))) as simulator:
        engine = Deepgram(KEY, base_url=simulator.url)
        for _ in range(2):
            async with engine.session(Style("de")) as transcriber:
                text = "you and he are with they"
                assert (await answer(transcriber, sound(*utterance(text)), pause=1)).text == text
                assert await final(transcriber, sound(*utterance(text))) == text
        used = [request.head.query for request in simulator.requests]
        assert used[-1] == used[-2], "the next session begins with the parameters that worked"
        assert used[-1].keys() == {"model", "language", "encoding", "sample_rate", "channels"} | accepted | (
            {"endpointing"} if accepted else set()
        )
        assert used[-1]["language"] == ["de"]
        await engine.close()


async def test_a_probe_opens_a_connection_and_closes_it(simulator: DeepgramSimulator) -> None:
    engine = Deepgram(KEY, base_url=simulator.url)
    await engine.probe()
    assert len(simulator.requests) == 1
    await asyncio.wait_for(simulator.requests[0].gone.wait(), 1)
    await engine.close()


async def test_the_base_url_may_be_http_or_ws_and_may_have_a_path(simulator: DeepgramSimulator) -> None:
    for url in (simulator.url, simulator.url.replace("http", "ws")):
        engine = Deepgram(KEY, base_url=url)
        await engine.probe()
        await engine.close()
    with pytest.raises(EngineError, match="no such service"):
        await Deepgram(KEY, base_url=f"{simulator.url}/elsewhere").probe()
    assert simulator.requests[-1].head.path == "/elsewhere/v1/listen"


async def test_a_tls_connection_needs_a_trusted_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    async with DeepgramSimulator(tls=server) as simulator:
        with pytest.raises(EngineError, match="no connection"):
            await Deepgram(KEY, base_url=simulator.url).probe()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        tls_context.cache_clear()
        try:
            async with talking(simulator) as transcriber:
                assert await final(transcriber, sound(*utterance("one"))) == "one"
            rest = DeepgramRest(KEY, base_url=simulator.url.replace("https", "wss"))
            await rest.start()
            await rest.probe()
            await rest.close()
        finally:
            tls_context.cache_clear()


def self_signed(folder: Path) -> Path:
    """Returns a file with a certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "certificate.pem"
    file.write_bytes(private + certificate.public_bytes(pem))
    return file


async def test_leaving_a_session_closes_its_connection_within_a_tenth_of_a_second(simulator: DeepgramSimulator) -> None:
    async with talking(simulator) as transcriber:
        request = await simulator.requested(1)
        await final(transcriber, sound(*utterance("one")))
        left_s = asyncio.get_running_loop().time()
    await asyncio.wait_for(request.gone.wait(), 1)
    assert request.gone_s - left_s < 0.1
    assert simulator.open == 0


async def test_leaving_a_session_ends_its_utterances(simulator: DeepgramSimulator) -> None:
    async with talking(simulator) as transcriber:
        transcripts = transcriber.transcribe(sound(0.3, "one", 60.0))
        await anext(transcripts)
    with pytest.raises(EngineError, match="session is over"):
        _ = [each async for each in transcripts]
    with pytest.raises(EngineError, match="session is over"):
        await final(transcriber, sound(*utterance("one")))


async def test_an_error_of_the_audio_source_is_raised_by_the_transcription(simulator: DeepgramSimulator) -> None:
    async def broken() -> AsyncGenerator[Audio | Pause]:
        async for item in sound(0.3, "one"):
            yield item
        raise RuntimeError("no microphone")

    async with talking(simulator) as transcriber:
        with pytest.raises(RuntimeError, match="no microphone"):
            await final(transcriber, broken())
        assert await final(transcriber, sound(*utterance("it"))) == "it"


async def test_two_hundred_utterances_leak_no_tasks_threads_or_connections(simulator: DeepgramSimulator) -> None:
    random = Random(7)
    async with talking(simulator) as transcriber:
        await final(transcriber, sound(*utterance("one")))
        before = len(asyncio.all_tasks()), threading.active_count(), simulator.open
        for turn in range(200):
            text = words(random, 2)
            if turn % 2:
                assert await final(transcriber, sound(0.1, text, 0.2)) == text
            else:
                assert (await answer(transcriber, sound(0.1, text, 0.2, Pause(1), 0.1), pause=1)).text == text
        await until(lambda: len(asyncio.all_tasks()) <= before[0])
        assert (len(asyncio.all_tasks()), threading.active_count(), simulator.open) == before
        assert len(simulator.requests) == 1
    assert simulator.open == 0


async def test_thirty_sessions_leak_no_tasks_threads_or_connections(simulator: DeepgramSimulator) -> None:
    engine = Deepgram(KEY, base_url=simulator.url)
    before = len(asyncio.all_tasks()), threading.active_count()
    for turn in range(30):
        async with engine.session() as transcriber:
            if turn % 3:
                await final(transcriber, sound(0.1, "one", 0.2))
    await until(lambda: len(asyncio.all_tasks()) <= before[0])
    assert (len(asyncio.all_tasks()), threading.active_count()) == before
    assert simulator.open == 0
    await engine.close()


async def test_the_engine_adds_less_than_50_ms_to_the_answer_to_a_pause(simulator: DeepgramSimulator) -> None:
    """The simulator itself answers without delay."""
    delays_s: list[float] = []
    async with talking(simulator) as transcriber:
        for _ in range(20):
            marked: list[float] = []
            transcript = await answer(transcriber, timed(sound(*utterance("you and he")), marked), pause=1)
            delays_s.append(time.monotonic() - marked[0])
            assert transcript.text == "you and he"
    logger.info(
        "pause answered after %.1f ms, p95 %.1f ms", 1e3 * median(delays_s), 1e3 * quantiles(delays_s, n=20)[-1]
    )
    assert median(delays_s) < 0.05


async def timed(audio: AsyncGenerator[Audio | Pause], marked: list[float]) -> AsyncGenerator[Audio | Pause]:
    """Yields the audio forty times as fast as it is spoken, and notes when the pause was marked."""
    async for item in audio:
        if isinstance(item, Pause):
            marked.append(time.monotonic())
        else:
            await asyncio.sleep(item.duration_s / 40)
        yield item


async def test_the_answer_to_a_pause_leaves_out_words_timed_after_the_pause() -> None:
    """The words come from a script, by time."""
    recogniser = ScriptedRecogniser(("hello", 0.3, 0.7), ("there", 0.8, 1.1), ("friend", 1.6, 1.9))
    async with (
        DeepgramSimulator(Setting(make_recogniser=lambda: recogniser)) as simulator,
        talking(simulator) as transcriber,
    ):
        transcripts = await heard(
            transcriber, sound(0.3, "the the the the the", 0.3, Pause(1), 0.2, "the the the", 0.2)
        )
    assert {each.pause: each.text for each in transcripts}[1] == "hello there"
    assert transcripts[-1].text == "hello there friend"
