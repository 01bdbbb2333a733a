"""A model's service fails, recovers and fails again: what the user hears, and what the model is told about it later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.simulators.brain import Answer
from tests.simulators.chat import ChatSimulator
from tests.simulators.faults import Fault
from tests.support.engines import ScriptedStt, ToneTts
from tests.support.live_server import LiveServer, serving
from tests.support.waiting import until
from tests.support.ws_client import WsClient, plays_until, ws_client
from voicebot.bootstrap import engines as build
from voicebot.engines.llm.messages import MODEL_AWAY_EXPLAINED
from voicebot.engines.llm.offline.topics import AWAY, BEYOND, READY, STILL_BEYOND
from voicebot.languages.prompts import apology
from voicebot.settings import config

LANGUAGES = frozenset({"en", "de"})
FOUR = "Two plus two is four."
BLUE = "Because air scatters blue light most."


@dataclass
class Bot:
    server: LiveServer
    client: WsClient
    groq: ChatSimulator

    async def asks(self, text: str) -> str:
        """Sends a text and returns the answer, once it has been heard to its end."""
        await self.client.send("text", text=text)
        await plays_until(self.client, "state", phase="idle")
        return str(self.client.all("llm.final")[-1]["text"])

    async def until_groq_is(self, ready: bool) -> None:
        """Waits until Groq works, or until its failure has been noticed.

        An engine whose rest is over counts as ready, but keeps the reason of its failure until a probe succeeds.
        """
        checks = self.server.services.health

        def is_as_wanted() -> bool:
            groq = checks.health["llm"][0]
            return groq.ready is ready and (groq.reason is None) is ready

        await until(is_as_wanted)


@asynccontextmanager
async def talking(groq: ChatSimulator, **options: Any) -> AsyncIterator[Bot]:
    usual = {"groq_api_key": "gsk_simulated", "groq_base_url": groq.url, "llm_retries": 0, "engine_rest_s": 0.1}
    settings = config.load(**(usual | options))
    stt, tts = ScriptedStt(languages=LANGUAGES), ToneTts(languages=LANGUAGES)
    engines = replace(build.build(settings), stt=stt, tts=tts)
    async with serving(engines, settings) as server, ws_client(server) as client:
        await server.services.health.check()
        yield Bot(server, client, groq)


@pytest.fixture
async def groq() -> AsyncIterator[ChatSimulator]:
    async with ChatSimulator() as running:
        yield running


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.UNAUTHORIZED])
async def test_the_offline_fallback_announces_each_outage_of_the_model_once(groq: ChatSimulator, fault: Fault) -> None:
    async with talking(groq) as bot:
        groq.answers.append(Answer("Hello from the model."))
        assert await bot.asks("hello") == "Hello from the model."
        groq.faults.always(fault)
        assert await bot.asks("why is the sky blue") == f"{AWAY} {BEYOND}"
        assert await bot.asks("and who was napoleon") == STILL_BEYOND
        assert await bot.asks("what is two plus two") == FOUR

        groq.faults.always(None)
        await bot.until_groq_is(ready=True)
        groq.answers.append(Answer(BLUE))
        assert await bot.asks("why is the sky blue") == BLUE
        system, *talk = groq.completions[-1].body["messages"]
        assert MODEL_AWAY_EXPLAINED in system["content"]
        assert [each["content"] for each in talk[3:8]] == [
            f"{AWAY} {BEYOND}",
            "and who was napoleon",
            STILL_BEYOND,
            "what is two plus two",
            FOUR,
        ]

        groq.faults.always(fault)
        assert await bot.asks("what is two plus two") == f"{AWAY} {FOUR}"
        assert await bot.asks("what is two plus two") == FOUR


async def test_a_model_outage_from_the_start_is_announced_in_each_session(groq: ChatSimulator) -> None:
    groq.faults.always(Fault.UNAUTHORIZED)
    async with talking(groq) as bot:
        assert (await bot.asks("hello")).startswith(AWAY)
        assert (await bot.asks("hello")).endswith(READY)
        async with ws_client(bot.server) as other:
            assert (await replace(bot, client=other).asks("what is two plus two")) == f"{AWAY} {FOUR}"


async def test_a_fallback_to_another_model_is_not_announced(groq: ChatSimulator) -> None:
    """Neither the user nor the other model is told: it gets the same system prompt as the model that failed."""
    async with ChatSimulator() as openai:
        groq.answers.append(Answer("Hello from the model."))
        openai.answers.append(Answer(BLUE))
        options = {"openai_api_key": "sk-simulated", "openai_base_url": f"{openai.url}/v1", "engine_rest_s": 60}
        async with talking(groq, **options) as bot:
            assert await bot.asks("hello") == "Hello from the model."
            groq.faults.always(Fault.SERVER_ERROR)
            assert await bot.asks("why is the sky blue") == BLUE
            (request,) = openai.completions
            system, *talk = request.body["messages"]
            assert system == groq.completions[0].body["messages"][0]
            assert MODEL_AWAY_EXPLAINED not in system["content"]
            assert [each["content"] for each in talk] == ["hello", "Hello from the model.", "why is the sky blue"]
            openai.faults.always(Fault.SERVER_ERROR)
            assert await bot.asks("why is the sky blue") == f"{AWAY} {BEYOND}"


async def test_a_user_who_has_chosen_the_offline_engine_hears_of_no_outage(groq: ChatSimulator) -> None:
    groq.faults.always(Fault.SERVER_ERROR)
    async with talking(groq) as bot:
        await bot.client.send("configure", llm="offline")
        assert "away" not in await bot.asks("why is the sky blue")


async def test_the_offline_engine_announces_no_outage_where_no_model_is_configured() -> None:
    async with ChatSimulator() as unused, talking(unused, groq_api_key=None) as bot:
        assert "away" not in await bot.asks("why is the sky blue")
        assert await bot.asks("what is two plus two") == FOUR


async def test_the_bot_apologises_in_a_language_that_the_offline_fallback_does_not_speak(groq: ChatSimulator) -> None:
    """The apology is the usual one in that language."""
    groq.faults.always(Fault.SERVER_ERROR)
    async with talking(groq) as bot:
        await bot.client.send("configure", language="de")
        assert await bot.asks("warum ist der Himmel blau") == apology("de")
