"""What goes wrong with Deepgram's live connections, and what becomes of the words."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from random import Random

import pytest

from tests.integration.engines.deepgram_talk import Part, answer, final, heard, kills, sound, speech, talking, utterance
from tests.simulators.deepgram import KEY, DeepgramSimulator, Disturbance, Setting
from tests.simulators.faults import Fault as Trouble
from tests.simulators.faults import Planned
from voicebot.engines.base import EngineError, Fault, Pause
from voicebot.engines.stt.deepgram import Deepgram
from voicebot.engines.stt.deepgram import transcriber as transcriber_module

TEXT = "you and he are one of they"


@pytest.fixture
def no_key_in_any_log_record(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """At any level, of any library."""
    with caplog.at_level(logging.DEBUG):
        yield
    assert not any(KEY in record.getMessage() or KEY in str(vars(record)) for record in caplog.records)


@pytest.fixture
async def simulator() -> AsyncIterator[DeepgramSimulator]:
    async with DeepgramSimulator() as simulator:
        yield simulator


# A connection can't be opened ----------------------------------------------------------------------------------------


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
async def test_why_there_is_no_connection_is_said(
    simulator: DeepgramSimulator, trouble: Trouble | Planned, fault: Fault, message: str
) -> None:
    simulator.faults.always(trouble)
    engine = Deepgram(KEY, base_url=simulator.url, open_timeout_s=0.3, backoff_s=0.01)
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
            assert await final(transcriber, sound(*utterance(TEXT))) == TEXT, "it is tried again for the next one"
    await engine.close()


async def test_a_port_that_nobody_listens_at_is_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    engine = Deepgram(KEY, base_url=f"ws://127.0.0.1:{port}", backoff_s=0.01)
    async with engine.session() as transcriber:
        with pytest.raises(EngineError, match="deepgram: no connection") as failed:
            await final(transcriber, sound(*utterance(TEXT)))
    assert failed.value.fault is Fault.UNREACHABLE
    await engine.close()


async def test_a_proxy_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "127.0.0.1:9")
    engine = Deepgram(KEY)
    with pytest.raises(EngineError, match="deepgram: the proxy's address must begin with http://"):
        await engine.probe()
    await engine.close()


async def test_an_empty_account_is_said(simulator: DeepgramSimulator) -> None:
    simulator.setting.status = 402
    with pytest.raises(EngineError, match="no credit left") as failed:
        await Deepgram(KEY, base_url=simulator.url).probe()
    assert failed.value.fault is Fault.UNPAID


@pytest.mark.usefixtures("no_key_in_any_log_record")
async def test_a_wrong_key_is_said_and_not_shown(simulator: DeepgramSimulator) -> None:
    with pytest.raises(EngineError, match="key is not accepted") as failed:
        await Deepgram("wrong-key-4711", base_url=simulator.url).probe()
    assert failed.value.fault is Fault.DENIED
    assert "4711" not in str(failed.value)


async def test_if_no_parameters_are_accepted_it_says_so(simulator: DeepgramSimulator) -> None:
    simulator.setting.rejects = frozenset({"model"})
    with pytest.raises(EngineError, match="request was rejected") as failed:
        await Deepgram(KEY, base_url=simulator.url).probe()
    assert failed.value.fault is Fault.REJECTED
    assert len(simulator.requests) == 3, "three profiles"


async def test_what_was_refused_is_not_asked_for_by_every_utterance(simulator: DeepgramSimulator) -> None:
    simulator.faults.always(Planned(Trouble.RATE_LIMITED, retry_after_s=30))
    async with talking(simulator) as transcriber:
        for _ in range(3):
            with pytest.raises(EngineError) as failed:
                await final(transcriber, sound(*utterance(TEXT)))
            assert 29 < (failed.value.retry_after_s or 0) <= 30
        assert len(simulator.requests) == 1


async def test_a_key_that_is_not_accepted_is_not_tried_again_while_nobody_speaks(simulator: DeepgramSimulator) -> None:
    simulator.faults.plan(Trouble.UNAUTHORIZED)
    async with talking(simulator) as transcriber:
        await (await simulator.requested(1)).gone.wait()
        await asyncio.sleep(0.6)
        with pytest.raises(EngineError, match="key is not accepted"):
            await final(transcriber, sound(*utterance(TEXT)))
        assert len(simulator.requests) == 1
    async with talking(simulator) as transcriber:
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT


async def test_an_old_session_does_not_speak_against_a_key_that_is_accepted_again(
    simulator: DeepgramSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its chain would let the engine rest for all sessions."""
    monkeypatch.setattr(transcriber_module, "REFUSED_S", 0.2)
    simulator.faults.plan(Trouble.UNAUTHORIZED)
    async with talking(simulator) as transcriber:
        await (await simulator.requested(1)).gone.wait()
        await asyncio.sleep(0.3)
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT


