"""The agent: a LangGraph graph in which a chat model and its tools take turns until there is an answer."""

from __future__ import annotations

import asyncio
import json
import logging
from codecs import getincrementaldecoder
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Protocol, cast, runtime_checkable

from langchain_core.exceptions import LangChainException
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, ToolException
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import StreamWriter

from voicebot.agent.personas import persona, system_prompt
from voicebot.agent.tools import PURE
from voicebot.agent.tools.fillers import Filler, Fillers
from voicebot.dialogue.history import History, Role
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.failures import Errors, ToolUseError, other_failure
from voicebot.engines.llm.messages import STANDS_IN, StandInNotice, system_message, to_messages, tokens, tools_tokens
from voicebot.engines.llm.models import Models
from voicebot.engines.protocols import DEFAULT_STYLE, NO_DEADLINE, OutputDeadline, Style

logger = logging.getLogger(__name__)

MAX_TOOL_ROUNDS = 4
"""How often the model may call tools for one answer; after that it is asked to answer without any."""

MODEL, WAIT, TOOLS = "model", "wait", "tools"
"""The graph's nodes."""

USUAL_PERSONA = "assistant"
"""Who answers if a style names no persona."""

GREETING = "Hello."
"""The question that a cold model is warmed with."""

IN_TOOL = -1
"""Stands for the step in which a filler is said."""

EFFECTS, FILLERS = "effects", "fillers"
"""What the graph is given with each reply."""

Graph = CompiledStateGraph[MessagesState, None, MessagesState, MessagesState]
Parts = AsyncGenerator[tuple[str, Any]]
"""What a graph streams: with "messages" a message or a piece of one, and its node and step; with "custom" a filler."""

CLIENT_FAILURES: Errors = (OSError, ValueError, LangChainException)
"""What any model's client may raise when its service fails: no connection, no JSON, LangChain's own."""


class Service(Protocol):
    """What is behind a model, where there is something to be opened, closed and asked."""

    @property
    def models(self) -> Models:
        """The models that it may be asked for."""
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def probe(self) -> None: ...


@runtime_checkable
class Warmable(Protocol):
    """A service whose model is cold at first: it is not in memory, or has not read how every conversation begins."""

    @property
    def is_cold(self) -> bool:
        """Whether the model should be warmed, as the last probe found."""
        ...

    def warmed(self) -> None:
        """The model has read how a conversation begins, and keeps that."""
        ...


class _Effects:
    """What a reply's tools do outside, which must be wanted and must not come twice."""

    def __init__(self, wanted: asyncio.Event, deadline: OutputDeadline) -> None:
        self._wanted = wanted
        self._deadline = deadline
        self._held = False
        self.begun = False

    async def before_tools(self, *, pure: bool) -> None:
        self._held = True
        self._deadline.suspend()
        if not pure:
            await self._wanted.wait()
            self.begun = True

    def after_tools(self) -> None:
        if not self.begun:
            self._held = False
            self._deadline.restart()

    def sign_of_life(self) -> None:
        """The model has given something that is not spoken, such as a piece of its reasoning or of a tool call."""
        if not self._held:
            self._deadline.restart()


def prompt_of(style: Style) -> str:
    """Returns the system prompt of the style's persona, for a user who speaks the style's language."""
    return system_prompt(persona(style.persona or USUAL_PERSONA), style.language)


