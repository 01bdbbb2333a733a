"""The built-in graph, in which a chat model calls tools until it has an answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.failures import ToolUseError
from voicebot.engines.llm.messages import EARLIER_CALL

logger = logging.getLogger(__name__)

MAX_TOOL_ROUNDS = 4
"""How often the model may call tools for one answer. After that it gets no tools and has to answer."""

MODEL, TOOLS = "model", "tools"
"""The graph's nodes."""

Graph = CompiledStateGraph[MessagesState, None, MessagesState, MessagesState]
Parts = AsyncGenerator[tuple[str, Any]]
"""The stream of a graph: under "messages" a message or a piece of one with its metadata."""


def build_graph(
    model: BaseChatModel,
    with_tools: Runnable[LanguageModelInput, AIMessage],
    tools: Sequence[BaseTool],
    name: str,
    timeout_s: float,
) -> Graph:
    """Creates the graph. `with_tools` is the model with the tools; `name` is the engine's name in error messages."""
    tool_node = ToolNode(tools)

    async def ask(state: MessagesState) -> MessagesState:
        """Asks the model. If it has used its tools wrongly twice, it is asked once more without tools."""
        may_call = len(_calls(state)) < MAX_TOOL_ROUNDS and not _repeats_failed_call(state)
        messages = state["messages"]
        try:
            async with asyncio.timeout(timeout_s) as limit:
                for _ in range(2 if may_call else 0):
                    try:
                        return MessagesState(messages=[_without_invalid_calls(await with_tools.ainvoke(messages))])
                    except ToolUseError as error:
                        if error.spoken:
                            raise
                        logger.info("%s", error)
                return MessagesState(messages=[_without_invalid_calls(await model.ainvoke(messages))])
        except ToolUseError as error:
            # A model that calls tools that it was not offered will do so again. Another engine answers sooner.
            error.fault = error.fault if error.spoken else Fault.REJECTED
            raise
        except TimeoutError as error:
            if not limit.expired():
                raise
            message = f"no answer within {timeout_s:g} s"
            raise EngineError(name, message, fault=Fault.TIMEOUT) from error

    async def route(state: MessagesState) -> str:
        """Returns the next node. It is a coroutine because LangGraph runs plain functions in a thread."""
        calls = _calls(state)
        is_call = bool(calls) and calls[-1] is state["messages"][-1]
        return TOOLS if is_call and tools and len(calls) <= MAX_TOOL_ROUNDS else END

    async def use(state: MessagesState, config: RunnableConfig) -> MessagesState:
        """Adds the results of the tools. A call that has failed before is not repeated, and gets the same error."""
        known_errors, new_calls = _split_calls(state)
        if not new_calls.tool_calls:
            return MessagesState(messages=[*known_errors])
        new = MessagesState(messages=[*state["messages"][:-1], new_calls])
        return MessagesState(messages=[*known_errors, *(await tool_node.ainvoke(new, config))["messages"]])

    graph = StateGraph(MessagesState)
    graph.add_node(MODEL, ask)
    graph.add_node(TOOLS, use)
    graph.add_edge(START, MODEL)
    graph.add_conditional_edges(MODEL, route, {TOOLS: TOOLS, END: END})
    graph.add_edge(TOOLS, MODEL)
    return graph.compile()


def _calls(state: MessagesState) -> list[AIMessage]:
    """Returns the messages of this answer with tool calls."""
    asked = (message for message in state["messages"] if isinstance(message, AIMessage) and message.tool_calls)
    return [message for message in asked if EARLIER_CALL not in message.additional_kwargs]


def _failures(state: MessagesState) -> dict[tuple[str, str], ToolMessage]:
    """Returns the error messages of the tool calls of this answer that have failed, by `_key`."""
    results = {message.tool_call_id: message for message in state["messages"] if isinstance(message, ToolMessage)}
    made = [call for message in _calls(state) for call in message.tool_calls]
    return {
        _key(call): results[str(call["id"])]
        for call in made
        if str(call["id"]) in results and results[str(call["id"])].status == "error"
    }


def _repeats_failed_call(state: MessagesState) -> bool:
    """Returns True if the model has repeated a call that had failed. It would go on, as gpt-oss was seen to do."""
    rounds = Counter(key for message in _calls(state) for key in {_key(call) for call in message.tool_calls})
    return any(rounds[key] > 1 for key in _failures(state))


def _split_calls(state: MessagesState) -> tuple[list[ToolMessage], AIMessage]:
    """Splits the calls of the last message.

    Returns the errors of the calls that have failed before, and the message with the other calls.
    """
    last, failures = _calls(state)[-1], _failures(state)
    known_errors = [
        failures[_key(call)].model_copy(update={"tool_call_id": call["id"], "id": None})
        for call in last.tool_calls
        if _key(call) in failures
    ]
    new = [call for call in last.tool_calls if _key(call) not in failures]
    return known_errors, last.model_copy(update={"tool_calls": new})


def _key(call: ToolCall) -> tuple[str, str]:
    """Returns a key that is equal for equal calls."""
    return call["name"], json.dumps(call["args"], sort_keys=True)


def _without_invalid_calls(answer: AIMessage) -> AIMessage:
    """Returns the answer without tool calls whose arguments are no JSON object.

    They are never run, and services refuse a request in which the result of a tool call is missing.
    """
    return answer.model_copy(update={"invalid_tool_calls": []})
