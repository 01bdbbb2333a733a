"""Faults of Deepgram's live connections, and their effect on the words."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, suppress
from random import Random

import pytest

from tests.simulators.deepgram import KEY, DeepgramSimulator, Disturbance, Setting
from tests.simulators.faults import Fault as Trouble
from tests.simulators.faults import Planned
from tests.support.deepgram_talk import answer, final, heard, kills, sound, speech, talking, until, utterance
from voicebot.audio.sound import Audio
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import Pause, Transcript
from voicebot.engines.stt.deepgram import ConnectionPolicy, Deepgram
from voicebot.engines.stt.deepgram import transcriber as transcriber_module

TEXT = "you and he are one of they"


@pytest.fixture
def no_key_in_any_log_record(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Collects the log at any level, of any library."""
    with caplog.at_level(logging.DEBUG):
        yield
    assert not any(KEY in record.getMessage() or KEY in str(vars(record)) for record in caplog.records)


@pytest.fixture
async def simulator() -> AsyncIterator[DeepgramSimulator]:
    async with DeepgramSimulator() as simulator:
        yield simulator


# A connection cannot be opened ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "fault", "message"),
    [
        (Trouble.UNAUTHORIZED, Fault.DENIED, "the key is not accepted"),
        (Trouble.FORBIDDEN, Fault.DENIED, "the key may not use this"),
        (Planned(Trouble.RATE_LIMITED, retry_after_s=7), Fault.LIMITED, "too many requests"),
        (Trouble.SERVER_ERROR, Fault.SERVER, "the service failed"),
        (Trouble.REFUSE, Fault.BROKEN, "the connection broke"),
        (Trouble.HANG, Fault.TIMEOUT, "did not open in time"),
        (Planned(Trouble.GARBAGE, after=0), Fault.BROKEN, "not one of Deepgram's"),
        (Planned(Trouble.CUT, after=0), Fault.BROKEN, "Deepgram's|broke"),
    ],
    ids=lambda value: str(getattr(value, "fault", value)),
)
@pytest.mark.usefixtures("no_key_in_any_log_record")
async def test_a_failed_connection_raises_an_error_that_names_the_cause(
    simulator: DeepgramSimulator, trouble: Trouble | Planned, fault: Fault, message: str
) -> None:
    simulator.faults.always(trouble)
    engine = Deepgram(KEY, base_url=simulator.url, policy=ConnectionPolicy(open_timeout_s=0.3, backoff_s=0.01))
    with pytest.raises(EngineError, match=rf"^deepgram: .*({message})") as probed:
        await engine.probe()
    async with engine.session() as transcriber:
        with pytest.raises(EngineError, match=rf"^deepgram: .*({message})") as failed:
            await final(transcriber, sound(*utterance(TEXT)))
        assert failed.value.fault is probed.value.fault is fault
        assert KEY not in str(failed.value)
        limited = fault is Fault.LIMITED
        assert probed.value.retry_after_s == (7 if limited else None)
        assert (failed.value.retry_after_s is not None) == limited
        simulator.faults.always(None)
        if fault not in (Fault.DENIED, Fault.LIMITED):
            assert await final(transcriber, sound(*utterance(TEXT))) == TEXT, "the next utterance tries again"
    await engine.close()


async def test_a_closed_port_is_reported_as_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    engine = Deepgram(KEY, base_url=f"ws://127.0.0.1:{port}", policy=ConnectionPolicy(backoff_s=0.01))
    async with engine.session() as transcriber:
        with pytest.raises(EngineError, match="deepgram: no connection") as failed:
            await final(transcriber, sound(*utterance(TEXT)))
    assert failed.value.fault is Fault.UNREACHABLE
    await engine.close()


async def test_a_proxy_address_without_a_scheme_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "127.0.0.1:9")
    engine = Deepgram(KEY)
    with pytest.raises(EngineError, match="deepgram: the proxy's address must begin with http://"):
        await engine.probe()
    await engine.close()


async def test_an_account_without_credit_is_reported_as_unpaid(simulator: DeepgramSimulator) -> None:
    simulator.setting.status = 402
    with pytest.raises(EngineError, match="no credit left") as failed:
        await Deepgram(KEY, base_url=simulator.url).probe()
    assert failed.value.fault is Fault.UNPAID


