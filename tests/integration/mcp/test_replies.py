"""Replies of the built-in graph, whose model calls the tools of a real MCP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.engines.replies import ASKED, KEY, openai_on, said
from tests.simulators.brain import Answer, Call
from tests.simulators.chat import ChatSimulator
from tests.simulators.mcp.running import connected, events, misbehaving, sdk_command
from tests.support.scripted_model import brief
from tests.support.waiting import until
from voicebot.agent.agent import GraphAgent
from voicebot.agent.mcp.servers import McpServers
from voicebot.agent.tools import Toolbox, built_in_tools
from voicebot.settings.mcp_servers import McpServerSettings, McpToolRule


@pytest.fixture
async def simulator() -> AsyncIterator[ChatSimulator]:
    async with ChatSimulator(key=KEY) as running:
        yield running


def agent_with(servers: McpServers, simulator: ChatSimulator) -> GraphAgent:
    engine = openai_on(f"{simulator.url}/v1")
    toolbox = Toolbox(built_in_tools(), (servers,))
    return GraphAgent(engine.model, toolbox, engine.name, prompt=brief, service=engine)


def offered(request: object) -> list[str]:
    body = request.body  # type: ignore[attr-defined]
    return [each["function"]["name"] for each in body["tools"]]


async def test_the_model_calls_a_tool_and_gets_its_result(simulator: ChatSimulator, tmp_path: Path) -> None:
    settings = McpServerSettings("shop", sdk_command(tmp_path / "ledger"), trust_read_only_hint=True)
    async with connected(settings) as servers:
        agent = agent_with(servers, simulator)
        calls = (Call("shop_stock", {"item": "cakes"}), Call("shop_order", {"item": "tarts"}), Call("shop_refuse"))
        simulator.answers.extend([Answer(calls=calls), Answer("Twelve cakes.")])
        assert await said(agent) == "Twelve cakes."
        first, second = simulator.completions
        assert offered(first)[:4] == ["clock", "calculator", "shop_stock", "shop_order"]
        schema = first.body["tools"][3]["function"]["parameters"]
        assert schema["required"] == ["item"]
        results = [message["content"] for message in second.body["messages"][-3:]]
        assert results == [
            "There are 12 of cakes.",
            "Ordered 1 tarts.",
            "Error: Error executing tool refuse: the shop is closed",
        ]
        await agent.close()
    assert sorted(events(tmp_path / "ledger")[1:]) == ["order 1 tarts", "stock cakes"]


async def test_the_next_reply_is_offered_the_tools_that_the_server_has_then(
    simulator: ChatSimulator, tmp_path: Path
) -> None:
    async with connected(McpServerSettings("shop", sdk_command(tmp_path / "ledger"))) as servers:
        agent, before = agent_with(servers, simulator), servers.tools
        simulator.answers.extend([Answer(calls=(Call("shop_grow"),)), Answer("Done."), Answer("Hello.")])
        assert await said(agent) == "Done."
        await until(lambda: servers.tools is not before)
        assert await said(agent) == "Hello."
        assert "shop_fresh" not in offered(simulator.completions[0])
        assert "shop_fresh" in offered(simulator.completions[-1])
        await agent.close()


async def test_a_preemptive_reply_reads_but_changes_nothing(simulator: ChatSimulator, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    settings = McpServerSettings("shop", sdk_command(ledger), trust_read_only_hint=True)
    async with connected(settings) as servers:
        agent, wanted = agent_with(servers, simulator), asyncio.Event()
        calls = (Call("shop_stock", {"item": "cakes"}), Call("shop_order", {"item": "tarts"}))
        simulator.answers.extend([Answer(calls=calls), Answer("Ordered.")])
        pieces: list[str] = []

        async def listen() -> None:
            async for piece in agent.reply(ASKED, wanted):
                pieces.append(piece)

        reply = asyncio.create_task(listen())
        await until(lambda: "stock cakes" in events(ledger))
        assert "order 1 tarts" not in events(ledger)
        wanted.set()
        await reply
        assert events(ledger)[1:] == ["stock cakes", "order 1 tarts"]
        assert "".join(pieces) == "Ordered."
        await agent.close()


async def test_a_call_that_takes_too_long_fails_and_the_model_hears_why(simulator: ChatSimulator) -> None:
    rules: dict[str, McpToolRule | bool] = {"greet": McpToolRule(tag="pure")}
    async with connected(misbehaving("hangs-in-a-call", rules=rules, limit_s=0.3)) as servers:
        agent = agent_with(servers, simulator)
        simulator.answers.extend([Answer(calls=(Call("odd_greet"),)), Answer("It does not answer.")])
        assert await said(agent) == "It does not answer."
        assert simulator.completions[1].body["messages"][-1]["content"] == (
            "Error: the tool gave no result within 0.3 s."
        )
        await agent.close()


async def test_a_call_at_a_server_that_has_died_fails_and_the_model_hears_why(simulator: ChatSimulator) -> None:
    async with connected(misbehaving("dies-in-a-call")) as servers:
        agent = agent_with(servers, simulator)
        twice = [Answer(calls=(Call("odd_greet"),)), Answer("It is broken.")] * 2
        simulator.answers.extend(twice)
        assert await said(agent) == "It is broken."
        await until(lambda: servers.health[0].reason == "it ended with status 5")
        assert await said(agent) == "It is broken."
        told = [request.body["messages"][-1]["content"] for request in simulator.completions[1::2]]
        assert told == [
            "Error: The server odd gave no result (it closed the connection). Whether the call had an effect is not "
            "known.",
            "Error: The server odd does not work at the moment: it ended with status 5.",
        ]
        await agent.close()