async def test_who_comes_back_when_told_to_is_served(simulator: DeepgramSimulator) -> None:
    """As the fallback does: it waits as long as was asked, and tries once more."""
    simulator.faults.plan(Planned(Trouble.RATE_LIMITED, retry_after_s=0.3))
    async with talking(simulator) as transcriber:
        with pytest.raises(EngineError) as failed:
            await final(transcriber, sound(*utterance(TEXT)))
        assert failed.value.retry_after_s is not None
        await asyncio.sleep(failed.value.retry_after_s)
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT
        assert len(simulator.requests) == 2


async def test_a_refusal_is_forgotten_when_its_time_is_over(simulator: DeepgramSimulator) -> None:
    simulator.faults.plan(Planned(Trouble.RATE_LIMITED, retry_after_s=0.2))
    async with talking(simulator) as transcriber:
        await (await simulator.requested(1)).gone.wait()
        await simulator.requested(2)
        await asyncio.sleep(0.1)
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT


async def test_nobody_learns_of_failures_while_nobody_speaks(simulator: DeepgramSimulator) -> None:
    simulator.faults.plan(Trouble.SERVER_ERROR, Trouble.REFUSE)
    async with talking(simulator) as transcriber:
        await simulator.requested(1)
        await asyncio.sleep(0.05)
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT
        assert len(simulator.requests) == 3


async def test_words_said_while_the_connection_opens_are_not_lost(simulator: DeepgramSimulator) -> None:
    simulator.faults.plan(Planned(Trouble.SLOW_FIRST_BYTE, delay_s=0.3))
    async with talking(simulator) as transcriber:
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT
        assert len(simulator.requests) == 1


async def test_a_session_is_left_at_once_even_if_the_service_hangs(simulator: DeepgramSimulator) -> None:
    simulator.faults.always(Trouble.HANG)
    async with talking(simulator):
        request = await simulator.requested(1)
        left_s = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - left_s < 0.1
    await asyncio.wait_for(request.gone.wait(), 1)
    assert request.gone_s - left_s < 0.1


async def test_a_session_is_left_soon_even_if_the_service_does_not_say_goodbye(simulator: DeepgramSimulator) -> None:
    simulator.setting.disturbances = {2: (Disturbance.FREEZE, False)}
    async with talking(simulator) as transcriber:
        utterances = asyncio.create_task(heard(transcriber, sound(*utterance(TEXT))))
        await simulator.requested(1)
        await asyncio.sleep(0.1)
        utterances.cancel()
        left_s = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - left_s < 1
    await asyncio.wait_for(simulator.requests[0].gone.wait(), 1)


async def test_a_session_can_be_left_in_the_instant_of_a_drop(simulator: DeepgramSimulator) -> None:
    random = Random(3)
    engine = Deepgram(KEY, base_url=simulator.url, keep_alive_s=0.002)
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
    await engine.close()


# A connection is lost ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [how for how in Disturbance if how is not Disturbance.FREEZE])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_drop_in_mid_speech_loses_and_doubles_nothing(
    simulator: DeepgramSimulator, how: Disturbance, after: bool
) -> None:
    simulator.setting.disturbances = {30: (how, after)}
    async with talking(simulator, answer_timeout_s=0.3) as transcriber:
        told = await heard(transcriber, sound(0.3, TEXT, 0.2, Pause(1), 0.4))
        assert told[-1].text == TEXT
        assert len(simulator.requests) == 2
        spoken = sum(
            [2 * len(piece.samples) async for piece in sound(0.3, TEXT, 0.2, 0.4) if not isinstance(piece, Pause)]
        )
        assert transcriber.bytes_sent > spoken, "what was sent again counts"


