"""Tools of each kind through `/ws`: the real graph with a simulated model, and scripted ears and voices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.simulators.brain import Call
from tests.simulators.chat import ChatSimulator
from tests.simulators.tool_brain import LISTENING, ToolBrain
from tests.support import kitchen as bakery
from tests.support.engines import LoudnessVad, ScriptedStt, ToneTts
from tests.support.kitchen import Kitchen
from tests.support.live_server import LiveServer, serving
from tests.support.waiting import until
from tests.support.ws_bot import session, words
from tests.support.ws_client import WsClient, plays_until, ws_client
from voicebot.bootstrap import engines as build
from voicebot.dialogue.tool_calls import CallStatus
from voicebot.settings import config

CALLS = {
    "cake": [Call("bake", {"topping": "cheese"})],
    "flour": [Call("order", {"count": 3, "thing": "bags of flour"})],
    "menu": [Call("menu")],
    "street": [Call("deliver", {"street": "far"})],
}
QUESTION = "Shall I order 3 bags of flour?"


@pytest.fixture
def kitchen() -> Kitchen:
    return bakery.opened()


@asynccontextmanager
async def talking() -> AsyncIterator[tuple[WsClient, LiveServer, ChatSimulator]]:
    async with ChatSimulator(brain=ToolBrain(CALLS)) as chat:
        options = config.load(
            groq_api_key="gsk_simulated", groq_base_url=chat.url, llm_engine="groq", tools=bakery.TOOLS
        )
        engines = replace(
            build.build(options), stt=ScriptedStt(), tts=ToneTts(), vad_name="loudness", make_vad=LoudnessVad
        )
        async with serving(engines, options) as server, ws_client(server) as client:
            yield client, server, chat


async def hear(client: WsClient, text: str) -> None:
    """Sends a text and acknowledges the answer to it, until the bot is at rest."""
    await client.send("text", text=text)
    await plays_until(client, "state", phase="idle")


def call_messages(client: WsClient) -> list[tuple[str, str]]:
    return [(message["tool"], message["status"]) for message in client.all("tool.call")]


async def test_an_interrupted_call_goes_on_and_the_next_reply_reports_it(kitchen: Kitchen) -> None:
    async with talking() as (client, server, _):
        await client.send("text", text="make me a cake")
        await client.next("tool.call", status="running")
        await client.send("interrupt")
        await client.next("state", phase="idle")
        kitchen.may_end.set()
        await client.next("tool.call", status="done")
        await hear(client, "hello")
        assert words(server)[-1] == f"The call of bake is done: Cake number 1 is in the box. {LISTENING}"
        assert kitchen.baked == ["cheese"]
        assert call_messages(client) == [("bake", "running"), ("bake", "done")]


async def test_a_call_goes_on_while_its_client_is_gone(kitchen: Kitchen) -> None:
    async with talking() as (client, server, _):
        name = (await client.next("connected"))["conversation"]
        await client.send("text", text="make me a cake")
        await client.next("tool.call", status="running")
        await client.socket.close()
        await until(lambda: not server.sessions("ws"))
        kitchen.may_end.set()
        await until(lambda: kitchen.baked)
        async with ws_client(server, f"?conversation={name}") as again:
            await again.next("connected")
            await until(lambda: [call.status for call in session(server).state.calls] == [CallStatus.DONE])
            await hear(again, "hello")
            assert words(server)[-1] == f"The call of bake is done: Cake number 1 is in the box. {LISTENING}"


async def test_a_tool_that_asks_runs_once_after_yes_and_never_after_other_words(kitchen: Kitchen) -> None:
    async with talking() as (client, server, _):
        await hear(client, "order some flour")
        assert words(server)[-1] == QUESTION
        await hear(client, "uh-huh")
        assert kitchen.ordered == []
        await hear(client, "order some flour")
        await hear(client, "yes, please")
        assert words(server)[-1] == "The wholesaler brings 3 bags of flour."
        assert kitchen.ordered == ["3 bags of flour"]
        assert call_messages(client) == [("order", "not confirmed"), ("order", "running"), ("order", "done")]


async def test_a_question_that_was_stopped_before_its_end_cannot_be_confirmed(kitchen: Kitchen) -> None:
    async with talking() as (client, server, _):
        await client.send("text", text="order some flour")
        await client.next("play_audio")
        await client.send("text", text="yes")
        await plays_until(client, "state", phase="idle")
        assert kitchen.ordered == []
        assert call_messages(client) == []
        assert words(server)[-1] == QUESTION, "nothing of the first question was heard, so the model asks again"


async def test_a_pure_tool_and_one_that_takes_too_long_are_answered(kitchen: Kitchen) -> None:
    async with talking() as (client, server, _):
        await hear(client, "what is on the menu")
        assert words(server)[-1] == "We have three cakes today."
        await hear(client, "send it to this street")
        assert words(server)[-1].startswith("Error: the tool gave no result within 0.3 s.")
        assert call_messages(client) == [("deliver", "running"), ("deliver", "unknown")]
        await asyncio.wait_for(hear(client, "hello"), 10)
        assert words(server)[-1] == LISTENING


async def test_a_question_does_not_wait_for_an_answer_in_the_next_session(kitchen: Kitchen) -> None:
    async with talking() as (client, server, _):
        await hear(client, "order some flour")
        name = client.all("connected")[0]["conversation"]
        await client.socket.close()
        await until(lambda: not server.sessions("ws"))
        async with ws_client(server, f"?conversation={name}") as again:
            await again.next("connected")
            await hear(again, "yes")
            assert words(server)[-2:] == ["yes", LISTENING]
            assert kitchen.ordered == []
