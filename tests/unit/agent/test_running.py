"""How an operator's graph is run for a reply: what it is given, its limits, its errors, and its end."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, SystemMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from tests.support.scripted_model import Endless, Script, brief, call
from tests.support.waiting import until
from voicebot.agent import running
from voicebot.agent.own_agent import OwnGraphAgent
from voicebot.agent.own_graph import OwnGraph
from voicebot.agent.running import MAX_STEPS
from voicebot.agent.tools import effects, pure
from voicebot.dialogue.history import History, Message, Role
from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.messages import CUT_MARK_EXPLAINED, STANDS_IN, StandInNotice
from voicebot.engines.llm.offline import OfflineModel
from voicebot.engines.protocols import OutputDeadline, Style

HI: History = (Message(Role.USER, "hi"),)
WANTED = asyncio.Event()
WANTED.set()


def graph_of(*nodes: Any, loops: bool = False) -> Any:
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    names = [each.__name__ for each in nodes]
    for before, name, each in zip([START, *names], names, nodes, strict=False):
        graph.add_node(name, each)
        graph.add_edge(before, name)
    if loops:
        graph.add_edge(names[-1], names[0])
    return graph.compile()


def compiled(*nodes: Any, **options: Any) -> OwnGraphAgent:
    own = OwnGraph(
        "mine", graph_of(*nodes, loops=options.pop("loops", False)), preemptive=options.pop("preemptive", False)
    )
    return OwnGraphAgent(own, None, (), "mine", **options)


def made_by(factory: Any, model: Any, tools: Sequence[Any] = (), **options: Any) -> OwnGraphAgent:
    own = OwnGraph("make", None, factory, preemptive=options.pop("preemptive", False))
    return OwnGraphAgent(own, model, tools, "groq", prompt=brief, **options)


def usual(model: Any, tools: Any, prompt: str) -> Any:
    return create_agent(model, tools, system_prompt=prompt)


async def said(agent: OwnGraphAgent, history: History = HI, **options: Any) -> str:
    async with aclosing(agent.reply(history, WANTED, **options)) as pieces:
        return "".join([piece async for piece in pieces])


async def failure(agent: OwnGraphAgent) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await said(agent)
    return caught.value


def told(messages: Sequence[BaseMessage]) -> list[tuple[str, str]]:
    return [(message.type, message.text) for message in messages]


# What a graph is given ------------------------------------------------------------------------------------------------

TALKED: History = (
    Message(Role.USER, "tell me a story"),
    Message(Role.ASSISTANT, "Once upon a", interrupted=True),
    Message(Role.USER, "wait"),
)


async def test_a_compiled_graph_gets_the_conversation_as_it_was_heard_and_no_system_message() -> None:
    seen: list[Any] = []

    async def answer(state: MessagesState) -> Any:
        seen.extend(state["messages"])
        return {"messages": [AIMessage("Yes.")]}

    assert await said(compiled(answer), TALKED) == "Yes."
    assert told(seen) == [("human", "tell me a story"), ("ai", "Once upon a —"), ("human", "wait")]


async def test_a_factory_is_given_the_whole_prompt_and_its_graph_the_conversation() -> None:
    prompts: list[str] = []

    def make(model: Any, tools: Any, prompt: str) -> Any:
        prompts.append(prompt)
        return usual(model, tools, prompt)

    model = Script(answers=[["Yes."]])
    assert await said(made_by(make, model), TALKED) == "Yes."
    assert len(prompts) == 1
    assert prompts[0].startswith("Be brief.")
    assert CUT_MARK_EXPLAINED in prompts[0]
    assert told(model.given[0]) == [
        ("system", prompts[0]),
        ("human", "tell me a story"),
        ("ai", "Once upon a —"),
        ("human", "wait"),
    ]


class Calls:
    """A conversation in which a call has ended that the user does not know of."""

    conversation = "c-1"
    records = (CallRecord("abc", "order", '{"count": 2}', CallStatus.DONE, "ordered 2", position=1),)
    confirmed = None

    async def run(self, *_: Any) -> Any:
        raise AssertionError

    def ask(self, *_: Any) -> None:
        raise AssertionError


async def test_what_is_new_in_a_reply_is_a_system_message_and_makes_no_new_graph() -> None:
    made: list[str] = []

    def make(model: Any, tools: Any, prompt: str) -> Any:
        made.append(prompt)
        return usual(model, tools, prompt)

    model = Script(answers=[["Two are ordered."], ["You are welcome."]])
    agent = made_by(make, model)
    await said(agent, TALKED, calls=Calls())
    prompt, notes, *conversation = model.given[0]
    assert isinstance(notes, SystemMessage)
    assert notes.text.endswith('- order {"count": 2}: done: ordered 2')
    assert "Be brief." not in notes.text
    assert [message.type for message in conversation] == ["human", "ai", "tool", "ai", "human"]
    await said(agent)
    assert told(model.given[1]) == [("system", prompt.text), ("human", "hi")]
    assert len(made) == 1


async def test_the_offline_model_says_in_a_factory_s_graph_too_that_it_stands_in() -> None:
    agent = made_by(usual, OfflineModel())
    assert (await said(agent, stands_in=True)).startswith("My language model is away")
    assert "away" not in await said(agent)
    model = Script(answers=[["Yes."]])
    await said(made_by(usual, model), stands_in=True, stood_in="groq")
    assert model.given[0][1].additional_kwargs[STANDS_IN] is StandInNotice.KNOWN


async def test_each_style_has_a_graph_of_its_own_which_can_be_made_before_a_reply_needs_it() -> None:
    prompts: list[str] = []

    def make(model: Any, tools: Any, prompt: str) -> Any:
        prompts.append(prompt.partition("\n")[0])
        return usual(model, tools, prompt)

    own = OwnGraph("make", None, make)
    model = Script(answers=[["Ja."], ["Yes."]])
    agent = OwnGraphAgent(own, model, (), "groq", prompt=lambda style: f"In {style.language}.", usual=Style("en"))
    await agent.start()
    assert prompts == ["In en."], "the graph of the usual style is made at the start"
    agent.prepare(Style("de"))
    await said(agent, style=Style("de"))
    assert prompts == ["In en.", "In de."]
    assert model.given[0][0].text.startswith("In de.")
    await agent.close()


# Text -----------------------------------------------------------------------------------------------------------------


async def test_tokens_are_spoken_as_they_come_with_split_surrogates_joined() -> None:
    gate = asyncio.Event()
    agent = made_by(usual, Script(answers=[["Warm up."], ["A \ud83d", gate, "\ude00."]]))
    await said(agent)
    async with aclosing(agent.reply(HI, WANTED)) as pieces:
        assert await anext(pieces) == "A "
        gate.set()
        assert "".join([piece async for piece in pieces]) == "😀."


async def test_a_tool_of_the_factory_is_covered_by_a_filler_and_runs_by_its_policy() -> None:
    release = asyncio.Event()

    @pure
    async def look_up(what: str) -> str:
        """Look something up."""
        await release.wait()
        return f"{what} is there"

    model = Script(answers=[[call("look_up", '{"what": "milk"}')], ["It is there."]])
    agent = made_by(usual, model, [look_up], filler_s=0.01)
    pieces: list[str] = []
    async with aclosing(agent.reply(HI, WANTED)) as stream:
        async for piece in stream:
            pieces.append(piece)
            release.set()
    assert type(pieces[0]).__name__ == "Filler"
    assert "".join(pieces[1:]).strip() == "It is there."


# When it begins -------------------------------------------------------------------------------------------------------


async def test_a_graph_waits_until_a_reply_is_wanted_unless_it_may_begin_before() -> None:
    for preemptive in (False, True):
        begun = asyncio.Event()

        async def answer(state: MessagesState, begun: asyncio.Event = begun) -> Any:
            begun.set()
            return {"messages": [AIMessage("Yes.")]}

        wanted = asyncio.Event()
        reply = compiled(answer, preemptive=preemptive).reply(HI, wanted)
        first = asyncio.ensure_future(anext(reply))
        for _ in range(50):
            await asyncio.sleep(0)
        assert (begun.is_set(), first.done()) == (preemptive, preemptive)
        wanted.set()
        assert await first == "Yes."
        await reply.aclose()


async def test_a_tool_with_effects_waits_for_a_wanted_reply_in_a_preemptive_graph_and_makes_it_unrepeatable() -> None:
    done: list[str] = []

    @effects
    async def order(count: int) -> str:
        """Order pizzas."""
        done.append("order")
        return "ordered"

    model = Script(answers=[[call("order", '{"count": 2}')], [EngineError("groq", "gone", fault=Fault.SERVER)]])
    wanted = asyncio.Event()
    reply = made_by(usual, model, [order], preemptive=True, filler_s=60).reply(HI, wanted)
    first = asyncio.ensure_future(anext(reply))
    await until(lambda: model.given)
    for _ in range(50):
        await asyncio.sleep(0)
    assert done == []
    wanted.set()
    with pytest.raises(EngineError) as caught:
        await first
    assert done == ["order"]
    assert (caught.value.fault, caught.value.repeatable) == (Fault.SERVER, False)


async def test_an_error_of_the_given_model_keeps_its_kind_and_can_be_repeated() -> None:
    error = await failure(made_by(usual, Script(answers=[[EngineError("groq", "busy", fault=Fault.LIMITED)]])))
    assert (str(error), error.fault, error.repeatable) == ("groq: busy", Fault.LIMITED, True)


# Errors ---------------------------------------------------------------------------------------------------------------


class ServiceDownError(Exception):
    status_code = 503


@pytest.mark.parametrize(
    ("raised", "message", "fault"),
    [
        (KeyError("hunter2"), "mine: the graph failed: KeyError", Fault.REJECTED),
        (RuntimeError("hunter2"), "mine: the graph failed: RuntimeError", Fault.REJECTED),
        (ServiceDownError("hunter2"), "mine: the service failed (HTTP 503)", Fault.SERVER),
        (ConnectionRefusedError("hunter2"), "mine: no connection", Fault.UNREACHABLE),
        (TimeoutError("hunter2"), "mine: no answer in time", Fault.TIMEOUT),
    ],
)
async def test_an_exception_in_a_graph_is_told_by_its_type_and_logged_by_its_place(
    raised: Exception, message: str, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(state: MessagesState) -> Any:
        raise raised

    error = await failure(compiled(broken))
    assert (str(error), error.fault, error.repeatable) == (message, fault, False)
    assert f"the graph failed: {type(raised).__name__} at {__file__}:" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_exit_in_a_node_ends_the_reply_and_not_the_bot(
    is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def stop(state: MessagesState) -> Any:
        sys.exit(3)

    async def stop_soon(state: MessagesState) -> Any:
        await asyncio.sleep(0)
        sys.exit(3)

    error = await failure(compiled(stop_soon if is_async else stop))
    assert (str(error), error.repeatable) == ("mine: the graph failed: SystemExit", False)
    assert f"the graph failed: SystemExit at {__file__}:" in caplog.text


async def test_a_graph_that_interrupts_is_refused_in_words() -> None:
    async def ask(state: MessagesState) -> Any:
        return {"messages": [AIMessage(interrupt("Are you sure?"))]}

    error = await failure(compiled(ask))
    assert str(error) == f"mine: {running.CANNOT_RESUME}"
    assert not error.repeatable


async def test_middleware_that_asks_a_person_is_refused_alike() -> None:
    @tool
    async def order(count: int) -> str:
        """Order pizzas."""
        raise AssertionError("not confirmed")

    def make(model: Any, tools: Any, prompt: str) -> Any:
        return create_agent(model, [order], middleware=[HumanInTheLoopMiddleware(interrupt_on={"order": True})])

    error = await failure(made_by(make, Script(answers=[[call("order", '{"count": 2}')]])))
    assert "interrupt()" in str(error)


# Limits ---------------------------------------------------------------------------------------------------------------


async def test_a_graph_that_goes_round_for_ever_is_stopped() -> None:
    rounds: list[int] = []

    async def again(state: MessagesState) -> None:
        rounds.append(1)

    error = await failure(compiled(again, loops=True))
    assert str(error) == f"mine: the graph did not end within {MAX_STEPS} steps"
    assert (len(rounds), error.repeatable) == (MAX_STEPS, False)


async def test_a_flood_of_text_is_cut_off_even_if_nobody_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MAX_CHARS", 1_000)
    pieces = 0

    class Flood(Script):
        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            nonlocal pieces
            while True:
                pieces += 1
                yield ChatGenerationChunk(message=AIMessageChunk(content="word " * 10))
                await asyncio.sleep(0)

    agent = OwnGraphAgent(OwnGraph("make", None, usual, nodes=("model",)), Flood(answers=[]), (), "groq", prompt=brief)
    async with aclosing(agent.reply(HI, WANTED)) as stream:
        await anext(stream)
        for _ in range(2_000):  # as if each sentence took long to say
            await asyncio.sleep(0)
        assert pieces < 100, "the graph was stopped meanwhile"
        with pytest.raises(EngineError, match=r"the answer is longer than 1,000 characters$"):
            assert [piece async for piece in stream]


async def test_a_graph_that_does_nothing_for_long_is_stopped_and_signs_of_life_let_it_work() -> None:
    endless = Endless()

    async def step(state: MessagesState) -> None:
        await asyncio.sleep(0.15)

    async def stuck(state: MessagesState) -> None:
        await endless.wait()

    async def step_2(state: MessagesState) -> None:
        await asyncio.sleep(0.15)

    async def answer(state: MessagesState) -> Any:
        return {"messages": [AIMessage("Yes.")]}

    assert await said(compiled(step, step_2, answer, timeout_s=0.25)) == "Yes."
    error = await failure(compiled(step, stuck, timeout_s=0.25))
    assert (str(error), error.fault, error.repeatable) == (
        "mine: the graph gave no sign of an answer for 0.25 s",
        Fault.TIMEOUT,
        False,
    )
    assert endless.is_stopped


async def test_a_tool_may_work_for_longer_than_a_graph_may_do_nothing() -> None:
    @pure
    async def slow(what: str) -> str:
        """Look something up."""
        await asyncio.sleep(0.3)
        return "found"

    model = Script(answers=[[call("slow", '{"what": "it"}')], ["Found."]])
    assert (await said(made_by(usual, model, [slow], timeout_s=0.15))).endswith("Found.")


async def test_a_model_that_only_reasons_is_stopped_too() -> None:
    class Thinker(Script):
        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            while True:
                yield ChatGenerationChunk(message=AIMessageChunk(content="", additional_kwargs={"reasoning": "Hm."}))
                await asyncio.sleep(0.05)

    error = await failure(made_by(usual, Thinker(answers=[]), timeout_s=0.25))
    assert error.message == "the graph gave no sign of an answer for 0.25 s"


async def test_a_graph_is_still_limited_after_a_tool_with_effects() -> None:
    @effects
    async def order(count: int) -> str:
        """Order pizzas."""
        return "ordered"

    model = Script(answers=[[call("order", '{"count": 1}')], [asyncio.Event()]])
    error = await failure(made_by(usual, model, [order], timeout_s=0.15))
    assert (error.message, error.repeatable) == ("the graph gave no sign of an answer for 0.15 s", False)


class Recorded(OutputDeadline):
    """A deadline that keeps what it is told."""

    def __init__(self) -> None:
        self.runs: list[bool] = []

    def suspend(self) -> None:
        self.runs.append(False)

    def restart(self) -> None:
        self.runs.append(True)


async def test_another_engine_may_only_take_over_while_a_model_of_the_bot_is_asked() -> None:
    """A node that works for long has not stalled; the deadline of the fallback does not run for it."""
    deadline = Recorded()
    at: dict[str, bool] = {}
    model = Script(answers=[["Yes."]])
    gate = asyncio.Event()
    model.answers[0].insert(0, gate)

    def make(model: Any, tools: Any, prompt: str) -> Any:
        async def before(state: MessagesState) -> None:
            at["before"] = deadline.runs[-1]

        async def answer(state: MessagesState) -> Any:
            return {"messages": [await model.ainvoke(state["messages"])]}

        async def after(state: MessagesState) -> None:
            at["after"] = deadline.runs[-1]

        return graph_of(before, answer, after)

    agent = made_by(make, model)
    async with aclosing(agent.reply(HI, WANTED, deadline)) as pieces:
        first = asyncio.ensure_future(anext(pieces))
        await until(lambda: model.given)
        at["asked"] = deadline.runs[-1]
        gate.set()
        await first
    assert at == {"before": False, "asked": True, "after": False}


# The end --------------------------------------------------------------------------------------------------------------


async def test_closing_a_reply_stops_the_graph_and_the_graphs_inside_it() -> None:
    endless = Endless()

    async def inner(state: MessagesState) -> None:
        await endless.wait()

    outer = graph_of(inner)
    outer.name = "outer"
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    graph.add_node("outer", outer)
    graph.add_edge(START, "outer")
    agent = OwnGraphAgent(OwnGraph("mine", graph.compile()), None, (), "mine")
    before = asyncio.all_tasks()
    reply = asyncio.create_task(said(agent))
    await endless.begun.wait()
    reply.cancel()
    await asyncio.wait([reply])
    assert endless.is_stopped
    assert asyncio.all_tasks() == before


async def test_a_function_that_blocks_runs_in_a_thread_and_does_not_hold_up_the_end_of_its_reply() -> None:
    release, begun = threading.Event(), threading.Event()

    def blocking(state: MessagesState) -> Any:
        begun.set()
        assert release.wait(30)
        return {"messages": [AIMessage("Too late.")]}

    reply = asyncio.create_task(said(compiled(blocking)))
    await until(begun.is_set)
    reply.cancel()
    await asyncio.wait([reply])
    assert reply.cancelled()
    release.set()
