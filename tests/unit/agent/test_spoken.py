"""Which text of an operator's graph is spoken: graphs of many shapes, each for the first time and again.

A reply is written down as the pieces in which it is yielded, so that one can see whether it is spoken as it comes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Literal

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import create_react_agent
from langgraph.types import Command

from tests.support.scripted_model import Script, Whole, call
from voicebot.agent.own_agent import OwnGraphAgent
from voicebot.agent.own_graph import OwnGraph
from voicebot.dialogue.history import History, Message, Role
from voicebot.engines.errors import EngineError

HI: History = (Message(Role.USER, "hi"),)
WANTED = asyncio.Event()
WANTED.set()


class State(MessagesState):
    topic: str
    summary: str


@tool
async def look_up(what: str) -> str:
    """Look something up."""
    return f"{what} is there"


def script(*answers: Sequence[Any]) -> Script:
    """Returns a model that gives these answers over and over again."""
    return Script(answers=[list(answer) for _ in range(6) for answer in answers])


def node(model: Any) -> Any:
    """Returns a node that adds the model's answer to the messages."""

    async def answer(state: State) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return answer


def chain(**nodes: Any) -> StateGraph[Any, Any, Any, Any]:
    """Returns a graph of nodes that follow each other."""
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    for before, (name, each) in zip((START, *nodes), nodes.items(), strict=False):
        graph.add_node(name, each)
        graph.add_edge(before, name)
    return graph


async def replies(graph: Any, *nodes: str, times: int = 2) -> list[list[str]]:
    """Returns the pieces of several replies of the same graph. It has been stopped when this returns."""
    agent = OwnGraphAgent(
        OwnGraph("mine", graph.compile() if isinstance(graph, StateGraph) else graph, nodes=nodes), None, (), "mine"
    )
    given = []
    for _ in range(times):
        async with aclosing(agent.reply(HI, WANTED)) as pieces:
            given.append([piece async for piece in pieces])
    return given


async def test_the_one_node_of_create_agent_is_spoken_as_it_writes_and_its_tools_are_not() -> None:
    model = script(["Let me ", "see.", call("look_up", '{"what": "milk"}')], ["It ", "is there."])
    assert await replies(create_agent(model, [look_up])) == [["Let me ", "see.", " It ", "is there."]] * 2


async def test_the_one_node_beside_the_tools_is_spoken_while_it_writes_from_the_first_reply_on() -> None:
    gate = asyncio.Event()
    graph = create_agent(Script(answers=[["It ", gate, "rains."]]), [look_up])
    async with aclosing(OwnGraphAgent(OwnGraph("mine", graph), None, (), "mine").reply(HI, WANTED)) as pieces:
        assert await anext(pieces) == "It "
        gate.set()
        assert [piece async for piece in pieces] == ["rains."]


@pytest.mark.filterwarnings("ignore:create_react_agent")
async def test_the_older_create_react_agent_is_spoken_alike() -> None:
    model = script([call("look_up", '{"what": "milk"}')], ["It ", "is there."])
    assert await replies(create_react_agent(model, [look_up])) == [["It ", "is there."]] * 2


class Audit(AgentMiddleware):
    """Middleware with nodes before and after the model, of which none answers."""

    async def abefore_model(self, *_: Any) -> None: ...

    async def aafter_model(self, *_: Any) -> None: ...

    async def aafter_agent(self, *_: Any) -> None: ...


async def test_middleware_around_the_model_does_not_keep_it_from_being_spoken() -> None:
    model = script([call("look_up", '{"what": "milk"}')], ["It ", "is there."])
    assert await replies(create_agent(model, [look_up], middleware=[Audit()])) == [["It ", "is there."]] * 2


@pytest.mark.parametrize("adds_to_messages", [False, True])
async def test_a_router_before_the_answer_is_never_spoken(*, adds_to_messages: bool) -> None:
    """Even if it adds its word to the messages, as another node answers after it."""
    router = script(["weather"])

    async def route(state: State) -> Any:
        word = await router.ainvoke(state["messages"])
        return {"messages": [word]} if adds_to_messages else {"topic": word.text}

    graph = chain(route=route, answer=node(script(["It ", "rains."])))
    assert await replies(graph) == [["It ", "rains."]] * 2


async def test_a_router_in_a_conditional_edge_is_never_spoken() -> None:
    router = script(["weather"])

    async def route(state: State) -> str:
        return (await router.ainvoke(state["messages"])).text

    graph: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    graph.add_node("weather", node(script(["It ", "rains."])))
    graph.add_node("sports", node(script(["They won."])))
    graph.add_conditional_edges(START, route, ["weather", "sports"])
    assert await replies(graph) == [["It ", "rains."]] * 2