@pytest.mark.usefixtures("no_key_in_any_log_record")
async def test_a_cut_after_a_result_loses_nothing(simulator: DeepgramSimulator) -> None:
    simulator.faults.plan(*(Planned(Trouble.CUT, after=after) for after in (3, 2, 5, 1)))
    async with talking(simulator) as transcriber:
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT
        assert len(simulator.requests) == 5


async def test_nonsense_between_the_results_is_passed_over(simulator: DeepgramSimulator) -> None:
    simulator.faults.plan(Planned(Trouble.GARBAGE, after=3))
    async with talking(simulator) as transcriber:
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT
        assert len(simulator.requests) == 1


async def test_a_connection_that_is_lost_in_silence_is_opened_again(simulator: DeepgramSimulator) -> None:
    simulator.setting.disturbances = {2: (Disturbance.ERROR, False)}
    async with talking(simulator, keep_alive_s=0.05) as transcriber:
        await simulator.requested(2)
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT
        assert len(simulator.requests) == 2


async def test_an_answer_given_before_a_drop_is_not_given_again(simulator: DeepgramSimulator) -> None:
    async with talking(simulator) as transcriber:
        parts: list[Part] = [0.3, "you and", 0.2, Pause(1), 0.1, "he", 0.2, Pause(2), 0.4]
        simulator.setting.disturbances = {45: (Disturbance.RESET, True)}
        told = await heard(transcriber, sound(*parts))
        pauses = [each.pause for each in told if each.pause is not None]
        assert pauses == sorted(set(pauses))
        assert told[-1].text == "you and he"


async def test_too_many_drops_in_one_utterance_are_an_error(simulator: DeepgramSimulator) -> None:
    simulator.setting.disturbances = dict.fromkeys(range(20, 2000), (Disturbance.ERROR, False))
    async with talking(simulator, drops=3, backoff_s=0.01) as transcriber:
        with pytest.raises(EngineError, match="deepgram: ") as failed:
            await final(transcriber, sound(*utterance(TEXT)))
        assert failed.value.fault is Fault.BROKEN
        assert 4 <= len(simulator.requests) <= 5
        simulator.setting.disturbances.clear()
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT


async def test_a_service_that_never_answers_is_a_timeout(simulator: DeepgramSimulator) -> None:
    simulator.setting.disturbances = dict.fromkeys(range(1, 2000), (Disturbance.SILENCE, False))
    async with talking(simulator, answer_timeout_s=0.2) as transcriber:
        with pytest.raises(EngineError, match="no words came in time") as failed:
            await asyncio.wait_for(final(transcriber, sound(*utterance(TEXT))), 2)
        assert failed.value.fault is Fault.TIMEOUT
        assert len(simulator.requests) <= 3, "tried on one other connection"


async def test_a_question_about_too_little_sound_may_stay_unanswered(simulator: DeepgramSimulator) -> None:
    """Deepgram need not answer a Finalize if there is not much to process; silence is not even asked about."""
    simulator.setting.least_s = 0.3
    async with talking(simulator, answer_timeout_s=0.3) as transcriber:
        told = await heard(transcriber, sound(0.3, TEXT, 0.2, Pause(1), 0.1, Pause(2), 0.1))
        assert told[-1].text == TEXT
        assert len(simulator.requests) == 1


async def test_a_question_that_is_never_answered_is_by_what_was_heard(simulator: DeepgramSimulator) -> None:
    simulator.setting.least_s = 100
    async with talking(simulator, answer_timeout_s=0.2) as transcriber:
        told = await heard(transcriber, sound(0.3, TEXT, 0.2, Pause(1), 0.4))
        assert told[-1].text == TEXT
        assert len(simulator.requests) == 1


# At random instants --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
async def test_whenever_the_connection_is_killed_the_transcript_stays_whole(seed: int) -> None:
    """Sixty kills in all, before or after any message; some utterances are given up at a pause."""
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
