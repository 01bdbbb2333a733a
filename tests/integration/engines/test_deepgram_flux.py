"""Deepgram's listen v2: the effect of Flux's turns on transcripts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest

from tests.simulators.deepgram import KEY, DeepgramSimulator, Disturbance, Setting
from tests.simulators.faults import Fault as Trouble
from tests.simulators.faults import Planned
from tests.support.deepgram_talk import click, final, heard, kills, sound, speech, talking, utterance
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import Pause, Style, Transcript
from voicebot.engines.stt.deepgram import Deepgram

FLUX = "flux-general-en"
TEXT = "you and he are one of they"


@pytest.fixture
async def simulator() -> AsyncIterator[DeepgramSimulator]:
    async with DeepgramSimulator() as simulator:
        yield simulator


def answers(transcripts: list[Transcript]) -> list[tuple[int, str, bool]]:
    return [(each.pause, each.text, each.turn_over) for each in transcripts if each.pause is not None]


async def test_an_eager_end_of_turn_answers_a_pause_and_an_end_of_turn_marks_it_over(
    simulator: DeepgramSimulator,
) -> None:
    async with talking(simulator, model=FLUX) as transcriber:
        transcripts = await heard(transcriber, sound(0.3, TEXT, 0.2, Pause(1), 0.1, "by it", 0.5, Pause(2), 0.3))
    said = f"{TEXT} by it"
    assert answers(transcripts)[0] == (1, TEXT, False)
    assert set(answers(transcripts)[1:]) <= {(2, said, False), (2, said, True)}
    assert answers(transcripts)[-1] == (2, said, True)
    assert transcripts[-1].final
    assert transcripts[-1].text == f"{TEXT} by it"
    partials = [each.text for each in transcripts if each.pause is None and not each.final]
    assert partials[0] == "you"
    assert f"{TEXT} by" in partials, "the turn is resumed"


async def test_a_pause_stays_unanswered_if_flux_does_not_end_the_turn(simulator: DeepgramSimulator) -> None:
    """Flux itself decides whether a silence ends the turn."""
    simulator.setting.ends_turns = False
    async with talking(simulator, model=FLUX) as transcriber:
        transcripts = await heard(transcriber, sound(0.3, TEXT, 0.2, Pause(1), 0.1, "by it", 0.3))
    assert answers(transcripts) == []
    assert transcripts[-1] == Transcript(f"{TEXT} by it", final=True, confidence=transcripts[-1].confidence)


async def test_the_end_of_an_utterance_forces_flux_to_end_its_turn(simulator: DeepgramSimulator) -> None:
    simulator.setting.ends_turns = False
    async with talking(simulator, model=FLUX) as transcriber:
        for text in (TEXT, "in the", "one"):
            assert await asyncio.wait_for(final(transcriber, sound(*utterance(text))), 1) == text
        assert len(simulator.requests) == 1


async def test_an_utterance_without_words_has_an_empty_final(simulator: DeepgramSimulator) -> None:
    """Flux answers that there is no turn to end."""
    async with talking(simulator, model=FLUX) as transcriber:
        assert await final(transcriber, sound(1.0, Pause(1), 0.5)) == ""
        assert await asyncio.wait_for(final(transcriber, click()), 1) == ""
        assert await final(transcriber, sound(*utterance("one"))) == "one"
        assert len(simulator.requests) == 1


async def test_words_of_an_abandoned_turn_are_not_part_of_the_next(simulator: DeepgramSimulator) -> None:
    async with talking(simulator, model=FLUX) as transcriber:
        for text in ("the one", "you and he"):
            transcripts = transcriber.transcribe(sound(0.3, text, 0.2, Pause(1), 0.1, "by it", 0.1, 9.0))
            async for each in transcripts:
                if "by" in each.text:
                    break
            await transcripts.aclose()
        assert await final(transcriber, sound(*utterance("this is it"))) == "this is it"


async def test_the_connection_asks_for_eager_ends_of_turn_in_the_users_language(simulator: DeepgramSimulator) -> None:
    async with talking(simulator, style=Style("es"), model="flux-general-multi") as transcriber:
        await final(transcriber, sound(*utterance("one")))
    (request,) = simulator.requests
    assert request.head.path == "/v2/listen"
    assert request.head.headers["authorization"] == f"Token {KEY}"
    assert {name: value for name, (value,) in request.head.query.items()} == {
        "model": "flux-general-multi",
        "language_hint": "es",
        "encoding": "linear16",
        "sample_rate": "16000",
        "eager_eot_threshold": "0.5",
        "eot_timeout_ms": "2000",
        "numerals": "true",
    }


async def test_a_service_without_eager_ends_of_turn_answers_a_pause_at_the_end_of_turn(
    simulator: DeepgramSimulator,
) -> None:
    simulator.setting.rejects = frozenset({"eager_eot_threshold", "language_hint"})
    async with talking(simulator, model=FLUX) as transcriber:
        transcripts = await heard(transcriber, sound(0.3, TEXT, 0.5, Pause(1), 0.3))
    assert answers(transcripts) == [(1, TEXT, True)], "the end of the turn answers the pause"
    assert transcripts[-1].text == TEXT


async def test_silence_ends_the_turn_if_the_service_has_no_forced_end_of_turn(simulator: DeepgramSimulator) -> None:
    """Self-hosted services don't know ForceEndTurn, and close the connection."""
    simulator.setting.can_force = False
    simulator.setting.ends_turns = False
    engine = Deepgram(KEY, base_url=simulator.url, model=FLUX)
    for _ in range(2):
        async with engine.session() as transcriber:
            assert await final(transcriber, sound(*utterance(TEXT))) == TEXT
            assert await final(transcriber, sound(*utterance("one"))) == "one"
    assert len(simulator.requests) == 3, "the engine tries ForceEndTurn once"
    await engine.close()


