"""An agent as a LangGraph graph, in which a chat model calls tools until it has an answer."""

from __future__ import annotations

import asyncio
import json
import logging
from codecs import getincrementaldecoder
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
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

from voicebot.agent.personas import Persona, personas, system_prompt
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
"""How often the model may call tools for one answer. After that it gets no tools and has to answer."""

MODEL, WAIT, TOOLS = "model", "wait", "tools"
"""The graph's nodes."""

DEFAULT_PERSONA = "assistant"
"""The persona of a style that names none."""

GREETING = "Hello."
"""The message with which a cold model is warmed."""

FILLER_STEP = -1
"""The step number of fillers, which come from no step of the graph."""

EFFECTS, FILLERS = "effects", "fillers"
"""The keys of the objects that the graph gets with each reply."""

Graph = CompiledStateGraph[MessagesState, None, MessagesState, MessagesState]
Parts = AsyncGenerator[tuple[str, Any]]
"""The stream of a graph: under "messages" a message or a piece of one with its metadata, under "custom" a filler."""

CLIENT_FAILURES: Errors = (OSError, ValueError, LangChainException)
"""The errors that the client of any model may raise when its service fails: no connection, no JSON, LangChain's own."""


class Service(Protocol):
    """The service behind a model."""

    @property
    def models(self) -> Models:
        """The models of the service that may be used."""
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def probe(self) -> None: ...


@runtime_checkable
class Warmable(Protocol):
    """A service whose model may be cold: it is not in memory, or has not read the prompt of every conversation yet."""

    @property
    def is_cold(self) -> bool:
        """True if the model should be warmed, according to the last probe."""
        ...

    def warmed(self) -> None:
        """Notes that the model has read the prompt, which its server now keeps."""
        ...


class _Effects:
    """Guards the effects of one reply's tools outside: they wait until the reply is wanted, and happen only once."""

    def __init__(self, wanted: asyncio.Event, deadline: OutputDeadline) -> None:
        self._wanted = wanted
        self._deadline = deadline
        self._suspended = False
        self.begun = False
        """True once a tool with effects may have run. The reply can then not be repeated."""

    async def before_tools(self, *, pure: bool) -> None:
        """Suspends the deadline and, unless all tools are pure, waits until the reply is wanted."""
        self._suspended = True
        self._deadline.suspend()
        if not pure:
            await self._wanted.wait()
            self.begun = True

    def after_tools(self) -> None:
        """Restarts the deadline, unless there were effects: another engine must not take over then."""
        if not self.begun:
            self._suspended = False
            self._deadline.restart()

    def sign_of_life(self) -> None:
        """Restarts the deadline, as the model has sent something that is not spoken, such as a piece of reasoning."""
        if not self._suspended:
            self._deadline.restart()


def prompt_of(style: Style, known: Mapping[str, Persona] | None = None) -> str:
    """Returns the system prompt of the style's persona, for a user who speaks the style's language.

    `known` are all personas, by name; without it, those of the package.
    """
    every = personas() if known is None else known
    return system_prompt(every[style.persona or DEFAULT_PERSONA].prompt, style.language)