async def test_a_summary_after_the_answer_is_never_spoken_and_holds_the_answer_back_only_once() -> None:
    gate = asyncio.Event()
    summarizer = Script(answers=[["The user ", "asked."], [gate, "The user ", "asked."]])

    async def summarize(state: State) -> Any:
        return {"summary": (await summarizer.ainvoke(state["messages"])).text}

    graph = chain(answer=node(script(["It ", "rains."])), summarize=summarize).compile()
    agent = OwnGraphAgent(OwnGraph("mine", graph), None, (), "mine")
    async with aclosing(agent.reply(HI, WANTED)) as pieces:
        assert [piece async for piece in pieces] == ["It ", "rains."]
    async with aclosing(agent.reply(HI, WANTED)) as pieces:
        assert [await anext(pieces), await anext(pieces)] == ["It ", "rains."], "spoken before the summary is begun"
        gate.set()
        assert [piece async for piece in pieces] == []


async def test_a_node_that_writes_nothing_after_the_answer_holds_it_back_only_once() -> None:
    gate = asyncio.Event()
    graph = chain(answer=node(Script(answers=[["It rains."], ["It ", gate, "rains."]])), log=log)
    agent = OwnGraphAgent(OwnGraph("mine", graph.compile()), None, (), "mine")
    async with aclosing(agent.reply(HI, WANTED)) as pieces:
        assert [piece async for piece in pieces] == ["It rains."]
    async with aclosing(agent.reply(HI, WANTED)) as pieces:
        assert await anext(pieces) == "It ", "spoken while the model still writes"
        gate.set()
        assert [piece async for piece in pieces] == ["rains."]


def supervisor(*answers: Sequence[Any]) -> StateGraph[Any, Any, Any, Any]:
    """Returns a supervisor with one worker, a whole agent of its own with a tool, which reports to the supervisor."""
    model = script(*answers)
    worker = script([call("look_up", '{"what": "rain"}')], ["Rain ", "comes."])

    async def supervise(state: State) -> Command[Literal["worker", "__end__"]]:
        answer = await model.ainvoke(state["messages"])
        if answer.tool_calls:
            return Command(goto="worker")
        return Command(goto="__end__", update={"messages": [answer] if answer.text else []})

    graph: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    graph.add_node("supervisor", supervise)
    graph.add_node("worker", create_agent(worker, [look_up], name="worker"))
    graph.add_edge(START, "supervisor")
    graph.add_edge("worker", "supervisor")
    return graph


async def test_a_supervisor_is_spoken_and_the_reports_of_its_workers_are_not() -> None:
    graph = supervisor([call("ask_worker")], ["Take an ", "umbrella."])
    assert await replies(graph, times=3) == [["Take an ", "umbrella."]] * 3


async def test_a_worker_is_spoken_if_the_supervisor_says_nothing_after_it() -> None:
    graph = supervisor([call("ask_worker")], [""])
    assert await replies(graph, times=3) == [["Rain ", "comes."]] * 3


async def test_agents_that_hand_over_to_each_other_are_spoken_whichever_answers() -> None:
    """Each of them is a graph inside the graph, whose text is spoken as it comes."""
    sales = create_agent(script(["Sales ", "here."]), [], name="sales")
    support = create_agent(script(["Support ", "here."]), [], name="support")
    turns = iter(["sales", "support", "sales"])

    async def route(state: State) -> str:
        return next(turns)

    graph: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    graph.add_node("sales", sales)
    graph.add_node("support", support)
    graph.add_conditional_edges(START, route, ["sales", "support"])
    assert await replies(graph, times=3) == [["Sales ", "here."], ["Support ", "here."], ["Sales ", "here."]]


async def test_an_agent_that_is_a_tool_of_another_one_is_not_spoken() -> None:
    expert = create_agent(script(["Inner ", "thoughts."]), [])

    @tool
    async def ask_expert(question: str) -> str:
        """Ask the expert."""
        return str((await expert.ainvoke({"messages": [HumanMessage(question)]}))["messages"][-1].text)

    model = script([call("ask_expert", '{"question": "Why?"}')], ["Because ", "of this."])
    assert await replies(create_agent(model, [ask_expert])) == [["Because ", "of this."]] * 2
    model = script([call("ask_expert", '{"question": "Why?"}')], ["Because ", "of this."])
    assert await replies(create_agent(model, [ask_expert]), "model") == [["Because ", "of this."]] * 2


@pytest.mark.parametrize(
    "added",
    [
        AIMessage("A fixed text."),
        {"role": "assistant", "content": "A fixed text."},
        ("ai", "A fixed text."),
        [HumanMessage("not this"), AIMessage("A fixed text."), ToolMessage("nor this", tool_call_id="1")],
    ],
)
@pytest.mark.parametrize("named", [(), ("fixed",)])
async def test_whole_messages_are_spoken(added: Any, named: tuple[str, ...]) -> None:
    async def fixed(state: State) -> Any:
        return {"messages": added if isinstance(added, list) else [added]}

    assert await replies(chain(fixed=fixed), *named) == [["A fixed text."]] * 2


async def test_two_messages_of_a_node_are_spoken_with_a_space_between_and_the_history_is_not() -> None:
    async def fixed(state: State) -> Any:
        return {"messages": [*state["messages"], AIMessage("One."), AIMessage("Two.")]}

    assert await replies(chain(fixed=fixed)) == [["One.", " Two."]] * 2