class GraphAgent:
    """An `Agent` on any LangChain chat model; one serves all sessions, as it keeps nothing between replies.

    `prompt` gives the system prompt for the style of a reply. A model raises EngineError when its service fails;
    `failures` are the errors of models that do not. Each of its answers may take `timeout_s`. Of a history that is
    longer than `history_max_tokens` the end is told. A tool that works longer than `filler_s` is covered by a filler.
    """

    def __init__(
        self,
        model: BaseChatModel,
        tools: Sequence[BaseTool],
        name: str,
        *,
        prompt: Callable[[Style], str] = prompt_of,
        service: Service | None = None,
        languages: frozenset[str] = frozenset({"en"}),
        timeout_s: float = 30.0,
        history_max_tokens: int = 6_000,
        filler_s: float = 0.7,
        follows_persona: bool = True,
        first_output_s: float = 0.0,
        failures: Errors = CLIENT_FAILURES,
    ) -> None:
        self.first_output_s = first_output_s
        """How long the first token may take, if that is longer than usual."""
        self._prompt = prompt
        self.follows_persona = follows_persona
        """Whether its model heeds a system prompt."""
        self._name = name
        self._service = service
        self._languages = languages
        self._timeout_s = timeout_s
        self._history_max_tokens = history_max_tokens
        self._filler_s = filler_s
        self._failures = failures
        self._tools_tokens = tools_tokens([convert_to_openai_tool(tool) for tool in tools])
        self._model = model.bind_tools(tools) if tools else model
        self._warming: asyncio.Task[None] | None = None
        self._graph = self._built(model, tools)

    @property
    def name(self) -> str:
        return self._name

    @property
    def languages(self) -> frozenset[str]:
        return self._languages

    @property
    def model(self) -> str | None:
        return None if self._service is None else self._service.models.current

    @property
    def warning(self) -> str | None:
        return None if self._service is None else self._service.models.warning

    @property
    def listed(self) -> tuple[str, ...]:
        return () if self._service is None else self._service.models.listed

    @property
    def is_cold(self) -> bool:
        """Whether the first answer will take longer, as the model is not in memory or has not been warmed."""
        service = self._service
        return service is not None and isinstance(service, Warmable) and service.is_cold

    async def start(self) -> None:
        if self._service is not None:
            await self._service.start()

    async def close(self) -> None:
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.wait([self._warming])
        if self._service is not None:
            await self._service.close()

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        """Without a service there is nothing to find out. A cold model is warmed in the background, for the style."""
        if self._service is None:
            return
        await self._service.probe()
        is_idle = self._warming is None or self._warming.done()
        if is_idle and isinstance(self._service, Warmable) and self._service.is_cold:
            self._warming = asyncio.create_task(self._warm(self._service, style), name=f"warming of {self._name}")

    async def _warm(self, service: Warmable, style: Style) -> None:
        """Have the model read the style's prompt and the tools, which its server then keeps, until its first word.

        Nothing that anybody said is in it. SmolLM2 (135 million parameters) took 0.92 s for the first word without this
        and 0.04 s with it, on two cores; a model of a useful size takes 20 times as long.
        """
        try:
            opening = [system_message(self._prompt(style)), HumanMessage(GREETING)]
            async with aclosing(cast("AsyncGenerator[AIMessage]", self._model.astream(opening))) as pieces:
                async for piece in pieces:
                    if piece.text:
                        break
        except EngineError as error:
            logger.info("the model could not be warmed: %s", error)
        except self._failures as error:
            logger.info("the model could not be warmed: %s", other_failure(self._name, error))
        else:
            service.warmed()

    async def reply(
        self,
        history: History,
        wanted: asyncio.Event,
        deadline: OutputDeadline = NO_DEADLINE,
        *,
        style: Style = DEFAULT_STYLE,
        stands_in: bool = False,
        stood_in: str = "",
        spoken: asyncio.Event | None = None,
    ) -> AsyncGenerator[str]:
        """The answer to the history's last message, which is the user's. Raises EngineError, also for an empty answer.

        What the model says before it calls a tool is part of the answer; the call and the tool's result are not.
        A tool runs once the answer is `wanted`, or at once if it is tagged `pure`. What is said while it works comes as
        a `Filler`. After a tool that is not pure an error is not repeatable. A model that stands in for others is told.
        """
        if not history or history[-1].role is not Role.USER:
            raise ValueError("there is no user's message to answer")
        await self._wait_until_affordable(wanted, deadline)
        prompt = self._prompt(style)
        state = MessagesState(messages=to_messages(history, prompt, self._max_tokens(prompt)))
        if stands_in:
            standing = StandInNotice.KNOWN if stood_in == self._name else StandInNotice.NEW
            state["messages"][0].additional_kwargs[STANDS_IN] = standing
        effects = _Effects(wanted, deadline)
        given = {EFFECTS: effects, FILLERS: Fillers(style.language, self._filler_s, wanted)}
        # LangGraph types its generator as a mere iterator, which could not be closed.
        stream = self._graph.astream(state, RunnableConfig(configurable=given), stream_mode=["messages", "custom"])
        parts = cast("Parts", stream)
        # JSON can hold half a character (a surrogate), which nothing else takes: halves are joined, or replaced.
        whole = getincrementaldecoder("utf-16-le")("replace")
        last_step: int | None = None
        answered = False
        try:
            async with aclosing(parts):
                async for kind, part in parts:
                    step, text = _spoken(kind, part)
                    if not isinstance(text, Filler):
                        text = whole.decode(text.encode("utf-16-le", "surrogatepass"))
                    if not text:
                        effects.sign_of_life()
                        continue
                    yield text if last_step in (None, step) else _apart(text)
                    last_step = step
                    answered = answered or not isinstance(text, Filler)
            if not answered:
                raise EngineError(self._name, "the model gave no answer")
        except EngineError as error:
            error.repeatable = error.repeatable and not effects.begun
            raise
        except self._failures as error:
            failure = other_failure(self._name, error)
            failure.repeatable = not effects.begun
            raise failure from error

    async def _wait_until_affordable(self, wanted: asyncio.Event, deadline: OutputDeadline) -> None:
        """Near a service's rate limit no answer is requested that may be thrown away."""
        if self._service is not None and not wanted.is_set() and not self._service.models.limits.allows_preemptive:
            deadline.suspend()
            await wanted.wait()
            deadline.restart()

    def _max_tokens(self, prompt: str) -> int:
        """How long the system prompt and the history may be together, by the settings and the service's rate limit."""
        prompt_tokens = tokens([system_message(prompt)])
        affordable = None
        if self._service is not None:
            affordable = self._service.models.limits.history_tokens(prompt_tokens + self._tools_tokens)
        if affordable is None:
            return self._history_max_tokens
        return min(self._history_max_tokens, prompt_tokens + affordable)

    def _built(self, model: BaseChatModel, tools: Sequence[BaseTool]) -> Graph:
        with_tools = self._model
        pure = {tool.name for tool in tools if PURE in (tool.tags or ())}
        tool_node = ToolNode(tools, handle_tool_errors=_told)

        async def ask(state: MessagesState) -> MessagesState:
            may_call = len(_calls(state)) < MAX_TOOL_ROUNDS and not _insists(state)
            try:
                async with asyncio.timeout(self._timeout_s) as limit:
                    for asked in (with_tools, with_tools) if may_call else ():
                        try:
                            return MessagesState(messages=[_answerable(await asked.ainvoke(state["messages"]))])
                        except ToolUseError as error:
                            if error.spoken:
                                raise
                            logger.info("%s", error)
                    return MessagesState(messages=[_answerable(await model.ainvoke(state["messages"]))])
            except ToolUseError as error:
                # A model that calls tools it was not offered will do so again: the next engine answers sooner.
                error.fault = error.fault if error.spoken else Fault.REJECTED
                raise
            except TimeoutError as error:
                if not limit.expired():
                    raise
                message = f"no answer within {self._timeout_s:g} s"
                raise EngineError(self._name, message, fault=Fault.TIMEOUT) from error

        async def route(state: MessagesState) -> str:
            """Where to go next. A coroutine, as LangGraph would run a plain function in a thread."""
            calls = _calls(state)
            is_call = bool(calls) and calls[-1] is state["messages"][-1]
            return TOOLS if is_call and tools and len(calls) <= MAX_TOOL_ROUNDS else END

        async def wait(state: MessagesState, config: RunnableConfig) -> MessagesState:
            """Nobody may want the answer yet: then only tools without effects may run."""
            called = {call["name"] for call in _calls(state)[-1].tool_calls}
            await config["configurable"][EFFECTS].before_tools(pure=called <= pure)
            return MessagesState(messages=[])

        async def use(state: MessagesState, config: RunnableConfig, writer: StreamWriter) -> MessagesState:
            """The tools' results. A call that has failed is not made again: the model is told the same once more."""
            given = config["configurable"]
            known, asked = _split_calls(state)
            try:
                if not asked.tool_calls:
                    return MessagesState(messages=[*known])
                new = MessagesState(messages=[*state["messages"][:-1], asked])
                return MessagesState(messages=[*known, *(await run_tools(new, config, writer))["messages"]])
            finally:
                given[EFFECTS].after_tools()

        async def run_tools(state: MessagesState, config: RunnableConfig, writer: StreamWriter) -> Any:
            """The tools, covered by fillers unless the model has said what it is about to do."""
            if _calls(state)[-1].text:
                return await tool_node.ainvoke(state, config)
            filling = asyncio.create_task(_say_fillers(config["configurable"][FILLERS], writer), name="fillers")
            try:
                return await tool_node.ainvoke(state, config)
            finally:
                filling.cancel()
                await asyncio.wait([filling])

        graph = StateGraph(MessagesState)
        graph.add_node(MODEL, ask)
        graph.add_node(WAIT, wait)
        graph.add_node(TOOLS, use)
        graph.add_edge(START, MODEL)
        graph.add_conditional_edges(MODEL, route, {TOOLS: WAIT, END: END})
        graph.add_edge(WAIT, TOOLS)
        graph.add_edge(TOOLS, MODEL)
        return graph.compile()


