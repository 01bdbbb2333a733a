"""An agent that answers with an operator's graph."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage
from langchain_core.tools import BaseTool

from voicebot.agent.agent import GraphAgent
from voicebot.agent.own_graph import FactoryGraphs, OwnGraph, PreparedGraph
from voicebot.agent.running import GraphDeadline, ModelWatch, run_graph
from voicebot.agent.spoken import AnsweringNodes
from voicebot.agent.tools import Toolbox
from voicebot.agent.tools.reply_tools import ReplyTools
from voicebot.dialogue.history import History
from voicebot.engines.llm.messages import StandInNotice, notes_in, system_message, to_messages
from voicebot.engines.protocols import DEFAULT_STYLE, OutputDeadline, Style
from voicebot.languages.loader import language_names


class OwnGraphAgent(GraphAgent):
    """An `Agent` that answers with the graph `own`, which may answer nothing: the bot is then silent.

    A factory makes a graph around the `model` for each prompt and set of tools. It is given the whole system prompt;
    its graph gets the conversation, and before it a system message only with what is new in this reply, such as a call
    that has ended. A compiled graph has its own model and tools: it gets the conversation as it was heard, and no more.

    Unless the graph is preemptive, it runs only once a reply is wanted, as its nodes may have effects. `usual` is the
    style for which a factory is called at the start. See `GraphAgent` for the other options.
    """

    def __init__(
        self,
        own: OwnGraph,
        model: BaseChatModel | None,
        tools: Toolbox | Sequence[BaseTool],
        name: str,
        *,
        usual: Style = DEFAULT_STYLE,
        **options: Any,
    ) -> None:
        if own.made is not None:  # what languages it knows is not known
            options.setdefault("languages", frozenset(language_names()))
        super().__init__(model, tools, name, **options)
        self._own = own
        self._usual = usual
        self._preparing: set[asyncio.Task[PreparedGraph]] = set()
        self._compiled: PreparedGraph | None = None
        self._factory_graphs: FactoryGraphs | None = None
        if own.made is not None:
            self._compiled = PreparedGraph(own.made, AnsweringNodes(own.made, own.nodes, own.learned))
        else:
            assert model is not None, "a factory needs a model"
            self._factory_graphs = FactoryGraphs(own, model, name)

    @property
    def graph(self) -> str:
        """The name of the operator's graph."""
        return self._own.name if self._factory_graphs is None else self._factory_graphs.name

    async def start(self) -> None:
        """Starts the model's service, and makes the graph for the usual style."""
        await super().start()
        await self._prepared(self._usual)

    async def close(self) -> None:
        if self._factory_graphs is not None:
            await self._factory_graphs.close()
        if self._preparing:
            await asyncio.wait(self._preparing)
        await super().close()

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        """Probes the model's service, and makes the graph for the style, with the tools that can be called now."""
        await super().probe(style)
        await self._prepared(style)

    def prepare(self, style: Style) -> None:
        """Begins to make the graph for a style in which replies will be asked for. A failure shows in the reply."""
        if self._factory_graphs is not None:
            making = asyncio.create_task(self._prepared(style), name=f"graph of {self.name} for a style")
            self._preparing.add(making)
            making.add_done_callback(self._forget)

    def _forget(self, making: asyncio.Task[PreparedGraph]) -> None:
        self._preparing.discard(making)
        if not making.cancelled():
            making.exception()  # asyncio would log a failure that nobody reads

    async def _prepared(self, style: Style) -> PreparedGraph:
        if self._compiled is not None:
            return self._compiled
        assert self._factory_graphs is not None, "there is a factory if there is no graph"
        return await self._factory_graphs.get(system_message(self._prompt(style)).text, self._toolbox.tools)

    def _make_graph(self, tools: Sequence[BaseTool]) -> None:
        """Does nothing: the factory is called with the tools when there is time to wait for it."""

    def _deadline(self, deadline: OutputDeadline) -> OutputDeadline:
        return GraphDeadline(deadline, self._timeout_s, self.name)

    def _note_no_answer(self) -> None:
        """Does nothing: the graph has decided to be silent."""

    async def _wait_before_answer(self, wanted: asyncio.Event, deadline: OutputDeadline) -> None:
        if self._own.preemptive:
            await super()._wait_before_answer(wanted, deadline)
        elif not wanted.is_set():
            deadline.suspend()
            await wanted.wait()
            deadline.restart()

    async def _answer(
        self,
        history: History,
        tools: ReplyTools,
        style: Style,
        notice: StandInNotice | None,
        deadline: OutputDeadline,
    ) -> AsyncGenerator[tuple[int | str, str]]:
        assert isinstance(deadline, GraphDeadline)
        prepared = await self._prepared(style)
        config = self._config(tools)
        if self._compiled is not None:
            messages = to_messages(history, "", self._history_max_tokens)[1:]
        else:
            self._use_current_tools()
            messages = await self._notes_and_history(history, tools, self._prompt(style), notice)
            config["callbacks"] = [ModelWatch(deadline)]
        run = run_graph(prepared, {"messages": messages}, config, self.name, deadline, tools)
        async with aclosing(run) as pieces:
            async for piece in pieces:
                if piece is None:
                    yield "", ""
                else:
                    tools.note_spoken()
                    yield piece.message, piece.text

    async def _notes_and_history(
        self, history: History, tools: ReplyTools, prompt: str, notice: StandInNotice | None
    ) -> list[AnyMessage]:
        """Returns the messages without the system prompt, which the factory was given."""
        system, *conversation = await self._messages(history, tools, prompt, notice)
        notes = notes_in(system, prompt)
        return conversation if notes is None else [notes, *conversation]