class GraphAgent:
    """An `Agent` that uses any LangChain chat model. It keeps nothing between replies, so one serves all sessions.

    `prompt` returns the system prompt for the style of a reply. `failures` are the errors that the model raises when
    its service fails, beside EngineError. Each answer of the model may take `timeout_s`. The model gets at most the
    last `history_max_tokens` of the history. A tool that works longer than `filler_s` is covered by a filler.
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
        """How long the first token may take; 0 means as long as that of any other engine."""
        self._prompt = prompt
        self.follows_persona = follows_persona
        """True if the model follows a system prompt."""
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
        self._graph = self._build_graph(model, tools)

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
        """True if the first answer will take longer, as the model is not in memory or has not been warmed."""
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
        """Probes the service, if there is one, and warms a cold model for the style in the background."""
        if self._service is None:
            return
        await self._service.probe()
        is_idle = self._warming is None or self._warming.done()
        if is_idle and isinstance(self._service, Warmable) and self._service.is_cold:
            self._warming = asyncio.create_task(self._warm(self._service, style), name=f"warming of {self._name}")

    async def _warm(self, service: Warmable, style: Style) -> None:
        """Lets the model read the style's prompt and the tools, which its server then keeps.

        It sends nothing that a user has said, and stops at the model's first word. On two cores the first word of
        SmolLM2 (135 million parameters) took 0.92 s without this and 0.04 s with it; a model of a useful size takes
        20 times as long.
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
        """Yields the answer to the user's message at the end of the history, in pieces; see `Agent.reply`.

        The answer includes what the model says before it calls a tool. A tool that is tagged `pure` runs at once, any
        other one only when the answer is `wanted`. Text that covers the time of a tool is yielded as `Filler`.

        Raises EngineError, also for an empty answer. The error is not repeatable once a tool that is not pure has run.
        """
        if not history or history[-1].role is not Role.USER:
            raise ValueError("the history does not end with a message of the user")
        await self._wait_if_near_rate_limit(wanted, deadline)
        prompt = self._prompt(style)
        state = MessagesState(messages=to_messages(history, prompt, self._max_tokens(prompt)))
        if stands_in:
            notice = StandInNotice.KNOWN if stood_in == self._name else StandInNotice.NEW
            state["messages"][0].additional_kwargs[STANDS_IN] = notice
        effects = _Effects(wanted, deadline)
        given = {EFFECTS: effects, FILLERS: Fillers(style.language, self._filler_s, wanted)}
        # LangGraph declares its generator as an iterator, which has no `aclose`.
        stream = self._graph.astream(state, RunnableConfig(configurable=given), stream_mode=["messages", "custom"])
        parts = cast("Parts", stream)
        # JSON can contain half a character (a surrogate), which nothing else accepts. The decoder joins two halves, and
        # replaces a single one.
        surrogate_decoder = getincrementaldecoder("utf-16-le")("replace")
        last_step: int | None = None
        answered = False
        try:
            async with aclosing(parts):
                async for kind, part in parts:
                    step, text = _spoken(kind, part)
                    if not isinstance(text, Filler):
                        text = surrogate_decoder.decode(text.encode("utf-16-le", "surrogatepass"))
                    if not text:
                        effects.sign_of_life()
                        continue
                    yield text if last_step in (None, step) else _after_space(text)
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

    async def _wait_if_near_rate_limit(self, wanted: asyncio.Event, deadline: OutputDeadline) -> None:
        """Waits until the answer is wanted, if too little is left of the rate limit for an answer that is discarded."""
        if self._service is not None and not wanted.is_set() and not self._service.models.limits.allows_preemptive:
            deadline.suspend()
            await wanted.wait()
            deadline.restart()

    def _max_tokens(self, prompt: str) -> int:
        """Returns the most tokens of the system prompt and the history together.

        The settings and the rate limit of the service limit them.
        """
        prompt_tokens = tokens([system_message(prompt)])
        allowed = None
        if self._service is not None:
            allowed = self._service.models.limits.history_tokens(prompt_tokens + self._tools_tokens)
        if allowed is None:
            return self._history_max_tokens
        return min(self._history_max_tokens, prompt_tokens + allowed)

    def _build_graph(self, model: BaseChatModel, tools: Sequence[BaseTool]) -> Graph:
        with_tools = self._model
        pure = {tool.name for tool in tools if PURE in (tool.tags or ())}
        tool_node = ToolNode(tools, handle_tool_errors=_error_for_model)

        async def ask(state: MessagesState) -> MessagesState:
            """Asks the model. If it has used its tools wrongly twice, it is asked once more without tools."""
            may_call = len(_calls(state)) < MAX_TOOL_ROUNDS and not _repeats_failed_call(state)
            messages = state["messages"]
            try:
                async with asyncio.timeout(self._timeout_s) as limit:
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
                message = f"no answer within {self._timeout_s:g} s"
                raise EngineError(self._name, message, fault=Fault.TIMEOUT) from error

        async def route(state: MessagesState) -> str:
            """Returns the next node. It is a coroutine because LangGraph runs plain functions in a thread."""
            calls = _calls(state)
            is_call = bool(calls) and calls[-1] is state["messages"][-1]
            return TOOLS if is_call and tools and len(calls) <= MAX_TOOL_ROUNDS else END

        async def wait(state: MessagesState, config: RunnableConfig) -> MessagesState:
            """Waits until the tools that were called may run."""
            called = {call["name"] for call in _calls(state)[-1].tool_calls}
            await config["configurable"][EFFECTS].before_tools(pure=called <= pure)
            return MessagesState(messages=[])

        async def use(state: MessagesState, config: RunnableConfig, writer: StreamWriter) -> MessagesState:
            """Adds the results of the tools. A call that has failed before is not repeated, and gets the same error."""
            known_errors, new_calls = _split_calls(state)
            try:
                if not new_calls.tool_calls:
                    return MessagesState(messages=[*known_errors])
                new = MessagesState(messages=[*state["messages"][:-1], new_calls])
                return MessagesState(messages=[*known_errors, *(await run_tools(new, config, writer))["messages"]])
            finally:
                config["configurable"][EFFECTS].after_tools()

        async def run_tools(state: MessagesState, config: RunnableConfig, writer: StreamWriter) -> Any:
            """Runs the tools. Fillers cover the time, unless the model has said something before it called them."""
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
    """Adds fillers to the answer until it is cancelled."""
    async with aclosing(fillers.while_working()) as due:
        async for filler in due:
            writer(filler)


def _spoken(kind: str, part: Any) -> tuple[int, str]:
    """Returns the step of a part of the graph's stream, and the text in it that is to be spoken."""
    if kind == "custom":
        return FILLER_STEP, part
    message, metadata = part
    return metadata["langgraph_step"], message.text if metadata["langgraph_node"] == MODEL else ""


def _after_space(text: str) -> str:
    return Filler(f" {text}") if isinstance(text, Filler) else f" {text}"


def _calls(state: MessagesState) -> list[AIMessage]:
    """Returns the messages of this answer with tool calls. Those of earlier answers are not in the history."""
    return [message for message in state["messages"] if isinstance(message, AIMessage) and message.tool_calls]


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


def _error_for_model(error: Exception) -> str:
    """Returns the text about a tool's error for the model. Only a ToolException is quoted: others may hold secrets."""
    if isinstance(error, ToolException):
        return f"Error: {error}"
    logger.error("a tool failed", exc_info=error)
    return "Error: the tool failed."
