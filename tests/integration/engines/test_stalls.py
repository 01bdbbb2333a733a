"""Models that stall, over real sockets: which output counts as a sign of life, and which engine takes over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from tests.integration.engines.replies import ASKED, KEY, agent_on, groq_on, openai_on, weather
from tests.simulators.brain import Answer, Call
from tests.simulators.chat import ChatSimulator
from tests.simulators.faults import Fault, Planned
from tests.simulators.realtime import RealtimeSimulator
from tests.support.engines import ScriptedAgent
from voicebot.engines.fallback import AgentFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.llm.models import Models
from voicebot.engines.llm.realtime import Realtime
from voicebot.engines.protocols import EngineSelected

STAND_IN = "I stand in."
STALLED_S = 0.2
"""The time that the fallback waits for a model that sends nothing more."""
SERVICES = ("groq", "openai", "openai-realtime")


@asynccontextmanager
async def service(name: str) -> AsyncIterator[tuple[Any, Any]]:
    """Yields a simulated service, and the engine on it."""
    if name == "openai-realtime":
        async with RealtimeSimulator(key=KEY) as realtime:
            yield realtime, Realtime(KEY, base_url=f"{realtime.url}/v1", models=Models(("gpt-realtime",)))
    else:
        # This is a model on the user's own server, which streams its reasoning.
        async with ChatSimulator(models=("gpt-oss:20b", "openai/gpt-oss-120b")) as chat:
            yield chat, groq_on(chat.url) if name == "groq" else openai_on(f"{chat.url}/v1", "gpt-oss:20b")


async def answered(engine: Any, *, first_output_s: float) -> tuple[str, str]:
    """Returns the engine that answered, and its text. If an answer starts over, only the new one counts."""
    agent = agent_on(engine, [weather])
    chain = AgentFallbackGroup(
        [agent, ScriptedAgent("offline", scripts=[[STAND_IN]])], FallbackRules(0, 0.1, first_output_s)
    )
    await chain.start()
    try:
        name, text = "", ""
        wanted = asyncio.Event()
        wanted.set()
        async with aclosing(chain.reply(ASKED, wanted, spoken=asyncio.Event())) as tokens:
            async for token in tokens:
                name, text = (token.engine, "") if isinstance(token, EngineSelected) else (name, text + token)
        return name, text
    finally:
        await chain.close()


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("fault", [fault for fault in Fault if fault.is_in_mid_stream and fault is not Fault.GARBAGE])
async def test_the_next_engine_answers_in_place_of_one_that_stalls(name: str, fault: Fault) -> None:
    async with service(name) as (simulator, engine):
        simulator.answers.append(Answer("Once upon a time there was a king"))
        simulator.faults.plan(Planned(fault, after=5, delay_s=60))
        assert await answered(engine, first_output_s=STALLED_S) == ("offline", STAND_IN)


@pytest.mark.parametrize("name", SERVICES)
async def test_a_model_that_streams_a_tool_call_is_not_replaced_as_stalled(name: str) -> None:
    """The call takes over a second, without a spoken word meanwhile."""
    async with service(name) as (simulator, engine):
        simulator.token_s = 0.1
        call = Call("weather", {"place": "the town of Llanfairpwllgwyngyll"}, piece=4)
        simulator.answers.extend([Answer("Well, ", calls=(call,)), Answer("It rains.")])
        who, text = await answered(engine, first_output_s=0.6)
        assert " ".join(text.split()) == "Well, It rains."
        assert who == engine.name


async def test_a_model_that_streams_its_reasoning_is_not_replaced_as_stalled() -> None:
    async with service("openai") as (simulator, engine):
        simulator.token_s = 0.1
        simulator.answers.append(Answer("It rains.", reasoning="let me think about it for a while before I answer"))
        assert await answered(engine, first_output_s=0.6) == ("openai", "It rains.")


async def test_a_model_that_stalls_while_it_reasons_is_replaced() -> None:
    async with service("openai") as (simulator, engine):
        simulator.answers.append(Answer("It rains.", reasoning="let me think about it"))
        simulator.faults.plan(Planned(Fault.STALL, after=3))
        assert await answered(engine, first_output_s=STALLED_S) == ("offline", STAND_IN)