@pytest.mark.usefixtures("no_key_in_any_log_record")
async def test_the_error_for_a_wrong_key_does_not_contain_the_key(simulator: DeepgramSimulator) -> None:
    with pytest.raises(EngineError, match="key is not accepted") as failed:
        await Deepgram("wrong-key-4711", base_url=simulator.url).probe()
    assert failed.value.fault is Fault.DENIED
    assert "4711" not in str(failed.value)


async def test_a_request_is_reported_as_rejected_after_three_sets_of_parameters(simulator: DeepgramSimulator) -> None:
    simulator.setting.rejects = frozenset({"model"})
    with pytest.raises(EngineError, match="request was rejected") as failed:
        await Deepgram(KEY, base_url=simulator.url).probe()
    assert failed.value.fault is Fault.REJECTED
    assert len(simulator.requests) == 3, "each set of parameters is tried"


async def test_a_rate_limited_connection_is_not_retried_by_every_utterance(simulator: DeepgramSimulator) -> None:
    simulator.faults.always(Planned(Trouble.RATE_LIMITED, retry_after_s=30))
    async with talking(simulator) as transcriber:
        for _ in range(3):
            with pytest.raises(EngineError) as failed:
                await final(transcriber, sound(*utterance(TEXT)))
            assert 29 < (failed.value.retry_after_s or 0) <= 30
        assert len(simulator.requests) == 1


async def test_a_session_does_not_retry_a_denied_key_at_once_but_a_new_session_does(
    simulator: DeepgramSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcriber_module, "IDLE_S", 0.02)
    simulator.faults.plan(Trouble.UNAUTHORIZED)
    async with talking(simulator) as transcriber:
        await (await simulator.requested(1)).gone.wait()
        await asyncio.sleep(
            0.2
        )  # After other failures the engine would have tried again by now. The absence of an attempt has no event.
        with pytest.raises(EngineError, match="key is not accepted"):
            await final(transcriber, sound(*utterance(TEXT)))
        assert len(simulator.requests) == 1
    async with talking(simulator) as transcriber:
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT


