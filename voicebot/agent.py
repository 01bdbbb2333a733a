"""The agent: a LangGraph graph in which a chat model and its tools take turns until there is an answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, cast

from langchain_core.exceptions import LangChainException
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, ToolException
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode

from voicebot.core.history import History, Role
from voicebot.engines.base import EngineError
from voicebot.engines.llm.messages import to_messages
from voicebot.tools import PURE

logger = logging.getLogger(__name__)

MAX_TOOL_ROUNDS = 4
"""How often the model may call tools for one answer; after that it is asked to answer without any."""

MODEL, WAIT, TOOLS = "model", "wait", "tools"
"""The graph's nodes."""

WANTED = "wanted"

Graph = CompiledStateGraph[MessagesState, None, MessagesState, MessagesState]
Parts = AsyncGenerator[tuple[AnyMessage, dict[str, Any]]]
"""What a graph streams: messages or pieces of them, each with its node and step."""
Failures = tuple[type[Exception], ...]

CLIENT_FAILURES: Failures = (OSError, ValueError, LangChainException)
"""What any model's client may raise when its service fails: no connection, no JSON, LangChain's own."""


class GraphAgent:
    """An `Agent` on any LangChain chat model; one serves all sessions, as it keeps nothing between replies.

    `persona` is the system prompt. `failures` are the errors with which the model's client reports a failed request.
    """

    def __init__(
        self,
        model: BaseChatModel,
        tools: Sequence[BaseTool],
        persona: str,
        name: str,
        *,
        languages: frozenset[str] = frozenset({"en"}),
        failures: Failures = CLIENT_FAILURES,
    ) -> None:
        self._persona = persona
        self._name = name
        self._languages = languages
        self._failures = failures
        self._graph = _graph(model, tools)

    @property
    def name(self) -> str:
        return self._name

    @property
    def languages(self) -> frozenset[str]:
        return self._languages

    async def start(self) -> None:
        """Nothing to open: a model's client connects with its first request."""

    async def close(self) -> None:
        """Nothing to free: a request ends with its reply."""

    async def reply(self, history: History, wanted: asyncio.Event) -> AsyncGenerator[str]:
        """The answer to the history's last message, which is the user's. Raises EngineError, also for an empty answer.

        What the model says before it calls a tool is part of the answer; the call and the tool's result are not.
        A tool runs once the answer is `wanted`, or at once if it is tagged `pure`.
        """
        if not history or history[-1].role is not Role.USER:
            raise ValueError("there is no user's message to answer")
        state = MessagesState(messages=to_messages(history, self._persona))
        # LangGraph types its generator as a mere iterator, which could not be closed.
        parts = cast("Parts", self._graph.astream(state, _config(wanted), stream_mode="messages"))
        last_step = None
        try:
            async with aclosing(parts):
                async for message, metadata in parts:
                    if metadata["langgraph_node"] != MODEL or not (text := message.text):
                        continue
                    step = metadata["langgraph_step"]
                    yield text if last_step in (None, step) else f" {text}"
                    last_step = step
        except self._failures as error:
            raise EngineError(self._name, _reason(error)) from error
        if last_step is None:
            raise EngineError(self._name, "the model gave no answer")


def _graph(model: BaseChatModel, tools: Sequence[BaseTool]) -> Graph:
    with_tools = model.bind_tools(tools) if tools else model

    async def ask(state: MessagesState) -> MessagesState:
        asked = with_tools if len(_calls(state)) < MAX_TOOL_ROUNDS else model
        return MessagesState(messages=[await asked.ainvoke(state["messages"])])

    def route(state: MessagesState) -> str:
        calls = _calls(state)
        is_call = bool(calls) and calls[-1] is state["messages"][-1]
        return TOOLS if is_call and tools and len(calls) <= MAX_TOOL_ROUNDS else END

    pure = {tool.name for tool in tools if PURE in (tool.tags or ())}

    async def wait(state: MessagesState, config: RunnableConfig) -> MessagesState:
        """Nobody may want the answer yet: then only tools without effects may run."""
        if not {call["name"] for call in _calls(state)[-1].tool_calls} <= pure:
            await config["configurable"][WANTED].wait()
        return MessagesState(messages=[])

    graph = StateGraph(MessagesState)
    graph.add_node(MODEL, ask)
    graph.add_node(WAIT, wait)
    graph.add_node(TOOLS, ToolNode(tools, handle_tool_errors=_told))
    graph.add_edge(START, MODEL)
    graph.add_conditional_edges(MODEL, route, {TOOLS: WAIT, END: END})
    graph.add_edge(WAIT, TOOLS)
    graph.add_edge(TOOLS, MODEL)
    return graph.compile()


def _config(wanted: asyncio.Event) -> RunnableConfig:
    return RunnableConfig(configurable={WANTED: wanted})


def _calls(state: MessagesState) -> list[AIMessage]:
    """The model's tool calls for this answer: those of earlier answers are not in the history."""
    return [message for message in state["messages"] if isinstance(message, AIMessage) and message.tool_calls]


def _told(error: Exception) -> str:
    """What the model is told of a tool's error. Only errors meant for it are told in full: others may hold secrets."""
    if isinstance(error, ToolException):
        return f"Error: {error}"
    logger.error("a tool failed", exc_info=error)
    return "Error: the tool failed."


def _reason(error: Exception) -> str:
    """Why a request failed, without the error's own text: that may hold a key or what was said."""
    status = getattr(error, "status_code", None)
    return (
        f"the model failed with HTTP {status}"
        if isinstance(status, int)
        else f"the model failed: {type(error).__name__}"
    )
