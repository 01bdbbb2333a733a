"""Tests of what only Groq does."""

from __future__ import annotations

import pytest

from tests.integration.engines.replies import KEY, agent_on, groq_on, said
from tests.simulators.brain import Answer
from tests.simulators.chat import ChatSimulator
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.groq import Groq


@pytest.mark.parametrize("path", ["", "/", "/openai/v1", "/openai/v1/"])
async def test_accepts_a_base_url_with_or_without_the_api_path(path: str) -> None:
    async with ChatSimulator() as simulator:
        agent = agent_on(groq_on(f"{simulator.url}{path}"))
        await agent.probe()
        await said(agent)
        assert [request.path for request in simulator.requests] == ["/openai/v1/models", "/openai/v1/chat/completions"]
        await agent.close()


async def test_the_probe_and_a_reply_report_a_missing_model() -> None:
    async with ChatSimulator() as simulator:
        agent = agent_on(groq_on(simulator.url, "llama-1"))
        for failing in (agent.probe(), said(agent)):
            with pytest.raises(EngineError, match="there is no") as caught:
                await failing
            assert caught.value.fault is Fault.MISSING
        await agent.close()


async def test_ignores_the_environment_variables_of_groq(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GROQ_BASE_URL", "GROQ_API_BASE", "GROQ_API_KEY", "GROQ_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/wrong")
    async with ChatSimulator(key=KEY) as simulator:
        agent = agent_on(groq_on(simulator.url))
        simulator.answers.append(Answer("Right."))
        assert await said(agent) == "Right."
        await agent.close()


async def test_a_request_has_exactly_the_fields_that_groq_expects() -> None:
    async with ChatSimulator() as simulator:
        agent = agent_on(groq_on(simulator.url, temperature=0.2))
        await said(agent)
        body = simulator.completions[0].body
        assert {name: value for name, value in body.items() if name != "messages"} == {
            "model": "openai/gpt-oss-120b",
            "temperature": 0.2,
            "reasoning_effort": "low",
            "include_reasoning": False,
            "stream": True,
            "n": 1,
            "service_tier": "on_demand",
        }
        await agent.close()


def test_groq_supports_english_spanish_german_french_and_hindi() -> None:
    assert {"en", "es", "de", "fr", "hi"} <= Groq.languages
