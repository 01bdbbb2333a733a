"""An agent that answers with a LangGraph graph around a chat model."""

from __future__ import annotations

import asyncio
import logging
from codecs import getincrementaldecoder
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Protocol, cast, runtime_checkable

from langchain_core.exceptions import LangChainException
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.graph import MessagesState

from voicebot.agent.conversation import set_current_conversation
from voicebot.agent.graph import MODEL, Parts, build_graph
from voicebot.agent.personas import Persona, personas, system_prompt
from voicebot.agent.tools import Toolbox
from voicebot.agent.tools.fillers import Filler, Fillers
from voicebot.agent.tools.reply_tools import QuestionAskedError, ReplyTools, as_config
from voicebot.dialogue.history import History, Role
from voicebot.engines.errors import EngineError
from voicebot.engines.llm.failures import Errors, other_failure
from voicebot.engines.llm.messages import STANDS_IN, StandInNotice, system_message, to_messages, tokens, tools_tokens
from voicebot.engines.llm.models import Models
from voicebot.engines.protocols import DEFAULT_STYLE, NO_DEADLINE, ConversationCalls, OutputDeadline, Style

logger = logging.getLogger(__name__)

DEFAULT_PERSONA = "assistant"
"""The persona of a style that names none."""

GREETING = "Hello."
"""The message with which a cold model is warmed."""

FILLER_STEP = -1
"""The step number of fillers, which come from no step of the graph."""

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


def prompt_of(style: Style, known: Mapping[str, Persona] | None = None) -> str:
    """Returns the system prompt of the style's persona, for a user who speaks the style's language.

    `known` are all personas, by name; without it, those of the package.
    """
    every = personas() if known is None else known
    return system_prompt(every[style.persona or DEFAULT_PERSONA].prompt, style.language)


