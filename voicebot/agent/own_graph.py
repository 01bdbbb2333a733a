"""The graph of an operator, which the setting AGENT names: a compiled graph, or a factory that makes graphs."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode
from langgraph.pregel import Pregel

from voicebot.agent.loading import LoadingError, is_path, load_object, why_it_failed
from voicebot.agent.spoken import AnsweringNodes, AnyGraph, LearnedNodes
from voicebot.agent.tools.guarded import GuardedTool
from voicebot.dialogue.tool_calls import ToolTag
from voicebot.engines.errors import Fault, GraphError
from voicebot.runtime.foreign_code import contained, enter_foreign_code, raised_by_code
from voicebot.settings.registry import ALL

logger = logging.getLogger(__name__)

Factory = Callable[..., AnyGraph | Awaitable[AnyGraph]]
"""Called with the keywords `model`, `tools` and `prompt`; a coroutine function may be given, too."""

UNNAMED = "LangGraph"
"""The name that LangGraph gives to a graph without a name."""

FACTORY_S = 30.0
"""How long a factory may take for one graph. The `create_agent` of LangChain 1.5 takes 2 ms; a factory that loads a
document index takes seconds."""

GRAPHS_KEPT = 64
"""How many graphs of one factory are kept, of those that were used last: five languages with a dozen personas. One of
`create_agent` takes about 0.1 MB."""


class WrongGraphError(Exception):
    """An object is no graph that the bot can use. The message says why, for its builder."""


@dataclass(frozen=True, slots=True)
class OwnGraph:
    """What AGENT names. `name` is that of the compiled graph, or else of the file or module.

    `nodes` are those whose text is spoken; if there are none, the bot finds them out.

    The graph begins before the user's turn is over if it is `preemptive`, and else waits for that.
    """

    name: str
    made: AnyGraph | None
    """The compiled graph; None if there is a factory."""
    factory: Factory | None = None
    nodes: tuple[str, ...] = ()
    preemptive: bool = False
    learned: LearnedNodes = field(default_factory=LearnedNodes)


def load_own_graph(reference: str, nodes: Sequence[str] = (), *, preemptive: bool = False) -> OwnGraph:
    """Returns the graph or the factory that the setting AGENT names. Raises LoadingError."""
    found = load_object(reference, "AGENT")
    name = _name_in(reference)
    try:
        if isinstance(found, CompiledStateGraph):
            check_graph(found)
            _check_nodes(found, nodes)
            return OwnGraph(_name_of(found) or name, found, nodes=tuple(nodes), preemptive=preemptive)
        if isinstance(found, StateGraph):
            raise WrongGraphError("it is a graph that is not compiled; add .compile()")
        if not callable(found):
            kind = type(found).__name__
            raise WrongGraphError(f"it is a {kind}, and neither a compiled graph nor a function that returns one")
        _check_keywords(found)
    except WrongGraphError as error:
        raise LoadingError(f"AGENT: {reference} cannot be used: {error}") from None
    return OwnGraph(name, None, found, tuple(nodes), preemptive)


def _name_in(reference: str) -> str:
    """Returns the name of the file or module in a reference. Most functions that make graphs are called the same."""
    place = reference.strip().rpartition(":")[0]
    return _not_a_model(Path(place).stem if is_path(place) else place.rpartition(".")[2])


def _name_of(graph: AnyGraph) -> str | None:
    """Returns the name that the graph was compiled with, or None."""
    return None if graph.name == UNNAMED else _not_a_model(graph.name)


def _not_a_model(name: str) -> str:
    """Returns a name that differs from those of the engines, so that visitors see what is a graph."""
    return f"{name} graph" if name in ALL else name


def check_graph(graph: object) -> None:
    """Raises WrongGraphError if the bot cannot use the graph."""
    if not isinstance(graph, CompiledStateGraph):
        kind = "graph that is not compiled" if isinstance(graph, StateGraph) else type(graph).__name__
        raise WrongGraphError(f"it is a {kind} and no compiled graph")
    builder = graph.builder
    if "messages" not in builder.schemas.get(builder.input_schema, builder.channels):
        raise WrongGraphError("its input has no `messages`")
    if graph.checkpointer:
        raise WrongGraphError(
            "it has a checkpointer; compile it without one, as the bot gives it the whole conversation each time"
        )
    _check_tools(graph)


def _check_tools(graph: AnyGraph) -> None:
    """Checks the tools that the graph has brought along, which run without the policy of their tags.

    Raises WrongGraphError for one that must ask the user first, and warns of those that an interruption would stop.
    """
    nodes = [node.bound for each in _with_inner_graphs(graph) for node in each.nodes.values()]
    tools = [tool for node in nodes if isinstance(node, ToolNode) for tool in node.tools_by_name.values()]
    stopped = []
    for tool in tools:
        if isinstance(tool, GuardedTool) or ToolTag.PURE in (tool.tags or ()):
            continue
        if ToolTag.CONFIRM in (tool.tags or ()):
            raise WrongGraphError(
                f"its tool {tool.name} has the tag confirm, but nobody would be asked; name the tool in TOOLS, and let"
                " a factory give its graph the `tools` that it is called with"
            )
        stopped.append(tool.name)
    if stopped:
        logger.warning(
            "AGENT: an interruption stops tools that a graph has brought along (%s); it does not stop those with"
            " effects that TOOLS names and a factory is given",
            ", ".join(stopped),
        )


def _with_inner_graphs(graph: AnyGraph) -> list[Pregel[Any, Any, Any, Any]]:
    return [graph, *(inner for _, inner in graph.get_subgraphs(recurse=True) if isinstance(inner, Pregel))]


def _check_nodes(graph: AnyGraph, nodes: Sequence[str]) -> None:
    """Raises WrongGraphError if the graph, with the graphs inside it, lacks one of the nodes."""
    known = dict.fromkeys(name for each in _with_inner_graphs(graph) for name in each.nodes if name != START)
    if unknown := [name for name in nodes if name not in known]:
        raise WrongGraphError(f"AGENT_NODE: it has no node {unknown[0]!r}; there is {', '.join(known)}")


def _check_keywords(factory: Callable[..., Any]) -> None:
    try:
        inspect.signature(factory).bind(model=None, tools=None, prompt=None)
    except TypeError as error:
        raise WrongGraphError(f"it is called with the keywords model, tools and prompt: {error}") from None
    except ValueError:
        """Some callables written in C have no signature; the call will tell."""


@dataclass(frozen=True, slots=True)
class PreparedGraph:
    """A graph, and what is known of its nodes."""

    graph: AnyGraph
    nodes: AnsweringNodes
    tools: tuple[BaseTool, ...] = ()
    """The tools that it was made with."""


class FactoryGraphs:
    """The graphs that a factory makes around one model, one for each prompt and set of tools.

    `engine` is the name of the model's engine, for errors. Graphs are made once each, and the last ones are kept.
    """

    def __init__(self, own: OwnGraph, model: BaseChatModel, engine: str) -> None:
        assert own.factory is not None, "a compiled graph needs none"
        self._own = own
        self._factory = own.factory
        self._model = model
        self._engine = engine
        self.name = own.name
        """The name that the graphs were compiled with, or else that of the file or module."""
        self._made: OrderedDict[tuple[str, tuple[int, ...]], asyncio.Task[PreparedGraph]] = OrderedDict()

    async def get(self, prompt: str, tools: tuple[BaseTool, ...]) -> PreparedGraph:
        """Returns the graph for a prompt and tools, and makes it if needed. Raises GraphError.

        If several ask for the same graph at once, it is made once; who is cancelled does not stop it for the others.
        """
        key = prompt, tuple(map(id, tools))
        making = self._made.get(key)
        if making is None or (making.done() and (making.cancelled() or making.exception() is not None)):
            making = asyncio.create_task(self._make(prompt, tools), name=f"graph of {self._engine}")
            making.add_done_callback(_note_outcome)
            self._made[key] = making
            if len(self._made) > GRAPHS_KEPT:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return await asyncio.shield(making)

    async def close(self) -> None:
        """Stops graphs from being made. Those that were made are kept."""
        making = [task for task in self._made.values() if not task.done()]
        for task in making:
            task.cancel()
        if making:
            await asyncio.wait(making)

    async def _make(self, prompt: str, tools: tuple[BaseTool, ...]) -> PreparedGraph:
        given = {"model": self._model, "tools": list(tools), "prompt": prompt}
        enter_foreign_code()
        try:
            async with asyncio.timeout(FACTORY_S) as limit:
                with contained():
                    if inspect.iscoroutinefunction(self._factory):
                        graph = await self._factory(**given)
                    else:  # in a thread, as it may load something, and no session may stop meanwhile
                        graph = await asyncio.to_thread(self._factory, **given)
                        if inspect.isawaitable(graph):
                            graph = await graph
            check_graph(graph)
            _check_nodes(graph, self._own.nodes)
            self.name = _name_of(graph) or self._own.name
            nodes = AnsweringNodes(graph, self._own.nodes, self._own.learned)
            return PreparedGraph(graph, nodes, tools)
        except WrongGraphError as error:
            raise self._error(f"returned what cannot be used: {error}") from None
        except Exception as error:  # boundary: whatever the operator's factory does wrong is named to them
            if isinstance(error, TimeoutError) and limit.expired():
                raise self._error(f"did not return within {FACTORY_S:g} s", Fault.TIMEOUT) from None
            logger.debug("a factory failed", exc_info=error)
            raise self._error(f"failed: {why_it_failed(raised_by_code(error))}") from error

    def _error(self, what: str, fault: Fault = Fault.REJECTED) -> GraphError:
        return GraphError(self._engine, f"the factory that AGENT names {what}", fault=fault)


def _note_outcome(making: asyncio.Task[PreparedGraph]) -> None:
    """Keeps asyncio from logging the failure of a factory whose caller has given up waiting."""
    if not making.cancelled():
        making.exception()