async def log(state: State) -> None:
    """A node that writes nothing."""


@pytest.mark.parametrize(("named", "spoken"), [((), "IT RAINS."), (("edited",), "It rains.")])
async def test_a_node_that_changes_what_its_model_wrote_is_spoken_once(named: tuple[str, ...], spoken: str) -> None:
    """A node that is named is spoken as its model writes, and else what it adds to the messages."""
    model = script(["It ", "rains."])

    async def edited(state: State) -> Any:
        return {"messages": [AIMessage((await model.ainvoke(state["messages"])).text.upper())]}

    assert ["".join(reply) for reply in await replies(chain(edited=edited, log=log), *named)] == [spoken] * 2


def asks_whole(state: State) -> Any:
    return {"messages": [Whole().invoke(state["messages"])]}


async def test_a_plain_function_with_a_model_that_does_not_stream_is_spoken() -> None:
    assert await replies(chain(plain=asks_whole)) == [["All at once."]] * 2


async def test_only_the_named_nodes_are_spoken_and_as_they_write_from_the_first_reply_on() -> None:
    gate = asyncio.Event()
    graph = chain(first=node(script(["One."])), second=node(Script(answers=[["Two ", gate, "three."]])))
    agent = OwnGraphAgent(OwnGraph("mine", graph.compile(), nodes=("second",)), None, (), "mine")
    async with aclosing(agent.reply(HI, WANTED)) as pieces:
        assert await anext(pieces) == "Two "
        gate.set()
        assert [piece async for piece in pieces] == ["three."]
    graph = chain(first=node(script(["One."])), second=node(script(["Two."])), third=node(script(["Three."])))
    assert await replies(graph, "first", "third") == [["One.", " Three."]] * 2


async def test_a_node_of_a_graph_inside_the_graph_can_be_named() -> None:
    assert await replies(supervisor([call("ask_worker")], ["Take an umbrella."]), "worker") == [["Rain ", "comes."]] * 2
    assert await replies(supervisor([call("ask_worker")], ["Take an umbrella."]), "model") == [["Rain ", "comes."]] * 2


async def test_a_model_with_the_tag_nostream_is_not_spoken() -> None:
    """The tag is LangGraph's own, for a node that asks several models."""
    draft, final = script(["A draft."]).with_config(tags=["nostream"]), script(["The ", "answer."])

    async def answer(state: State) -> Any:
        await draft.ainvoke(state["messages"])
        return {"messages": [await final.ainvoke(state["messages"])]}

    assert await replies(chain(answer=answer)) == [["The ", "answer."]] * 2


async def test_of_nodes_that_run_side_by_side_each_answer_is_spoken() -> None:
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    for name in ("left", "right"):
        graph.add_node(name, node(script([f"{name.title()}."])))
        graph.add_edge(START, name)
    for reply in await replies(graph):
        assert sorted("".join(reply).split()) == ["Left.", "Right."]


@pytest.mark.parametrize("named", [(), ("quiet",)])
async def test_a_graph_may_be_silent(named: tuple[str, ...]) -> None:
    async def quiet(state: State) -> None: ...

    assert await replies(chain(quiet=quiet), *named) == [[""], [""]]


async def test_a_graph_that_answers_only_sometimes_is_spoken_when_it_does() -> None:
    """A guard that mostly adds nothing is spoken when it does add something."""
    turns = iter([[], [AIMessage("I must not say that.")], []])

    async def guard(state: State) -> Any:
        return {"messages": next(turns)}

    graph = chain(answer=node(script(["It ", "rains."])), guard=guard)
    said = ["".join(reply) for reply in await replies(graph, times=3)]
    assert said == ["It rains.", "It rains. I must not say that.", "It rains."]


async def test_text_that_is_added_to_no_message_is_silent_and_the_log_says_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = script(["It rains."])

    async def lost(state: State) -> Any:
        return {"summary": (await model.ainvoke(state["messages"])).text}

    with caplog.at_level(logging.INFO):
        assert await replies(chain(lost=lost, log=log)) == [[""]] * 2
    assert caplog.text.count("AGENT_NODE could name nodes that wrote: lost") == 1


async def test_a_reply_that_failed_teaches_nothing_about_nodes_that_did_not_answer() -> None:
    async def fails_once(state: State) -> None:
        if not failures:
            failures.append(True)
            raise RuntimeError("once")

    failures: list[bool] = []
    graph = chain(answer=node(script(["It ", "rains."])), log=fails_once).compile()
    agent = OwnGraphAgent(OwnGraph("mine", graph), None, (), "mine")
    with pytest.raises(EngineError):
        async with aclosing(agent.reply(HI, WANTED)) as pieces:
            assert [piece async for piece in pieces] == []
    async with aclosing(agent.reply(HI, WANTED)) as pieces:
        assert [piece async for piece in pieces] == ["It ", "rains."]
