"""What AGENT may name, how a factory is called, and how what is wrong is told."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from tests.support.scripted_model import Script
from tests.support.waiting import until
from voicebot.agent import own_graph
from voicebot.agent.loading import LoadingError
from voicebot.agent.own_graph import GRAPHS_KEPT, FactoryGraphs, OwnGraph, load_own_graph
from voicebot.agent.tools import Toolbox, confirm, effects, pure
from voicebot.engines.errors import EngineError, Fault


@tool
async def look_up(what: str) -> str:
    """Look something up."""
    return f"{what} is there"


MODEL = Script(answers=[])


def one_node() -> StateGraph[Any, Any, Any, Any]:
    async def answer(state: MessagesState) -> None: ...

    graph: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    return graph


def other_state() -> Any:
    class Question(TypedDict):
        question: str

    async def answer(state: Question) -> None: ...

    graph: StateGraph[Any, Any, Any, Any] = StateGraph(Question)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    return graph.compile()


compiled = one_node().compile()
named_graph = one_node().compile(name="weather-bot")
not_compiled = one_node()
with_checkpointer = one_node().compile(checkpointer=InMemorySaver())
without_messages = other_state()
a_text = "no graph"


def factory(model: Any, tools: Any, prompt: str) -> Any:
    return create_agent(model, tools, system_prompt=prompt)


def factory_of_all(**given: Any) -> Any:
    return factory(**given)


def factory_with_more(model: Any, tools: Any, prompt: str, customers: str) -> Any: ...


def factory_without_tools(model: Any, prompt: str) -> Any: ...


# What AGENT may name --------------------------------------------------------------------------------------------------


def test_a_compiled_graph_is_called_by_its_own_name_or_else_by_that_of_its_module() -> None:
    assert load_own_graph(f"{__name__}:compiled").name == "test_own_graph"
    found = load_own_graph(f"{__name__}:named_graph")
    assert (found.name, found.made, found.factory) == ("weather-bot", named_graph, None)


def test_a_factory_is_called_by_the_name_of_its_file() -> None:
    found = load_own_graph(f"{__file__}:factory", ["answer"], preemptive=True)
    assert (found.name, found.made, found.nodes, found.preemptive) == ("test_own_graph", None, ("answer",), True)
    assert load_own_graph(f"{__name__}:factory_of_all").factory is factory_of_all


def test_no_graph_has_the_name_of_an_engine(tmp_path: Path) -> None:
    (tmp_path / "local.py").write_text("def make(model, tools, prompt): ...\n", "utf-8")
    assert load_own_graph(f"{tmp_path / 'local.py'}:make").name == "local graph"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("not_compiled", "it is a graph that is not compiled; add .compile()"),
        ("a_text", "it is a str, and neither a compiled graph nor a function that returns one"),
        ("without_messages", "its input has no `messages`"),
        (
            "with_checkpointer",
            "it has a checkpointer; compile it without one, as the bot gives it the whole conversation each time",
        ),
        (
            "factory_with_more",
            "it is called with the keywords model, tools and prompt: missing a required argument: 'customers'",
        ),
        (
            "factory_without_tools",
            "it is called with the keywords model, tools and prompt: got an unexpected keyword argument 'tools'",
        ),
    ],
)
def test_what_is_no_graph_is_refused_with_the_reason(name: str, problem: str) -> None:
    with pytest.raises(LoadingError) as caught:
        load_own_graph(f"{__name__}:{name}")
    assert str(caught.value) == f"AGENT: {__name__}:{name} cannot be used: {problem}"


@confirm("Shall I pay {amount} euros?")
async def pay(amount: int) -> str:
    """Pay."""
    raise AssertionError("nobody was asked")


@effects
async def order(what: str) -> str:
    """Order something."""
    return "ordered"


paying = create_agent(MODEL, [pay])
paying_inside = StateGraph(MessagesState).add_node("inner", paying).add_edge(START, "inner").compile()
ordering = create_agent(MODEL, [order, look_up, pure(look_up).model_copy(update={"name": "look"})])


@pytest.mark.parametrize("name", ["paying", "paying_inside"])
def test_a_graph_with_a_tool_that_must_ask_first_and_could_not_is_refused(name: str) -> None:
    with pytest.raises(LoadingError, match="its tool pay has the tag confirm, but nobody would be asked; name the"):
        load_own_graph(f"{__name__}:{name}")


async def test_a_factory_may_use_such_a_tool_only_as_it_is_given() -> None:
    def make(model: Any, tools: Any, prompt: str) -> Any:
        return create_agent(model, [*tools, pay])

    with pytest.raises(EngineError, match=r"returned what cannot be used: its tool pay has the tag confirm"):
        await graphs(make).get("", ())
    given = Toolbox([pay, order]).tools
    assert (await graphs(factory).get("", given)).tools == given


def test_tools_that_an_interruption_would_stop_are_named(caplog: pytest.LogCaptureFixture) -> None:
    load_own_graph(f"{__name__}:ordering")
    (said,) = caplog.messages
    assert said.startswith("AGENT: an interruption stops tools that a graph has brought along (order, look_up);")


def test_a_node_that_is_not_there_is_refused_and_those_that_are_there_are_named() -> None:
    with pytest.raises(LoadingError, match=r"AGENT_NODE: it has no node 'speaker'; there is answer$"):
        load_own_graph(f"{__name__}:compiled", ["speaker"])


def test_what_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import nowhere_to_be_found\n", "utf-8")
    with pytest.raises(LoadingError, match=r"No module named 'nowhere_to_be_found' at .*mine.py:1$"):
        load_own_graph(f"{tmp_path / 'mine.py'}:make")


# Factories ------------------------------------------------------------------------------------------------------------


class Factory:
    """A factory that keeps what it was given, and returns or raises `outcome`."""

    def __init__(self, outcome: Callable[[], Any] = lambda: one_node().compile()) -> None:
        self.given: list[dict[str, Any]] = []
        self.threads: set[threading.Thread] = set()
        self.outcome = outcome

    def __call__(self, model: Any, tools: Any, prompt: str) -> Any:
        self.given.append({"model": model, "tools": tools, "prompt": prompt})
        self.threads.add(threading.current_thread())
        return self.outcome()


def graphs(factory: Any, *nodes: str) -> FactoryGraphs:
    return FactoryGraphs(OwnGraph("make", None, factory, nodes), MODEL, "groq")


TOOLS: tuple[BaseTool, ...] = (look_up,)


async def test_a_factory_is_given_model_tools_and_prompt_once_for_each_prompt_and_set_of_tools() -> None:
    made = graphs(make := Factory())
    first = await made.get("Be brief.", TOOLS)
    assert await made.get("Be brief.", TOOLS) is first
    assert await made.get("Be long.", TOOLS) is not first
    assert await made.get("Be brief.", ()) is not first
    assert make.given == [
        {"model": MODEL, "tools": [look_up], "prompt": "Be brief."},
        {"model": MODEL, "tools": [look_up], "prompt": "Be long."},
        {"model": MODEL, "tools": [], "prompt": "Be brief."},
    ]
    assert threading.main_thread() not in make.threads, "a factory that loads something must not stop all sessions"


async def test_a_graph_of_a_factory_is_called_by_its_own_name_once_it_is_made() -> None:
    made = graphs(Factory(lambda: one_node().compile(name="desk")))
    assert made.name == "make"
    await made.get("", ())
    assert made.name == "desk"
    without = graphs(Factory())
    await without.get("", ())
    assert without.name == "make"


async def test_several_who_want_the_same_graph_get_one_and_a_cancelled_one_stops_it_for_nobody() -> None:
    gate = threading.Event()
    made = graphs(make := Factory(lambda: gate.wait(30) and one_node().compile()))
    cancelled, *others = [asyncio.create_task(made.get("Be brief.", ())) for _ in range(3)]
    await until(lambda: make.given)
    cancelled.cancel()
    gate.set()
    first, second = await asyncio.gather(*others)
    assert first is second
    assert len(make.given) == 1


async def test_a_coroutine_function_may_be_the_factory_and_so_may_a_function_that_returns_an_awaitable() -> None:
    async def make(model: Any, tools: Any, prompt: str) -> Any:
        assert threading.current_thread() is threading.main_thread()
        return one_node().compile()

    assert (await graphs(make).get("", ())).graph.builder.nodes.keys() == {"answer"}
    assert (await graphs(lambda **given: make(**given)).get("", ())).graph.builder.nodes.keys() == {"answer"}


async def test_only_the_graphs_that_were_used_last_are_kept() -> None:
    made = graphs(make := Factory())
    for number in range(GRAPHS_KEPT):
        await made.get(f"{number}", ())
    dropped = weakref.ref((await made.get("1", ())).graph)
    await made.get("0", ())
    for number in range(GRAPHS_KEPT - 1):
        await made.get(f"more {number}", ())
    gc.collect()
    assert dropped() is None
    made_before = len(make.given)
    await made.get("0", ())
    assert len(make.given) == made_before, "the one that was used after it is kept"


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (one_node, "returned what cannot be used: it is a graph that is not compiled and no compiled graph"),
        (lambda: None, "returned what cannot be used: it is a NoneType and no compiled graph"),
        (lambda: without_messages, "returned what cannot be used: its input has no `messages`"),
        (lambda: dict[str, int]()["secret"], rf"failed: KeyError: 'secret' at {__file__}:\d+"),
        (lambda: int("hunter2"), rf"failed: ValueError at {__file__}:\d+"),
        (lambda: sys.exit("hunter2"), rf"failed: SystemExit at {__file__}:\d+"),
    ],
)
async def test_a_factory_that_fails_is_an_error_of_the_engine_which_the_next_one_may_not_have(
    outcome: Callable[[], Any], says: str
) -> None:
    with pytest.raises(EngineError, match=rf"^groq: the factory that AGENT names {says}$") as caught:
        await graphs(Factory(outcome)).get("", ())
    assert (caught.value.fault, caught.value.repeatable) == (Fault.REJECTED, True)


async def test_a_factory_whose_graph_lacks_the_named_node_fails() -> None:
    with pytest.raises(EngineError, match="AGENT_NODE: it has no node 'speaker'; there is answer"):
        await graphs(Factory(), "speaker").get("", ())


async def test_a_factory_that_failed_is_called_again_the_next_time() -> None:
    graph, missing = one_node().compile(), iter([ZeroDivisionError()])

    def outcome() -> Any:
        for error in missing:
            raise error
        return graph

    made = graphs(Factory(outcome))
    with pytest.raises(EngineError, match="ZeroDivisionError"):
        await made.get("", ())
    assert (await made.get("", ())).graph.builder.nodes.keys() == {"answer"}


async def test_an_exit_in_a_coroutine_function_is_an_error_too() -> None:
    async def make(model: Any, tools: Any, prompt: str) -> Any:
        sys.exit(3)

    with pytest.raises(EngineError, match=rf"failed: SystemExit at {__file__}:\d+$"):
        await graphs(make).get("", ())


async def test_factories_that_never_return_leave_the_threads_of_the_bot_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_graph, "FACTORY_S", 0.05)
    release = threading.Event()
    many = graphs(Factory(release.wait))
    # asyncio's own pool has five threads more than the machine has cores.
    waiting = [many.get(f"{number}", ()) for number in range((os.cpu_count() or 1) + 5)]
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {str(each) for each in ended} == {"groq: the factory that AGENT names did not return within 0.05 s"}
    assert await asyncio.to_thread(lambda: not release.is_set()), "it was not stuck behind them"
    release.set()


async def test_a_factory_that_does_not_return_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_graph, "FACTORY_S", 0.05)

    async def forever(model: Any, tools: Any, prompt: str) -> Any:
        await asyncio.Event().wait()

    with pytest.raises(EngineError, match=r"did not return within 0.05 s$") as caught:
        await graphs(forever).get("", ())
    assert caught.value.fault is Fault.TIMEOUT


async def test_closing_stops_what_is_being_made() -> None:
    stopped = asyncio.Event()

    async def forever(model: Any, tools: Any, prompt: str) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    made = graphs(forever)
    waiting = asyncio.create_task(made.get("", ()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await made.close()
    assert stopped.is_set()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_a_graph_of_create_agent_is_made_in_milliseconds() -> None:
    """A reply waits while a graph is made. A new prompt makes one when the preferences change, before anybody waits."""
    begun_s = time.process_time()
    for _ in range(10):
        create_agent(MODEL, [look_up], system_prompt="Be brief.")
    assert (time.process_time() - begun_s) / 10 < 0.1