async def test_a_session_retries_a_denied_key_after_a_while(
    simulator: DeepgramSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In production the fallback keeps all sessions from using the engine. Here there is no fallback."""
    monkeypatch.setattr(transcriber_module, "REFUSED_S", 0.3)
    simulator.faults.plan(Trouble.UNAUTHORIZED)
    loop = asyncio.get_running_loop()
    async with talking(simulator) as transcriber:
        refused_s = loop.time()
        with pytest.raises(EngineError, match="key is not accepted"):
            await final(transcriber, sound(*utterance(TEXT)))
        text = ""
        async with asyncio.timeout(10):
            while not text:
                await asyncio.sleep(0.01)
                with suppress(EngineError):
                    text = await final(transcriber, sound(*utterance(TEXT)))
        assert text == TEXT
        assert loop.time() - refused_s > 0.2
        assert len(simulator.requests) == 2


async def test_an_utterance_that_waits_for_retry_after_is_transcribed(simulator: DeepgramSimulator) -> None:
    """The fallback waits for the time that the service asked for, and tries once more."""
    simulator.faults.plan(Planned(Trouble.RATE_LIMITED, retry_after_s=0.3))
    async with talking(simulator) as transcriber:
        with pytest.raises(EngineError) as failed:
            await final(transcriber, sound(*utterance(TEXT)))
        assert failed.value.retry_after_s is not None
        await asyncio.sleep(failed.value.retry_after_s)
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT
        assert len(simulator.requests) == 2


async def test_an_idle_session_reconnects_after_a_rate_limit_has_passed(simulator: DeepgramSimulator) -> None:
    simulator.faults.plan(Planned(Trouble.RATE_LIMITED, retry_after_s=0.2))
    async with talking(simulator) as transcriber:
        await (await simulator.requested(1)).gone.wait()
        await simulator.requested(2)
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT
        assert len(simulator.requests) == 2


async def test_failed_connections_while_nobody_speaks_do_not_fail_the_next_utterance(
    simulator: DeepgramSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "voicebot")
    simulator.faults.plan(Trouble.SERVER_ERROR, Trouble.REFUSE)
    async with talking(simulator) as transcriber:
        await until(lambda: "no connection" in caplog.messages)
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT
        assert len(simulator.requests) == 3


async def test_words_spoken_while_the_connection_opens_are_not_lost(simulator: DeepgramSimulator) -> None:
    simulator.faults.plan(Planned(Trouble.SLOW_FIRST_BYTE, delay_s=0.3))
    async with talking(simulator) as transcriber:
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT
        assert len(simulator.requests) == 1


async def test_leaving_a_session_is_immediate_even_if_the_service_hangs(simulator: DeepgramSimulator) -> None:
    simulator.faults.always(Trouble.HANG)
    async with talking(simulator):
        request = await simulator.requested(1)
        left_s = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - left_s < 0.1
    await asyncio.wait_for(request.gone.wait(), 1)
    assert request.gone_s - left_s < 0.1


async def test_leaving_a_session_takes_under_a_second_if_the_service_freezes(simulator: DeepgramSimulator) -> None:
    simulator.setting.disturbances = {2: (Disturbance.FREEZE, False)}
    async with talking(simulator) as transcriber:
        utterances = asyncio.create_task(heard(transcriber, sound(*utterance(TEXT))))
        await until(lambda: simulator.messages >= 2 and not simulator.setting.disturbances)
        utterances.cancel()
        left_s = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - left_s < 1
    await asyncio.wait_for(simulator.requests[0].gone.wait(), 1)


async def test_leaving_a_session_just_after_its_connection_drops_does_not_hang(simulator: DeepgramSimulator) -> None:
    random = Random(3)
    engine = Deepgram(KEY, base_url=simulator.url, policy=ConnectionPolicy(keep_alive_s=0.002))
    async with asyncio.timeout(20):
        for _ in range(60):
            how = random.choice([Disturbance.RESET, Disturbance.EOF])
            simulator.setting.disturbances = {simulator.messages + 2: (how, False)}
            simulator.requests.clear()
            async with engine.session():
                request = await simulator.requested(1)
                await request.gone.wait()
                for _ in range(random.randrange(12)):
                    await asyncio.sleep(0)
            assert not simulator.setting.disturbances, "the connection dropped"
            assert not [task for task in asyncio.all_tasks() if task.get_name() == "deepgram connection"]
    await until(lambda: simulator.open == 0)
    await engine.close()


# A connection is lost ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [how for how in Disturbance if how is not Disturbance.FREEZE])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_connection_dropped_mid_speech_loses_and_repeats_no_words(
    simulator: DeepgramSimulator, how: Disturbance, after: bool
) -> None:
    simulator.setting.disturbances = {30: (how, after)}
    async with talking(simulator, answer_timeout_s=0.3) as transcriber:
        transcripts = await heard(transcriber, sound(0.3, TEXT, 0.2, Pause(1), 0.4))
        assert transcripts[-1].text == TEXT
        assert len(simulator.requests) == 2
        spoken = sum(
            [2 * len(piece.samples) async for piece in sound(0.3, TEXT, 0.2, 0.4) if not isinstance(piece, Pause)]
        )
        assert transcriber.bytes_sent > spoken, "the audio that is sent again counts"


@pytest.mark.usefixtures("no_key_in_any_log_record")
async def test_a_connection_cut_after_a_result_loses_no_words(simulator: DeepgramSimulator) -> None:
    simulator.faults.plan(*(Planned(Trouble.CUT, after=after) for after in (3, 2, 5, 1)))
    async with talking(simulator) as transcriber:
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT
        assert len(simulator.requests) == 5


async def test_garbage_between_the_results_is_ignored(simulator: DeepgramSimulator) -> None:
    simulator.faults.plan(Planned(Trouble.GARBAGE, after=3))
    async with talking(simulator) as transcriber:
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT
        assert len(simulator.requests) == 1


async def test_a_connection_lost_during_silence_is_reopened(simulator: DeepgramSimulator) -> None:
    simulator.setting.disturbances = {2: (Disturbance.ERROR, False)}
    async with talking(simulator, keep_alive_s=0.05) as transcriber:
        await simulator.requested(2)
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT
        assert len(simulator.requests) == 2


async def test_a_pause_answered_before_a_drop_is_not_answered_again(simulator: DeepgramSimulator) -> None:
    answered = {1: asyncio.Event(), 2: asyncio.Event()}

    async def audio() -> AsyncGenerator[Audio | Pause]:
        async for item in sound(0.3, "you and", 0.2, Pause(1)):
            yield item
        await answered[1].wait()
        simulator.setting.disturbances = {simulator.messages + 5: (Disturbance.RESET, True)}
        async for item in sound(0.1, "he", 0.2, Pause(2)):
            yield item
        await answered[2].wait()
        async for item in sound(0.4):
            yield item

    received: list[Transcript] = []
    async with asyncio.timeout(10), talking(simulator) as transcriber:
        async with aclosing(transcriber.transcribe(audio())) as transcripts:
            async for each in transcripts:
                received.append(each)
                if each.pause is not None:
                    answered[each.pause].set()
        assert len(simulator.requests) == 2, "the connection dropped"
    pauses = [(each.pause, each.text) for each in received if each.pause is not None]
    assert pauses == [(1, "you and"), (2, "you and he")]
    assert received[-1].text == "you and he"


async def test_an_utterance_fails_after_too_many_dropped_connections(simulator: DeepgramSimulator) -> None:
    simulator.setting.disturbances = dict.fromkeys(range(20, 2000), (Disturbance.ERROR, False))
    async with talking(simulator, drops=3, backoff_s=0.01) as transcriber:
        with pytest.raises(EngineError, match="deepgram: ") as failed:
            await final(transcriber, sound(*utterance(TEXT)))
        assert failed.value.fault is Fault.BROKEN
        assert 4 <= len(simulator.requests) <= 5
        simulator.setting.disturbances.clear()
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT


async def test_an_utterance_times_out_if_the_service_never_answers(simulator: DeepgramSimulator) -> None:
    simulator.setting.disturbances = dict.fromkeys(range(1, 2000), (Disturbance.SILENCE, False))
    async with talking(simulator, answer_timeout_s=0.2) as transcriber:
        with pytest.raises(EngineError, match="no words came in time") as failed:
            await asyncio.wait_for(final(transcriber, sound(*utterance(TEXT))), 2)
        assert failed.value.fault is Fault.TIMEOUT
        assert len(simulator.requests) <= 3, "one more connection is tried"


async def test_a_finalize_left_unanswered_for_lack_of_audio_does_not_break_the_transcript(
    simulator: DeepgramSimulator,
) -> None:
    """Deepgram need not answer a Finalize if there is little sound to process."""
    simulator.setting.least_s = 0.3
    async with talking(simulator, answer_timeout_s=0.3) as transcriber:
        transcripts = await heard(transcriber, sound(0.3, TEXT, 0.2, Pause(1), 0.1, Pause(2), 0.1))
        assert transcripts[-1].text == TEXT
        assert len(simulator.requests) == 1


async def test_the_transcript_is_whole_although_no_finalize_is_ever_answered(simulator: DeepgramSimulator) -> None:
    simulator.setting.least_s = 100
    async with talking(simulator, answer_timeout_s=0.2) as transcriber:
        transcripts = await heard(transcriber, sound(0.3, TEXT, 0.2, Pause(1), 0.4))
        assert transcripts[-1].text == TEXT
        assert len(simulator.requests) == 1


# At random instants --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
async def test_the_transcript_stays_whole_whenever_the_connection_is_killed(seed: int) -> None:
    """The connection is killed sixty times in all, before or after any message. Some utterances are given up."""
    random = Random(seed)
    setting = Setting(segment_s=random.choice([0.7, 1.5, 3.0]), delay_s=random.choice([0.0, 0.0, 0.02]))
    setting.disturbances = kills(random, 300)
    async with (
        DeepgramSimulator(setting) as simulator,
        talking(simulator, drops=10, backoff_s=0.01, answer_timeout_s=0.4) as transcriber,
    ):
        while setting.disturbances:
            text, parts = speech(random)
            if random.random() < 0.3:
                pause = sum(isinstance(part, Pause) for part in parts)
                assert (await answer(transcriber, sound(*parts), pause)).text == text
            else:
                assert await final(transcriber, sound(*parts)) == text
        assert len(simulator.requests) > 5
