"""The calls of tools over both transports: their messages, what is stored of them, and a reload in mid-call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from tests.support.engines import LoudnessVad, ScriptedStt, ToneTts
from tests.support.live_server import LiveServer, serving
from tests.support.metrics_page import samples, scraped
from tests.support.rtc_client import RtcClient
from tests.support.scripted_model import Script, brief, call
from tests.support.ws_client import WsClient, plays_until, ws_client
from voicebot.agent.agent import GraphAgent
from voicebot.agent.tools import effects
from voicebot.engines.protocols import Engines
from voicebot.settings import config
from voicebot.storage.conversations import LOST

ADDRESS = "12 Main Street"
RESULT = "It comes in twenty minutes."


@dataclass
class Kitchen:
    """A server whose bot orders one pizza, which comes when the test lets it."""

    server: LiveServer
    model: Script
    ready: asyncio.Event

    async def calls(self, conversation: str) -> list[dict[str, Any]]:
        """Returns the calls of a stored conversation, as the page shows them."""
        view = await self.server.get(f"/conversations/{conversation}")
        return [message for message in view["chat"] if message["role"] == "tool"]


@asynccontextmanager
async def kitchen(folder: Path) -> AsyncIterator[Kitchen]:
    ready = asyncio.Event()

    @effects
    async def order_pizza(address: str) -> str:
        """Order a pizza."""
        await ready.wait()
        return RESULT

    order = call("order_pizza", json.dumps({"address": ADDRESS}))
    model = Script(answers=[[order], *[["Yes."]] * 5])
    agent = GraphAgent(model, [order_pizza], "script", prompt=brief)
    engines = Engines(ScriptedStt(), agent, ToneTts(letter_s=0.01), "loudness", LoudnessVad)
    settings = config.load(database_url=SecretStr(f"sqlite:///{folder}/conversations.db"))
    async with serving(engines, settings) as server:
        yield Kitchen(server, model, ready)


async def ordered(client: WsClient) -> tuple[str, dict[str, Any]]:
    """Orders a pizza. Returns the name of the conversation, and the message that the call has begun."""
    conversation = (await client.next("connected"))["conversation"]
    await client.send("text", text="a pizza please")
    return conversation, await client.next("tool.call")


async def test_a_client_is_told_of_the_begin_and_the_end_of_a_call_without_its_words(tmp_path: Path) -> None:
    async with kitchen(tmp_path) as bot, ws_client(bot.server) as client:
        _, begun = await ordered(client)
        assert begun == {"event": "tool.call", "id": begun["id"], "tool": "order_pizza", "status": "running"}
        bot.ready.set()
        assert await client.next("tool.call") == {**begun, "status": "done"}
        await plays_until(client, "state", phase="idle")
        assert ADDRESS not in str(client.came)
        assert len(client.all("tool.call")) == 2, "that the user was told of the end is no message"
        found = samples((await scraped(bot.server)).content)
        assert found["voicebot_tool_calls_total", "done", "effects"] == 1
        assert found["voicebot_tool_call_seconds_count", "effects"] == 1


async def test_over_webrtc_the_same_messages_come_and_the_state_has_the_words(tmp_path: Path) -> None:
    async with kitchen(tmp_path) as bot, RtcClient(bot.server.url) as client:
        client.send({"type": "text", "text": "a pizza please"})
        begun = await client.wait_for_message(lambda message: message["type"] == "tool.call")
        assert (begun["tool"], begun["status"]) == ("order_pizza", "running")
        bot.ready.set()
        ended = await client.wait_for_message(lambda message: message.get("status") == "done")
        assert ended == {**begun, "status": "done"}
        await client.wait_for_message(lambda message: message["type"] == "state" and RESULT in str(message["chat"]))
        assert any(ADDRESS in str(message) for message in client.messages if message["type"] == "state")


async def test_a_call_ends_in_the_session_that_goes_on_with_the_conversation_after_a_reload(tmp_path: Path) -> None:
    async with kitchen(tmp_path) as bot:
        async with ws_client(bot.server) as client:
            conversation, begun = await ordered(client)
            await client.send("bye")
            await client.next("closed")
        async with ws_client(bot.server, f"?conversation={conversation}") as client:
            await client.next("connected")
            assert [each["status"] for each in await bot.calls(conversation)] == ["running"]
            bot.ready.set()
            assert await client.next("tool.call") == {**begun, "status": "done"}
            await client.send("text", text="and now?")
            await plays_until(client, "state", phase="idle")
            assert RESULT in bot.model.given[-1][0].text, "the model is told of the end"


async def test_a_call_that_ends_after_its_session_is_stored_for_the_next(tmp_path: Path) -> None:
    async with kitchen(tmp_path) as bot:
        async with ws_client(bot.server) as client:
            conversation, begun = await ordered(client)
            await client.send("bye")
            await client.next("closed")
        bot.ready.set()
        async with asyncio.timeout(5):
            while [call["status"] for call in await bot.calls(conversation)] != ["done"]:  # noqa: ASYNC110 (no event)
                await asyncio.sleep(0.02)
        assert await bot.calls(conversation) == [
            {
                **{"role": "tool", "id": begun["id"], "tool": "order_pizza", "status": "done"},
                **{"arguments": json.dumps({"address": ADDRESS}), "result": RESULT},
            }
        ]


async def test_a_call_whose_process_was_killed_is_unknown_in_the_next_one(tmp_path: Path) -> None:
    async with kitchen(tmp_path) as bot, ws_client(bot.server) as client:
        conversation, _ = await ordered(client)
        async with asyncio.timeout(5):
            while not await bot.calls(conversation):  # noqa: ASYNC110 (it has no event)
                await asyncio.sleep(0.02)
        killed = (tmp_path / "conversations.db").read_bytes()
    (tmp_path / "conversations.db").write_bytes(killed)
    async with kitchen(tmp_path) as restarted:
        (lost,) = await restarted.calls(conversation)
        assert (lost["status"], lost["result"]) == ("unknown", LOST)
        restarted.model.answers.pop(0)  # the order
        async with ws_client(restarted.server, f"?conversation={conversation}") as client:
            await client.send("text", text="and now?")
            await plays_until(client, "state", phase="idle")
        assert LOST in restarted.model.given[0][0].text
        async with asyncio.timeout(5):
            while not await told(restarted, conversation):  # noqa: ASYNC110 (it has no event)
                await asyncio.sleep(0.02)


async def told(bot: Kitchen, conversation: str) -> bool:
    """Returns whether the user has been told how each stored call of the conversation ended."""
    record = await bot.server.services.conversations.read(conversation)
    return record is not None and all(stored.reported for stored in record.calls)
