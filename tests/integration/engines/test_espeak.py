"""espeak-ng in its worker processes: its sound, its word starts, and workers that hang or crash."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import pairwise

import numpy as np
import psutil
import pytest

from voicebot.audio.sound import Audio
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import WordStarts
from voicebot.engines.tts.espeak import Espeak

STORY = "Far out where the land ends there stood a small lighthouse, and in it lived a keeper called Ada. " * 20


@pytest.fixture
async def espeak() -> AsyncIterator[Espeak]:
    engine = Espeak()
    await engine.start()
    yield engine
    await engine.close()


async def said(engine: Espeak, text: str) -> Audio:
    pieces = [piece async for piece in engine.synthesize(text)]
    return Audio.joined([piece for piece in pieces if isinstance(piece, Audio)], 22_050)


async def starts_of(engine: Espeak, text: str) -> tuple[float, ...] | None:
    """Returns the times at which the words begin, or None without word starts. Fails if they come twice."""
    word_starts = [piece.starts_s async for piece in engine.synthesize(text) if isinstance(piece, WordStarts)]
    assert len(word_starts) <= 1
    return word_starts[0] if word_starts else None


def onsets_s(audio: Audio) -> list[float]:
    """Returns the times at which sound begins after at least 120 ms of silence, to 5 ms."""
    hop = audio.rate_hz // 200
    frames = audio.samples[: len(audio.samples) // hop * hop].reshape(-1, hop).astype(float)
    level = np.sqrt((frames**2).mean(axis=1))
    loud = np.flatnonzero(level > 0.02 * level.max())
    first = np.concatenate([[True], np.diff(loud) * hop > 0.12 * audio.rate_hz])
    return [float(frame) * hop / audio.rate_hz for frame in loud[first]]


async def test_speech_has_a_good_level_and_no_clicks_at_its_ends(espeak: Espeak) -> None:
    audio = await said(espeak, "It is ten thirty in the morning in Tokyo.")
    assert 1.5 < audio.duration_s < 5
    assert -30 < audio.level_dbfs < -10
    samples = audio.samples.astype(int)
    assert np.abs(samples).max() < 32_767, "the speech is not clipped"
    assert abs(samples.mean()) < 100, "the speech has no direct current"
    assert max(abs(samples[0]), abs(samples[-1])) < 300


@pytest.mark.parametrize(
    ("first", "second"), [("The train is late.", "Wait here."), ("The train is late,", "wait here.")]
)
async def test_two_texts_one_after_the_other_have_the_pause_that_they_have_as_one(
    espeak: Espeak, first: str, second: str
) -> None:
    """A reply is spoken sentence by sentence, and its first clause may be spoken alone."""
    whole = await said(espeak, f"{first} {second}")
    parts = Audio.joined([await said(espeak, first), await said(espeak, second)], whole.rate_hz)
    assert len(onsets_s(whole)) == 2
    assert onsets_s(parts) == pytest.approx(onsets_s(whole), abs=0.03)
    assert parts.duration_s == pytest.approx(whole.duration_s, abs=0.05)


async def test_the_first_audio_of_a_long_text_arrives_long_before_the_last(espeak: Espeak) -> None:
    start_s = time.monotonic()
    arrived_s = [time.monotonic() - start_s async for _ in espeak.synthesize(STORY)]
    assert arrived_s[0] < arrived_s[-1] / 5


@pytest.mark.parametrize(
    ("voice", "text"),
    [
        ("en-us", "Apples, oranges, lemons."),
        ("en-us", "Hello. World!"),
        ("en-us", "mister, sister, fish, zebra"),
        ("es", "hola, mundo, bien, mal"),
        ("de", "Hallo, Welt, morgen, dann"),
        ("fr", "bonjour, monde, demain, bien"),
        ("hi", "नमस्ते, दुनिया, मैं"),
    ],
)
async def test_reported_word_starts_match_the_audible_onsets(voice: str, text: str) -> None:
    engine = Espeak(voice, workers=1)
    await engine.start()
    heard_s = onsets_s(await said(engine, text))
    assert await starts_of(engine, text) == pytest.approx(heard_s, abs=0.03)
    await engine.close()


async def test_each_word_of_a_text_has_a_start_time(espeak: Espeak) -> None:
    for text in (
        "It's 1984 o'clock, isn't it?",
        "Call 555-1234, or see https://example.com/a?b=c now.",
        '- Was it of the men – and ("maybe") 3.5 kg; ok?',
        "I'm sure that in the end you will have been to all of the places.",
        "  leading\u00a0 double \n space ",
        "12,345,678,901 people 👍 . . .",
        "\x00\x01 hi\ud800 there",
        STORY,
    ):
        starts_s = await starts_of(espeak, text)
        assert starts_s is not None, text
        assert len(starts_s) == len(text.split()), text
        assert list(starts_s) == sorted(starts_s), text
        assert 0 <= starts_s[0] <= starts_s[-1] <= (await said(espeak, text)).duration_s, text


async def test_text_without_words_has_no_word_starts(espeak: Espeak) -> None:
    assert [await starts_of(espeak, text) for text in ("", " ", "...", "\x00")] == [None] * 4


async def test_closing_the_audio_stream_frees_the_worker(espeak: Espeak) -> None:
    for _ in range(6):
        async with aclosing(espeak.synthesize(STORY)) as pieces:
            async for _piece in pieces:
                break
    assert (await said(espeak, "Hello.")).duration_s > 0.2


async def test_six_sentences_synthesised_at_once_are_each_spoken_whole(espeak: Espeak) -> None:
    texts = [" ".join(["lemon"] * count) for count in range(1, 7)]
    alone_s = [(await said(espeak, text)).duration_s for text in texts]
    together = await asyncio.gather(*(said(espeak, text) for text in texts))
    assert [each.duration_s for each in together] == pytest.approx(alone_s, abs=0.01)
    assert all(longer - shorter > 0.2 for shorter, longer in pairwise(alone_s)), "each sentence gets its own audio"


@pytest.mark.parametrize("text", ["", " ", "...", "👍", "\x00\x01", "\ud800", "<break time='9s'/>", "नमस्ते", "a" * 5000])
async def test_speaks_the_next_sentence_after_an_unusual_text(espeak: Espeak, text: str) -> None:
    await said(espeak, text)
    assert (await said(espeak, "Still here.")).level_dbfs > -40


async def test_an_unknown_voice_raises_an_error_that_names_it() -> None:
    engine = Espeak("klingonese")
    with pytest.raises(EngineError, match=r"espeak: .*no voice 'klingonese'"):
        await engine.start()
    await engine.close()


def espeak_workers() -> list[psutil.Process]:
    found = [each for each in psutil.Process().children() if "voicebot.engines.tts.espeak_worker" in each.cmdline()]
    assert found
    return found


async def test_suspended_workers_are_replaced_and_the_text_is_still_spoken(espeak: Espeak) -> None:
    """With espeak as the only voice, the first sound must still come within 6.5 s of the user's last word."""
    for worker in espeak_workers():
        worker.suspend()
    begun_s = time.monotonic()
    async with aclosing(espeak.synthesize(STORY)) as pieces:
        await anext(pieces)
    assert time.monotonic() - begun_s < 4.5
    assert (await said(espeak, "Good morning.")).duration_s > 0.5


async def test_a_worker_suspended_mid_sentence_times_out_within_5_s(espeak: Espeak) -> None:
    async with aclosing(espeak.synthesize(STORY * 5)) as pieces:
        await anext(pieces)
        for worker in espeak_workers():
            worker.suspend()
        begun_s = time.monotonic()
        with pytest.raises(EngineError, match=r"gave nothing within 2.5 s") as late:
            async for _ in pieces:
                pass
    assert late.value.fault is Fault.TIMEOUT
    assert time.monotonic() - begun_s < 5
    assert (await said(espeak, "Good morning.")).duration_s > 0.5


async def test_a_text_that_crashes_espeak_fails_alone_and_the_next_is_spoken(espeak: Espeak) -> None:
    with pytest.raises(EngineError, match="its worker process was killed by SIG"):
        await said(espeak, "s'" * 220)
    assert (await said(espeak, "Good morning.")).duration_s > 0.5
