"""The simulator follows Deepgram's protocols, including parts that the engines do not use. The real SDK drives it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosedError

from tests.simulators.deepgram import KEY, DeepgramSimulator, EmbeddedRecogniser, Setting
from tests.support.deepgram_talk import final, talking
from tests.support.speech import spoken as spoken_by_a_voice
from tests.support.tone_words import silence, spoken
from voicebot.audio.sound import Audio
from voicebot.engines.protocols import Pause
from voicebot.engines.stt.deepgram.sdk import AsyncDeepgramClient, client
from voicebot.engines.stt.moonshine import Moonshine

LINEAR = {"encoding": "linear16", "sample_rate": 16_000}


@pytest.fixture
async def simulator() -> AsyncIterator[DeepgramSimulator]:
    async with DeepgramSimulator() as simulator:
        yield simulator


@pytest.fixture
async def deepgram(simulator: DeepgramSimulator) -> AsyncIterator[AsyncDeepgramClient]:
    async with httpx.AsyncClient() as http:
        yield client(KEY, simulator.url, http)


async def test_closing_a_stream_returns_a_final_result_and_metadata(deepgram: AsyncDeepgramClient) -> None:
    async with deepgram.listen.v1.connect(model="nova-3", endpointing="false", **LINEAR) as socket:
        await socket.send_media(spoken("you and he").tobytes())
        await socket.send_close_stream()
        results, metadata = [message async for message in socket]
    assert results.channel.alternatives[0].transcript == "you and he"
    assert results.is_final
    assert not results.from_finalize
    assert metadata.type == "Metadata"
    assert metadata.duration == pytest.approx(3 * 0.17)


async def test_endpointing_makes_the_words_final_after_silence(deepgram: AsyncDeepgramClient) -> None:
    async with deepgram.listen.v1.connect(model="nova-3", endpointing=300, **LINEAR) as socket:
        await socket.send_media(spoken("you and he").tobytes())
        for _ in range(10):
            await socket.send_media(silence(0.1).tobytes())
        results: Any = await socket.recv()
    assert (results.is_final, results.speech_final) == (True, True)
    assert results.channel.alternatives[0].transcript == "you and he"


async def test_disconnects_a_client_that_sends_no_audio() -> None:
    async with (
        DeepgramSimulator(Setting(idle_timeout_s=0.1)) as simulator,
        httpx.AsyncClient() as http,
        client(KEY, simulator.url, http).listen.v1.connect(model="nova-3", **LINEAR) as socket,
    ):
        await socket.send_keep_alive()
        with pytest.raises(ConnectionClosedError) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011
    assert "NET-0001" in closed.value.rcvd.reason


async def test_flux_numbers_its_messages_and_turns(deepgram: AsyncDeepgramClient) -> None:
    messages: list[Any] = []
    async with deepgram.listen.v2.connect(model="flux-general-en", eager_eot_threshold=0.4, **LINEAR) as socket:
        for text in ("you and he", "one"):
            stream = np.concatenate([spoken(text), silence(0.6)])
            for start in range(0, len(stream), 1_280):
                await socket.send_media(stream[start : start + 1_280].tobytes())
        await socket.send_configure({"type": "Configure", "thresholds": {"eot_threshold": "0.8"}})
        await socket.send_close_stream()
        messages += [message async for message in socket]
    assert [message.sequence_id for message in messages] == list(range(len(messages)))
    assert messages[0].type == "Connected"
    turns = [message for message in messages if message.type == "TurnInfo"]
    ends = [turn for turn in turns if turn.event == "EndOfTurn"]
    assert [(end.turn_index, end.transcript, end.trigger) for end in ends] == [
        (0, "you and he", "model"),
        (1, "one", "model"),
    ]
    states = "".join(
        {"StartOfTurn": "s", "EagerEndOfTurn": "e", "EndOfTurn": "E"}.get(turn.event, "") for turn in turns
    )
    assert states == "seEseE"
    configured = next(message for message in messages if message.type == "ConfigureSuccess")
    assert configured.thresholds.eot_threshold == "0.8"


async def test_flux_refuses_to_end_a_turn_that_has_not_begun(deepgram: AsyncDeepgramClient) -> None:
    async with deepgram.listen.v2.connect(model="flux-general-en", **LINEAR) as socket:
        await socket.recv()
        await socket.send_force_end_turn()
        warning: Any = await socket.recv()
    assert (warning.type, warning.code) == ("Warning", "FORCE_END_TURN_NO_ACTIVE_TURN")


async def test_recognises_real_speech_with_the_embedded_engine() -> None:
    """This simulator has the embedded engine as its recogniser, as that of `python -m tests.simulators` has."""
    speech = spoken_by_a_voice("what time is it").resampled(16_000)
    engine = Moonshine()
    await engine.start()
    try:
        async with engine.session() as embedded:
            setting = Setting(make_recogniser=lambda: EmbeddedRecogniser(embedded))
            async with DeepgramSimulator(setting) as simulator, talking(simulator, answer_timeout_s=20) as transcriber:

                async def said() -> AsyncIterator[Audio | Pause]:
                    sound = Audio.joined([Audio.silence(0.3, 16_000), speech, Audio.silence(0.3, 16_000)], 16_000)
                    for start in range(0, len(sound.samples), 512):
                        yield Audio(sound.samples[start : start + 512], 16_000)
                        await asyncio.sleep(0)

                for _ in range(2):
                    assert await final(transcriber, said()) == "What time is it?"
    finally:
        await engine.close()
