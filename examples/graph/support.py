"""A graph that finds out what a caller wants before it answers, and then knows what the shop says about it.

AGENT=examples/graph/support.py:make AGENT_NODE=answer make run
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import SystemMessage
from langchain_core.tools import BaseTool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

KNOWLEDGE = {
    "opening": "The shop is open from nine to six, and closed on Sundays.",
    "returns": "Goods can be returned within thirty days, with the receipt.",
}


class State(MessagesState):
    topic: str


def make(model: BaseChatModel, tools: Sequence[BaseTool], prompt: str) -> Any:
    """Makes the graph around a model, with the bot's tools and the prompt of the persona."""
    with_tools = model.bind_tools(tools)
    which = f"What is the last message about? Answer with one word: {', '.join(KNOWLEDGE)} or other."

    async def route(state: State) -> dict[str, Any]:
        word = await model.ainvoke([SystemMessage(which), *state["messages"]])
        return {"topic": word.text.strip(" .\n").lower()}

    async def answer(state: State) -> dict[str, Any]:
        told = f"{prompt}\n\n{KNOWLEDGE.get(state['topic'], '')}"
        return {"messages": [await with_tools.ainvoke([SystemMessage(told), *state["messages"]])]}

    graph = StateGraph(State)
    graph.add_node("route", route)
    graph.add_node("answer", answer)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "route")
    graph.add_edge("route", "answer")
    graph.add_conditional_edges("answer", tools_condition)
    graph.add_edge("tools", "answer")
    return graph.compile()
