"""All sessions share one set of started engines, and each request has its own language and voice."""

from __future__ import annotations

import json

import numpy as np
import psutil
import pytest

from tests.simulators.deepgram import KEY as DEEPGRAM_KEY
from tests.simulators.deepgram import DeepgramSimulator
from tests.simulators.elevenlabs import KEY, ElevenLabsSimulator
from tests.support.fake_engines import QUICK
from voicebot.audio.sound import Audio
from voicebot.engines.fallback import TextToSpeechFallbackGroup
from voicebot.engines.protocols import DEFAULT_STYLE, Style, TextToSpeech
from voicebot.engines.stt.deepgram import Deepgram, DeepgramRest
from voicebot.engines.tts.elevenlabs import ElevenLabs
from voicebot.engines.tts.espeak import Espeak

SAYS = "Hello there."


async def sound(engine: TextToSpeech, style: Style = DEFAULT_STYLE) -> Audio:
    pieces = [piece async for piece in engine.synthesize(SAYS, style)]
    audio = [piece for piece in pieces if isinstance(piece, Audio)]
    return Audio.joined(audio, audio[0].rate_hz)


async def test_sessions_share_one_espeak_process() -> None:
    chain = TextToSpeechFallbackGroup([Espeak(workers=1)], QUICK)
    await chain.start()
    workers = psutil.Process().children()
    for voice in ("en", "en-us+f3", ""):
        await sound(chain, Style("en", voice=voice))
    assert psutil.Process().children() == workers, "all voices share one process"
    await chain.close()


async def test_espeak_changes_its_voice_from_one_sentence_to_the_next() -> None:
    """All sentences come from one process, which sounds as if it had never spoken in another voice."""
    engine = Espeak(workers=1)
    await engine.start()
    usual = await sound(engine)
    woman = await sound(engine, Style("en", voice="en-us+f3"))
    british = await sound(engine, Style("en", voice="en"))
    again = await sound(engine)
    await engine.close()
    assert pitch_hz(usual) == pytest.approx(98, abs=8)
    assert pitch_hz(woman) == pytest.approx(200, abs=16)
    assert pitch_hz(again) == pytest.approx(98, abs=8)
    assert usual.duration_s == pytest.approx(again.duration_s, abs=0.005)
    assert usual.duration_s - british.duration_s > 0.02


def pitch_hz(audio: Audio) -> float:
    """Returns the median pitch of the loud pieces, by autocorrelation."""
    found, size = [], 2048
    for start in range(0, len(audio.samples) - size, size // 2):
        piece = audio.samples[start : start + size].astype(float)
        if np.abs(piece).max() > 4_000:
            likeness = np.correlate(piece, piece, "full")[size - 1 :]
            shortest, longest = audio.rate_hz // 350, audio.rate_hz // 60
            found.append(audio.rate_hz / (shortest + likeness[shortest:longest].argmax()))
    return float(np.median(found))


async def test_every_voice_that_espeak_offers_speaks() -> None:
    engine = Espeak(workers=2)
    await engine.start()
    voices = [(code, voice) for code in ("en", "es", "fr", "de", "hi", "zh") for voice in engine.voices(code)]
    assert len(voices) > 12
    for code, voice in voices:
        assert (await sound(engine, Style(code, voice=voice))).level_dbfs > -40, voice
    await engine.close()


async def test_the_servers_espeak_voice_is_the_default_for_its_own_language_only() -> None:
    engine = Espeak("en", workers=1)
    await engine.start()
    lengths_s = {}
    for code, voice in (("en", "en"), ("de", "de"), ("zh", "cmn")):
        usual, named = [await sound(engine, Style(code, voice=name)) for name in ("", voice)]
        assert usual.duration_s == pytest.approx(named.duration_s, abs=0.005)
        lengths_s[voice] = usual.duration_s
    american = await sound(engine, Style("en", voice="en-us"))
    await engine.close()
    assert american.duration_s - lengths_s["en"] > 0.02
    assert len({round(length_s, 2) for length_s in lengths_s.values()}) == 3


async def test_elevenlabs_is_asked_for_each_sessions_voice_and_language_over_one_connection() -> None:
    async with ElevenLabsSimulator() as service:
        engine = ElevenLabs(KEY, base_url=service.url, voice="ours")
        await engine.start()
        for style in (Style("de"), Style("en", voice="JBFqnCBsd6RMkjVDRZzb"), DEFAULT_STYLE):
            await sound(engine, style)
        await engine.close()
        asked = [(each.target.split("/")[3], json.loads(each.body)["language_code"]) for each in service.requests]
        assert asked == [("ours", "de"), ("JBFqnCBsd6RMkjVDRZzb", "en"), ("ours", "en")]
        assert {each.connection for each in service.requests} == {1}


@pytest.mark.parametrize(("model", "parameter"), [("nova-3", "language"), ("flux-general-multi", "language_hint")])
async def test_deepgram_is_asked_for_each_sessions_language(model: str, parameter: str) -> None:
    async with DeepgramSimulator() as simulator:
        live = Deepgram(DEEPGRAM_KEY, base_url=simulator.url, model=model)
        rest = DeepgramRest(DEEPGRAM_KEY, base_url=simulator.url)
        for engine in (live, rest):
            await engine.start()
        await live.probe(Style("de"))
        await live.probe()
        await rest.probe(Style("fr"))
        for engine in (live, rest):
            await engine.close()
        asked = [request.head.query for request in simulator.requests]
        assert [query.get(parameter) for query in asked[:2]] == [["de"], ["en"]]
        assert asked[2]["language"] == ["fr"]
