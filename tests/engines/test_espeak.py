from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import numpy as np
import pytest

from voicebot.core.audio import Audio
from voicebot.engines.base import EngineError
from voicebot.engines.tts.espeak import Espeak

STORY = "Far out where the land ends there stood a small lighthouse, and in it lived a keeper called Ada. " * 20


@pytest.fixture
async def espeak() -> AsyncIterator[Espeak]:
    engine = Espeak()
    await engine.start()
    yield engine
    await engine.close()


async def said(engine: Espeak, text: str) -> Audio:
    return Audio.joined([piece async for piece in engine.synthesize(text)], 22_050)


async def test_speech_has_a_good_level_and_no_clicks_at_its_ends(espeak: Espeak) -> None:
    audio = await said(espeak, "It is ten thirty in the morning in Tokyo.")
    assert 1.5 < audio.duration_s < 5
    assert -30 < audio.level_dbfs < -10
    samples = audio.samples.astype(int)
    assert np.abs(samples).max() < 32_767, "not clipped"
    assert abs(samples.mean()) < 100, "no direct current"
    assert max(abs(samples[0]), abs(samples[-1])) < 300


async def test_a_long_text_is_heard_from_the_first_sentence_on(espeak: Espeak) -> None:
    start_s = time.monotonic()
    arrived_s = [time.monotonic() - start_s async for _ in espeak.synthesize(STORY)]
    assert arrived_s[0] < arrived_s[-1] / 5


async def test_giving_up_frees_the_worker(espeak: Espeak) -> None:
    for _ in range(6):
        async with aclosing(espeak.synthesize(STORY)) as pieces:
            async for _piece in pieces:
                break
    assert (await said(espeak, "Hello.")).duration_s > 0.2


async def test_many_speak_at_once(espeak: Espeak) -> None:
    alone = await said(espeak, "Hello there.")
    together = await asyncio.gather(*(said(espeak, "Hello there.") for _ in range(6)))
    assert all(each.duration_s == pytest.approx(alone.duration_s, rel=0.05) for each in together)


@pytest.mark.parametrize("text", ["", " ", "...", "👍", "\x00\x01", "\ud800", "<break time='9s'/>", "नमस्ते", "a" * 5000])
async def test_any_text_is_spoken_or_skipped(espeak: Espeak, text: str) -> None:
    await said(espeak, text)
    assert (await said(espeak, "Still here.")).level_dbfs > -40


async def test_an_unknown_voice_is_said() -> None:
    engine = Espeak("klingonese")
    with pytest.raises(EngineError, match=r"espeak: .*no voice 'klingonese'"):
        await engine.start()
    await engine.close()


def test_it_knows_many_languages() -> None:
    assert {"en", "es", "hi", "de", "fr"} <= Espeak().languages