async def _say_fillers(fillers: Fillers, writer: StreamWriter) -> None:
    """Puts fillers into the answer until it is cancelled."""
    async with aclosing(fillers.while_working()) as due:
        async for filler in due:
            writer(filler)


def _spoken(kind: str, part: Any) -> tuple[int, str]:
    """What of a graph's part is to be spoken, and in which step it was said."""
    if kind == "custom":
        return IN_TOOL, part
    message, metadata = part
    return metadata["langgraph_step"], message.text if metadata["langgraph_node"] == MODEL else ""


def _apart(text: str) -> str:
    return Filler(f" {text}") if isinstance(text, Filler) else f" {text}"


def _calls(state: MessagesState) -> list[AIMessage]:
    """The model's tool calls for this answer: those of earlier answers are not in the history."""
    return [message for message in state["messages"] if isinstance(message, AIMessage) and message.tool_calls]


def _failures(state: MessagesState) -> dict[tuple[str, str], ToolMessage]:
    """The calls of this answer that have failed, with what the model was told of it."""
    results = {message.tool_call_id: message for message in state["messages"] if isinstance(message, ToolMessage)}
    made = [call for message in _calls(state) for call in message.tool_calls]
    return {
        _key(call): results[str(call["id"])]
        for call in made
        if str(call["id"]) in results and results[str(call["id"])].status == "error"
    }


