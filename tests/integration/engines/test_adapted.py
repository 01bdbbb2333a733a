"""Engines as sessions want them: one set of started engines for all, in as many manners as there are sessions."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncGenerator
from copy import copy
from dataclasses import dataclass

import numpy as np
import psutil
import pytest
from langchain_core.messages import SystemMessage

from tests.simulators.deepgram import KEY as DEEPGRAM_KEY
from tests.simulators.deepgram import DeepgramSimulator
from tests.simulators.elevenlabs import KEY, ElevenLabsSimulator
from tests.support.fake_engines import HELLO, QUICK, Fake, failure
from tests.support.scripted_model import Script
from voicebot.agent import GraphAgent
from voicebot.core.audio import Audio
from voicebot.engines.base import Manner, Served, TextToSpeech
from voicebot.engines.fallback import AgentChain, TextToSpeechChain
from voicebot.engines.stt.deepgram import Deepgram, DeepgramRest
from voicebot.engines.tts.elevenlabs import ElevenLabs
from voicebot.engines.tts.espeak import Espeak

SAYS = "Hello there."


@dataclass
class Mannered(Fake):
    """Says in which manner it works."""

    manner: Manner | None = None

    def adapted(self, manner: Manner) -> Mannered:
        fake = copy(self)
        fake.manner = manner
        return fake

    async def reply(self, *_: object, **__: object) -> AsyncGenerator[str]:
        async for text in self._play(self._next()):
            yield f"{text} in {self.manner.language if self.manner else 'its own way'}"


async def answer(chain: AgentChain) -> list[str | Served]:
    return [token async for token in chain.reply(HELLO, asyncio.Event())]


async def sound(engine: TextToSpeech) -> Audio:
    pieces = [piece async for piece in engine.synthesize(SAYS)]
    audio = [piece for piece in pieces if isinstance(piece, Audio)]
    return Audio.joined(audio, audio[0].rate_hz)


async def test_a_sessions_chosen_engine_is_tried_first_and_the_others_are_its_fallbacks() -> None:
    chain = AgentChain([Mannered("groq", [["groq"]]), Mannered("openai", [[failure("openai")]])], QUICK)
    await chain.start()
    wanted = chain.adapted(Manner("en", engine="openai"))
    assert wanted.name == "openai"
    assert await answer(wanted) == [Served("groq", ("openai: it broke",)), "groq in en"]
    assert await answer(chain) == [Served("groq"), "groq in its own way"], "the other sessions' chain is as it was"
    await chain.close()


async def test_all_sessions_share_an_engines_failure_and_recovery() -> None:
    openai = Mannered("openai", [[failure("openai")], ["openai"]], unwell=failure("openai"))
    chain = AgentChain([openai, Mannered("groq", [["groq"]])], QUICK)
    await chain.start()
    await answer(chain.adapted(Manner("en")))
    assert [health.ready for health in chain.health] == [False, True]
    for adapted in (chain, chain.adapted(Manner("en", engine="openai"))):
        assert adapted.name == "groq"
    openai.unwell = None
    async with asyncio.timeout(5):
        while not chain.health[0].ready:
            await openai.probes.acquire()
            await asyncio.sleep(0)
    assert chain.adapted(Manner("en")).name == "openai", "the probe that only the shared chain made is known to all"
    await chain.close()


async def test_an_engine_without_the_sessions_language_is_left_out() -> None:
    both = frozenset({"en", "de"})
    chain = AgentChain([Mannered("offline", [["offline"]]), Mannered("groq", [["groq"]], languages=both)], QUICK)
    await chain.start()
    german = chain.adapted(Manner("de", engine="offline"))
    assert [health.name for health in german.health] == ["groq"]
    assert await answer(german) == [Served("groq"), "groq in de"]
    await chain.close()


async def test_a_chosen_voice_is_given_to_the_chosen_engine_only() -> None:
    chain = TextToSpeechChain([Mannered("gtts", [["x"]]), Mannered("espeak", [["x"]])], QUICK)
    await chain.start()
    first, second = chain.adapted(Manner("en", engine="espeak", voice="en")).engines
    assert isinstance(first, Mannered)
    assert isinstance(second, Mannered)
    assert (first.name, first.manner) == ("espeak", Manner("en", engine="espeak", voice="en"))
    assert (second.name, second.manner) == ("gtts", Manner("en", engine="espeak"))
    await chain.close()


async def test_a_voice_without_a_chosen_engine_goes_to_the_first_engine_that_started() -> None:
    away = Mannered("elevenlabs", [["x"]], cannot_start=failure("elevenlabs"))
    chain = TextToSpeechChain([away, Mannered("espeak", [["x"]])], QUICK)
    await chain.start()
    (espeak,) = chain.adapted(Manner("en", voice="en-us+f3")).engines
    assert isinstance(espeak, Mannered)
    assert espeak.manner == Manner("en", voice="en-us+f3")
    await chain.close()


async def test_sessions_share_one_espeak_process_and_are_freed_after_use() -> None:
    chain = TextToSpeechChain([Espeak(workers=1)], QUICK)
    await chain.start()
    workers = psutil.Process().children()
    gone = []
    for voice in ("en", "en-us+f3", ""):
        session = chain.adapted(Manner("en", voice=voice))
        await sound(session)
        gone.append(weakref.ref(session))
        del session
    assert psutil.Process().children() == workers, "one process, whatever the voices"
    gc.collect()
    assert [each() for each in gone] == [None] * 3
    await chain.close()


async def test_espeak_changes_its_voice_from_one_sentence_to_the_next() -> None:
    """In one process, and it is as if it had never spoken in another voice."""
    engine = Espeak(workers=1)
    await engine.start()
    usual = await sound(engine)
    woman = await sound(engine.adapted(Manner("en", voice="en-us+f3")))
    british = await sound(engine.adapted(Manner("en", voice="en")))
    again = await sound(engine)
    await engine.close()
    assert pitch_hz(usual) == pytest.approx(98, abs=8)
    assert pitch_hz(woman) == pytest.approx(200, abs=16)
    assert pitch_hz(again) == pytest.approx(98, abs=8)
    assert usual.duration_s == pytest.approx(again.duration_s, abs=0.005)
    assert usual.duration_s - british.duration_s > 0.02


def pitch_hz(audio: Audio) -> float:
    """Median over the loud pieces, by autocorrelation."""
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
        assert (await sound(engine.adapted(Manner(code, voice=voice)))).level_dbfs > -40, voice
    await engine.close()


async def test_the_servers_espeak_voice_is_the_default_for_its_own_language_only() -> None:
    engine = Espeak("en", workers=1)
    await engine.start()
    lengths_s = {}
    for code, voice in (("en", "en"), ("de", "de"), ("zh", "cmn")):
        usual, named = [await sound(engine.adapted(Manner(code, voice=name))) for name in ("", voice)]
        assert usual.duration_s == pytest.approx(named.duration_s, abs=0.005)
        lengths_s[voice] = usual.duration_s
    american = await sound(engine.adapted(Manner("en", voice="en-us")))
    await engine.close()
    assert american.duration_s - lengths_s["en"] > 0.02
    assert len({round(length_s, 2) for length_s in lengths_s.values()}) == 3


async def test_elevenlabs_is_asked_for_each_sessions_voice_and_language() -> None:
    async with ElevenLabsSimulator() as service:
        engine = ElevenLabs(KEY, base_url=service.url, voice="ours")
        await engine.start()
        for manner in (Manner("de"), Manner("en", voice="JBFqnCBsd6RMkjVDRZzb")):
            await sound(engine.adapted(manner))
        await sound(engine)
        await engine.close()
        asked = [(each.target.split("/")[3], json.loads(each.body)["language_code"]) for each in service.requests]
        assert asked == [("ours", "de"), ("JBFqnCBsd6RMkjVDRZzb", "en"), ("ours", "en")]


async def test_the_system_prompt_has_each_sessions_persona_and_language() -> None:
    model = Script(answers=[["Yes."], ["Yes."]])
    agent = GraphAgent(model, [], "Be brief.", "test")
    for each in (agent.adapted(Manner("de", persona="sales")), agent):
        assert [token async for token in each.reply(HELLO, asyncio.Event())] == ["Yes."]
    german, usual = (messages[0] for messages in model.given)
    assert isinstance(german, SystemMessage)
    assert "You are Robin" in german.text
    assert "Answer in German" in german.text
    assert usual.text.startswith("Be brief.\n")


@pytest.mark.parametrize(("model", "parameter"), [("nova-3", "language"), ("flux-general-multi", "language_hint")])
async def test_deepgram_is_asked_for_each_sessions_language(model: str, parameter: str) -> None:
    async with DeepgramSimulator() as simulator:
        live = Deepgram(DEEPGRAM_KEY, base_url=simulator.url, model=model)
        rest = DeepgramRest(DEEPGRAM_KEY, base_url=simulator.url)
        for engine in (live, rest):
            await engine.start()
        await live.adapted(Manner("de")).probe()
        await live.probe()
        await rest.adapted(Manner("fr")).probe()
        for engine in (live, rest):
            await engine.close()
        asked = [request.head.query for request in simulator.requests]
        assert [query.get(parameter) for query in asked[:2]] == [["de"], ["en"]]
        assert asked[2]["language"] == ["fr"]
