"""Engines as sessions want them: each session works in its own manner, and all share the engines' health."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from copy import copy
from dataclasses import dataclass

from langchain_core.messages import SystemMessage

from tests.support.fake_engines import HELLO, QUICK, Fake, failure
from tests.support.scripted_model import Script
from voicebot.agent import GraphAgent
from voicebot.engines.base import Manner, Served
from voicebot.engines.fallback import AgentChain, TextToSpeechChain


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