def _insists(state: MessagesState) -> bool:
    """Whether the model has made a call again after it had failed: it would go on doing so, as gpt-oss was seen to."""
    rounds = Counter(key for message in _calls(state) for key in {_key(call) for call in message.tool_calls})
    return any(rounds[key] > 1 for key in _failures(state))


def _split_calls(state: MessagesState) -> tuple[list[ToolMessage], AIMessage]:
    """Splits the calls of the last message: for those that failed before, the old errors; for the others, a message."""
    last, failures = _calls(state)[-1], _failures(state)
    told = [
        failures[_key(call)].model_copy(update={"tool_call_id": call["id"], "id": None})
        for call in last.tool_calls
        if _key(call) in failures
    ]
    new = [call for call in last.tool_calls if _key(call) not in failures]
    return told, last.model_copy(update={"tool_calls": new})


def _key(call: ToolCall) -> tuple[str, str]:
    """What makes two calls the same."""
    return call["name"], json.dumps(call["args"], sort_keys=True)


def _answerable(answer: AIMessage) -> AIMessage:
    """The answer without tool calls whose arguments are no JSON object: nothing runs them, so no result would follow.

    Services refuse a request in which the result of a tool call is missing.
    """
    return answer.model_copy(update={"invalid_tool_calls": []})


def _told(error: Exception) -> str:
    """What the model is told of a tool's error. Only errors meant for it are told in full: others may hold secrets."""
    if isinstance(error, ToolException):
        return f"Error: {error}"
    logger.error("a tool failed", exc_info=error)
    return "Error: the tool failed."
