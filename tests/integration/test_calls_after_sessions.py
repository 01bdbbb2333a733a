"""Calls of tools on a real server with a database: what becomes of them after their session and at the shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import BaseTool
from pydantic import SecretStr

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import serving
from tests.support.scripted_model import Script, brief, call
from tests.support.waiting import until
from tests.support.ws_client import WsClient, plays_until, ws_client
from voicebot.agent.agent import GraphAgent
from voicebot.agent.tools import effects
from voicebot.dialogue.tool_calls import CallStatus
from voicebot.engines.protocols import Engines
from voicebot.session import tool_calls
from voicebot.settings import config
from voicebot.settings.config import Settings
from voicebot.storage.conversations import Conversations


@dataclass
class Orders:
    """A tool that works until the test lets it end."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    made: list[str] = field(default_factory=list)

    @property
    def tool(self) -> BaseTool:
        @effects
        async def order(what: str) -> str:
            """Order something."""
            self.begun.set()
            await self.let_go.wait()
            self.made.append(what)
            return f"ordered {what}"

        return order


@pytest.fixture
def orders() -> Iterator[Orders]:
    orders = Orders()
    yield orders
    orders.let_go.set()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    url = SecretStr(f"sqlite:///{tmp_path}/conversations.db")
    return config.load().model_copy(update={"database_url": url})


def engines_with(orders: Orders, *answers: list[Any]) -> tuple[Engines, Script]:
    model = Script(answers=list(answers))
    agent = GraphAgent(model, [orders.tool], "script", prompt=brief)
    return replace(scripted(ScriptedStt(), ScriptedAgent(), ToneTts()), agent=agent), model


ORDER = [call("order", '{"what": "tea"}')]
ORDERED = ("order", CallStatus.DONE, "ordered tea")


async def begun_call(client: WsClient, orders: Orders) -> str:
    """Lets the user order something. Returns the name of the conversation once the tool works."""
    connected = await client.next("connected")
    await client.send("text", text="order tea")
    await orders.begun.wait()
    await client.next("tool.call", status="running")
    return str(connected["conversation"])


async def stored_calls(settings: Settings, conversation: str) -> list[tuple[str, CallStatus, str]]:
    """Returns the calls that the database holds, as a server sees them that starts anew."""
    conversations = Conversations(settings)
    await conversations.start()
    record = await conversations.read(conversation)
    await conversations.close()
    return [] if record is None else [(each.tool, each.status, each.result) for each in record.calls]


async def test_a_call_that_outlives_its_session_is_reported_in_the_next_one(orders: Orders, settings: Settings) -> None:
    engines, model = engines_with(orders, ORDER)
    async with serving(engines, settings) as server:
        async with ws_client(server) as client:
            name = await begun_call(client, orders)
        await until(lambda: not server.sessions("ws"))
        assert orders.made == []
        orders.let_go.set()
        async with asyncio.timeout(5):
            while await stored_calls(settings, name) != [ORDERED]:  # noqa: ASYNC110 (it has no event)
                await asyncio.sleep(0.02)
        model.answers[:] = [["It is ordered."]]
        async with ws_client(server, f"?conversation={name}") as client:
            await client.next("connected", conversation=name)
            await client.send("text", text="did it work")
            await plays_until(client, "state", phase="idle")
            assert [each["text"] for each in client.all("llm.final")] == ["It is ordered."]
        request = model.given[-1]
        assert 'order {"what": "tea"}: done: ordered tea' in request[0].text
        assert [message.text for message in request[1:]] == ["order tea", "", "ordered tea", "did it work"]
    assert orders.made == ["tea"]


async def test_a_call_that_ends_in_a_later_session_is_told_to_that_one(orders: Orders, settings: Settings) -> None:
    engines, _ = engines_with(orders, ORDER)
    async with serving(engines, settings) as server:
        async with ws_client(server) as client:
            name = await begun_call(client, orders)
        await until(lambda: not server.sessions("ws"))
        async with ws_client(server, f"?conversation={name}") as client:
            await client.next("connected", conversation=name)
            orders.let_go.set()
            await client.next("tool.call", status="done")
    assert orders.made == ["tea"]
    assert await stored_calls(settings, name) == [ORDERED]


async def test_a_call_that_ends_during_the_shutdown_is_stored_with_its_result(
    orders: Orders, settings: Settings
) -> None:
    engines, _ = engines_with(orders, ORDER)
    async with serving(engines, settings) as server, ws_client(server) as client:
        name = await begun_call(client, orders)
        closing = asyncio.create_task(server.application.close())
        await client.next("closed")
        await asyncio.sleep(0.2)
        orders.let_go.set()
        await closing
    assert orders.made == ["tea"]
    assert await stored_calls(settings, name) == [ORDERED]


async def test_a_call_that_does_not_end_is_stopped_at_the_shutdown_and_stored_as_unknown(
    orders: Orders, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_calls, "CLOSE_S", 0.2)
    engines, _ = engines_with(orders, ORDER)
    async with serving(engines, settings) as server, ws_client(server) as client:
        name = await begun_call(client, orders)
    assert orders.made == []
    ((tool, status, result),) = await stored_calls(settings, name)
    assert (tool, status, result) == ("order", CallStatus.UNKNOWN, tool_calls.STOPPED)
