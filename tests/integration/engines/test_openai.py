"""Tests of what only OpenAI and compatible services do."""

from __future__ import annotations

import pytest
import tiktoken

from tests.integration.engines.replies import KEY, agent_on, openai_on, said
from tests.simulators.brain import Answer
from tests.simulators.chat import ChatSimulator
from voicebot.dialogue.history import Message, Role
from voicebot.engines.llm.models import Models
from voicebot.engines.llm.openai import OpenAI


async def test_a_self_hosted_service_needs_no_key_and_openai_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    async with ChatSimulator(models=("llama3.2",)) as simulator:
        agent = agent_on(openai_on(f"{simulator.url}/v1", "llama3.2", key=None))
        await agent.probe()
        await said(agent)
        assert {request.headers["authorization"] for request in simulator.requests} == {"Bearer none"}
        await agent.close()
    with pytest.raises(ValueError, match="needs a key"):
        OpenAI(None, models=Models(("gpt-6-luna",)))


async def test_environment_variables_do_not_redirect_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_PROXY", "LANGSMITH_GATEWAY", "LANGSMITH_GATEWAY_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/wrong")
    async with ChatSimulator(key=KEY) as simulator:
        agent = agent_on(openai_on(f"ws{simulator.url.removeprefix('http')}/v1"))
        simulator.answers.append(Answer("Right."))
        assert await said(agent) == "Right."
        await agent.close()


async def test_a_request_to_a_compatible_service_has_only_common_fields() -> None:
    async with ChatSimulator(models=("llama3.2",)) as simulator:
        agent = agent_on(openai_on(f"{simulator.url}/v1", "llama3.2"))
        await said(agent)
        body = simulator.completions[0].body
        assert {name: value for name, value in body.items() if name != "messages"} == {
            "model": "llama3.2",
            "temperature": 0.7,
            "stream": True,
        }
        await agent.close()


async def test_shortening_the_history_downloads_no_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiktoken, "get_encoding", lambda *_: pytest.fail("tiktoken downloads its tables"))
    async with ChatSimulator(key=KEY) as simulator:
        agent = agent_on(openai_on(f"{simulator.url}/v1"), history_max_tokens=200)
        history = tuple(Message(Role(("user", "assistant")[n % 2]), "word " * 50) for n in range(21))
        await said(agent, history)
        messages = simulator.completions[0].body["messages"]
        assert (messages[0]["role"], messages[1]["role"], messages[-1]["content"]) == ("system", "user", "word " * 50)
        assert len(messages) < 6
        await agent.close()
