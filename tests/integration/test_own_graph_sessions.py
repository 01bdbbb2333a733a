"""Sessions whose answers come from an operator's graph."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessage
from langgraph.graph import MessagesState

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.own_graphs import Graph, echo, graph_of
from tests.support.sessions import Running, running_session
from voicebot.agent.own_agent import OwnGraphAgent
from voicebot.agent.own_graph import OwnGraph
from voicebot.engines.fallback import AgentFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.protocols import Engines
from voicebot.session.messages import InterruptMessage, TextMessage


def engines_with(graph: Graph) -> Engines:
    agent = AgentFallbackGroup([OwnGraphAgent(OwnGraph("mine", graph), None, (), "mine")], FallbackRules())
    return replace(scripted(ScriptedStt(), ScriptedAgent(), ToneTts()), agent=agent)


def said(running: Running) -> list[str]:
    return [message.text for message in running.session.state.history]


async def typed(running: Running, text: str, count: int) -> None:
    """Types a text and waits until the bot is idle with a history of this length."""
    running.session.take(TextMessage(type="text", text=text))
    await running.connection.changed.until(
        lambda: True if running.session.state.is_idle and len(said(running)) == count else None, 15, text
    )


async def test_a_graph_may_be_silent_and_what_is_said_next_joins_the_message_without_an_answer() -> None:
    async with running_session(engines_with(echo)) as running:
        await typed(running, "be quiet", 1)
        assert running.session.state.error is None
        await typed(running, "and now speak", 2)
        assert said(running) == ["be quiet and now speak", "You said: be quiet and now speak"]
        assert running.session.state.error is None


async def test_a_graph_that_fails_is_shown_as_an_engine_s_error_and_the_session_goes_on() -> None:
    failures = [RuntimeError("hunter2")]

    async def answer(state: MessagesState) -> Any:
        while failures:
            raise failures.pop()
        return {"messages": [AIMessage("Here I am.")]}

    async with running_session(engines_with(graph_of(answer))) as running:
        await typed(running, "hello", 2)
        error = running.session.state.error
        assert error is not None
        assert error.message == "mine: the graph failed: RuntimeError"
        await typed(running, "hello?", 4)
        assert said(running)[-1] == "Here I am."


async def test_an_interruption_stops_the_graph() -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def answer(state: MessagesState) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with running_session(engines_with(graph_of(answer))) as running:
        running.session.take(TextMessage(type="text", text="hello"))
        await begun.wait()
        running.session.take(InterruptMessage(type="interrupt"))
        await asyncio.wait_for(stopped.wait(), 5)