class GraphAgent:
    """An `Agent` that uses any LangChain chat model. It keeps nothing between replies, so one serves all sessions.

    It answers with the built-in graph. `OwnGraphAgent` answers with an operator's, and may do without a model.

    `prompt` returns the system prompt for the style of a reply. `failures` are the errors that the model raises when
    its service fails, beside EngineError. Each answer of the model may take `timeout_s`. The model gets at most the
    last `history_max_tokens` of the history. A tool that works longer than `filler_s` is covered by a filler.
    """

    def __init__(
        self,
        model: BaseChatModel | None,
        tools: Toolbox | Sequence[BaseTool],
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
        self._warming: asyncio.Task[None] | None = None
        self._bare_model = model
        self._model: Runnable[LanguageModelInput, AIMessage] | None = model
        self._toolbox = tools if isinstance(tools, Toolbox) else Toolbox(tools)
        self._tools: Sequence[BaseTool] | None = None
        self._tools_tokens = 0
        self._use_current_tools()

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
            assert self._model is not None, "a service has a model"
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
        calls: ConversationCalls | None = None,
    ) -> AsyncGenerator[str]:
        """Yields the answer to the user's message at the end of the history, in pieces; see `Agent.reply`.

        The answer includes what the model says before it calls a tool. Tools run by their policies (`GuardedTool`): one
        that needs a confirmation ends the answer with its question. A call that the user has confirmed is made first.
        Text that covers the time of a tool is yielded as `Filler`.

        Raises EngineError, also for an empty answer. The error is not repeatable once a tool that is not pure has run.
        """
        if not history or history[-1].role is not Role.USER:
            raise ValueError("the history does not end with a message of the user")
        if calls is not None:
            set_current_conversation(calls.conversation)
        await self._wait_before_answer(wanted, deadline)
        deadline = self._deadline(deadline)
        tools = ReplyTools(wanted, deadline, Fillers(style.language, self._filler_s, wanted), calls, style.language)
        notice = None
        if stands_in:
            notice = StandInNotice.KNOWN if stood_in == self._name else StandInNotice.NEW
        answer = self._answer(history, tools, style, notice, deadline)
        # JSON can contain half a character (a surrogate), which nothing else accepts. The decoder joins two halves, and
        # replaces a single one.
        surrogate_decoder = getincrementaldecoder("utf-16-le")("replace")
        last_step: int | str | None = None
        answered = False
        try:
            async with aclosing(tools.with_fillers(answer)) as pieces:
                async for piece in pieces:
                    step, text = (FILLER_STEP, piece) if isinstance(piece, Filler) else piece
                    if not isinstance(text, Filler):
                        text = surrogate_decoder.decode(text.encode("utf-16-le", "surrogatepass"))
                    if not text:
                        tools.sign_of_life()
                        continue
                    yield text if last_step in (None, step) else _after_space(text)
                    last_step = step
                    answered = answered or not isinstance(text, Filler)
            if not answered:
                self._note_no_answer()
                yield ""
        except QuestionAskedError as asked:
            yield asked.request.question if last_step is None else f" {asked.request.question}"
        except EngineError as error:
            error.repeatable = error.repeatable and not tools.has_effects
            raise
        except self._failures as error:
            failure = other_failure(self._name, error)
            failure.repeatable = not tools.has_effects
            raise failure from error

    def _deadline(self, deadline: OutputDeadline) -> OutputDeadline:
        """Returns the deadline for the next output of the graph."""
        return deadline

    def _note_no_answer(self) -> None:
        """Raises EngineError if an answer may not be empty."""
        raise EngineError(self._name, "the model gave no answer")

    async def _answer(
        self,
        history: History,
        tools: ReplyTools,
        style: Style,
        notice: StandInNotice | None,
        deadline: OutputDeadline,
    ) -> AsyncGenerator[tuple[int | str, str]]:
        """Yields the steps of the graph and what is to be spoken of them, after the call that the user confirmed."""
        self._use_current_tools()
        prompt = self._prompt(style)
        state = MessagesState(messages=await self._messages(history, tools, prompt, notice))
        # LangGraph declares its generator as an iterator, which has no `aclose`.
        stream = self._graph.astream(state, self._config(tools), stream_mode=["messages"])
        async with aclosing(cast("Parts", stream)) as parts:
            async for _, part in parts:
                step, text = _spoken(part)
                if text:
                    tools.note_spoken()
                yield step, text

    async def _messages(
        self, history: History, tools: ReplyTools, prompt: str, notice: StandInNotice | None
    ) -> list[AnyMessage]:
        """Returns the messages for a model, the system prompt first. Makes the call that the user has confirmed."""
        records = tools.calls.records
        if (confirmed := tools.calls.confirmed) is not None:
            made = await self._toolbox.run_confirmed(confirmed, tools)
            # The user's yes comes before the call, and the user hears of its end in this reply.
            records = (*records, replace(made, position=len(history), reported=True))
        messages = to_messages(history, prompt, self._max_tokens(prompt), records)
        if notice is not None:
            messages[0].additional_kwargs[STANDS_IN] = notice
        return messages

    def _config(self, tools: ReplyTools) -> RunnableConfig:
        """Returns the config with which the graph and its tools find the reply."""
        return as_config(tools)

    def _use_current_tools(self) -> None:
        """Makes the graph anew if other tools can be called now."""
        if (tools := self._toolbox.tools) is not self._tools:
            self._tools = tools
            self._tools_tokens = tools_tokens([convert_to_openai_tool(tool) for tool in tools])
            self._make_graph(tools)

    def _make_graph(self, tools: Sequence[BaseTool]) -> None:
        assert self._bare_model is not None, "the built-in graph needs a model"
        self._model = self._bare_model.bind_tools(tools) if tools else self._bare_model
        self._graph = build_graph(self._bare_model, self._model, tools, self._name, self._timeout_s)

    async def _wait_before_answer(self, wanted: asyncio.Event, deadline: OutputDeadline) -> None:
        """Waits as long as the answer must not begin."""
        await self._wait_if_near_rate_limit(wanted, deadline)

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


def _spoken(part: Any) -> tuple[int, str]:
    """Returns the step of a part of the graph's stream, and the text in it that is to be spoken."""
    message, metadata = part
    return metadata["langgraph_step"], message.text if metadata["langgraph_node"] == MODEL else ""


def _after_space(text: str) -> str:
    return Filler(f" {text}") if isinstance(text, Filler) else f" {text}"