async def test_silence_ends_the_turn_if_the_service_ignores_a_forced_end_of_turn(simulator: DeepgramSimulator) -> None:
    simulator.setting.ignores_force = True
    simulator.setting.ends_turns = False
    async with talking(simulator, model=FLUX, answer_timeout_s=0.2) as transcriber:
        assert await asyncio.wait_for(final(transcriber, sound(*utterance(TEXT))), 2) == TEXT
        assert len(simulator.requests) == 1


async def test_an_utterance_times_out_if_the_service_never_answers(simulator: DeepgramSimulator) -> None:
    simulator.setting.disturbances = dict.fromkeys(range(1, 2_000), (Disturbance.SILENCE, False))
    async with talking(simulator, model=FLUX, answer_timeout_s=0.15) as transcriber:
        with pytest.raises(EngineError, match="no words came in time") as failed:
            await asyncio.wait_for(final(transcriber, sound(*utterance(TEXT))), 2)
    assert failed.value.fault is Fault.TIMEOUT


async def test_utterances_are_transcribed_although_the_service_sends_no_word_times(
    simulator: DeepgramSimulator,
) -> None:
    simulator.setting.word_times = False
    async with talking(simulator, model=FLUX) as transcriber:
        for text in (TEXT, "in the", "one"):
            assert await final(transcriber, sound(*utterance(text))) == text


async def test_a_long_silence_does_not_close_the_connection(simulator: DeepgramSimulator) -> None:
    """The pings of the WebSocket keep the connection open, so no messages are needed."""
    async with talking(simulator, model=FLUX, keep_alive_s=0.02) as transcriber:
        await simulator.requested(1)
        await asyncio.sleep(
            0.3
        )  # A keep-alive would come after a fifteenth of this time. The absence of one has no event.
        assert simulator.messages == 0
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT
        assert len(simulator.requests) == 1


@pytest.mark.parametrize(
    ("trouble", "fault"),
    [
        (Trouble.UNAUTHORIZED, Fault.DENIED),
        (Planned(Trouble.RATE_LIMITED, retry_after_s=3), Fault.LIMITED),
        (Trouble.SERVER_ERROR, Fault.SERVER),
        (Trouble.HANG, Fault.TIMEOUT),
        (Trouble.REFUSE, Fault.BROKEN),
    ],
    ids=lambda value: str(getattr(value, "fault", value)),
)
async def test_a_failed_connection_raises_an_error_with_the_right_fault(
    simulator: DeepgramSimulator, trouble: Trouble | Planned, fault: Fault
) -> None:
    simulator.faults.always(trouble)
    async with talking(simulator, model=FLUX, open_timeout_s=0.3, backoff_s=0.01) as transcriber:
        with pytest.raises(EngineError) as failed:
            await final(transcriber, sound(*utterance(TEXT)))
    assert failed.value.fault is fault
    assert KEY not in str(failed.value)


async def test_garbage_between_the_events_is_ignored(simulator: DeepgramSimulator) -> None:
    simulator.faults.plan(Planned(Trouble.GARBAGE, after=3))
    async with talking(simulator, model=FLUX) as transcriber:
        assert await final(transcriber, sound(*utterance(TEXT))) == TEXT
        assert len(simulator.requests) == 1


async def test_an_utterance_fails_with_the_services_error_code_after_too_many_errors(
    simulator: DeepgramSimulator,
) -> None:
    simulator.setting.disturbances = dict.fromkeys(range(5, 2_000), (Disturbance.ERROR, False))
    async with talking(simulator, model=FLUX, drops=2, backoff_s=0.01) as transcriber:
        with pytest.raises(EngineError, match=r"the service gave up \(INTERNAL_SERVER_ERROR\)") as failed:
            await final(transcriber, sound(*utterance(TEXT)))
    assert failed.value.fault is Fault.BROKEN


async def test_leaving_a_session_closes_its_connection(simulator: DeepgramSimulator) -> None:
    async with talking(simulator, model=FLUX):
        request = await simulator.requested(1)
        left_s = asyncio.get_running_loop().time()
    await asyncio.wait_for(request.gone.wait(), 1)
    assert request.gone_s - left_s < 0.1


@pytest.mark.parametrize("seed", range(2))
async def test_the_transcript_stays_whole_whenever_the_connection_is_killed(seed: int) -> None:
    random = Random(seed)
    setting = Setting(delay_s=random.choice([0.0, 0.02]), disturbances=kills(random, 120))
    async with (
        DeepgramSimulator(setting) as simulator,
        talking(simulator, model=FLUX, drops=10, backoff_s=0.01, answer_timeout_s=0.4) as transcriber,
    ):
        while setting.disturbances:
            text, parts = speech(random)
            assert await final(transcriber, sound(*parts)) == text
        assert len(simulator.requests) > 5
