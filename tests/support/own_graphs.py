"""Graphs as an operator would write them, for settings such as `AGENT=tests.support.own_graphs:echo`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import BaseTool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph

Graph = CompiledStateGraph[Any, Any, Any, Any]


def graph_of(answer: Any, name: str | None = None) -> Graph:
    """Returns a graph of one node."""
    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    return graph.compile(name=name)


async def _echo(state: MessagesState) -> dict[str, Any]:
    """Repeats the user's words, and is silent if they end in "quiet"."""
    said = state["messages"][-1].text
    return {"messages": [] if said.endswith("quiet") else [AIMessage(f"You said: {said}")]}


echo = graph_of(_echo, "echo-bot")
"""A compiled graph without a model."""


def make(model: BaseChatModel, tools: Sequence[BaseTool], prompt: str) -> Graph:
    """A factory, as most are."""
    return create_agent(model, [*tools], system_prompt=prompt)


async def make_slowly(model: BaseChatModel, tools: Sequence[BaseTool], prompt: str) -> Graph:
    """A factory that waits for something first."""
    await asyncio.sleep(0)
    return make(model, tools, prompt)


def make_nothing(model: BaseChatModel, tools: Sequence[BaseTool], prompt: str) -> Any:
    """A factory with a mistake."""
    return {"api_key": prompt}["api_kye"]
