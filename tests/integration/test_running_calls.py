"""Calls of tools that are under way when their session or the server ends, on a real server with a database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import serving
from tests.support.orders import ORDER, Orders
from tests.support.scripted_model import Script, brief
from tests.support.waiting import until
from tests.support.ws_client import WsClient, plays_until, ws_client
from voicebot.agent.agent import GraphAgent
from voicebot.dialogue.tool_calls import CallStatus
from voicebot.engines.protocols import Engines
from voicebot.session import tool_calls
from voicebot.settings import config
from voicebot.settings.config import Settings
from voicebot.storage.conversations import Conversations
from voicebot.web import application
from voicebot.workers.link import Order


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
    assert record is not None
    return [(each.tool, each.status, each.result) for each in record.calls]


async def test_a_call_that_outlives_its_session_is_reported_in_the_next_one(orders: Orders, settings: Settings) -> None:
    engines, model = engines_with(orders, ORDER)
    async with serving(engines, settings) as server:
        async with ws_client(server) as client:
            name = await begun_call(client, orders)
        await until(lambda: not server.sessions("ws"))
        assert orders.made == []
        orders.let_go.set()
        await until(lambda: orders.made and not server.services.running_calls.under_way)
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
    assert await stored_calls(settings, name) == [("order", CallStatus.DONE, "ordered tea")]


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
    assert await stored_calls(settings, name) == [("order", CallStatus.DONE, "ordered tea")]


async def test_a_second_signal_stops_a_call_at_once_and_it_is_stored_as_unknown(
    orders: Orders, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_calls, "CLOSE_S", 300)
    monkeypatch.setattr(application, "CALLS_S", 400)
    engines, _ = engines_with(orders, ORDER)
    async with serving(engines, settings) as server, ws_client(server) as client:
        name = await begun_call(client, orders)
        server.application.ending.obey(Order.DRAIN)
        server.application.ending.obey(Order.HURRY)
        await asyncio.wait_for(server.application.close(), 20)
    assert await stored_calls(settings, name) == [("order", CallStatus.UNKNOWN, tool_calls.STOPPED)]


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
