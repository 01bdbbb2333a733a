"""Operators' graphs over real sockets: what services are asked, how a reply is cancelled, and how models stand in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import SystemMessage
from langchain_core.tools import BaseTool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from pydantic import SecretStr

from tests.integration.engines.replies import (
    ASKED,
    KEY,
    LONG,
    WANTED,
    WORDS,
    Engine,
    assert_discreet,
    cancelled_at,
    closed_at,
    failure,
    groq_on,
    openai_on,
    said,
    weather,
)
from tests.simulators.brain import Answer, Call
from tests.simulators.chat import ChatSimulator
from tests.simulators.faults import Fault as Injected
from tests.simulators.faults import Planned
from tests.simulators.realtime import RealtimeSimulator
from tests.support.own_graphs import make
from tests.support.scripted_model import brief
from tests.support.waiting import until
from voicebot.agent.own_agent import OwnGraphAgent
from voicebot.agent.own_graph import OwnGraph
from voicebot.agent.tools import pure
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.fallback import AgentFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.llm.models import Models
from voicebot.engines.llm.realtime import Realtime
from voicebot.engines.protocols import EngineSelected

LOOK_UP = pure(weather)


def triage(model: BaseChatModel, tools: Sequence[BaseTool], prompt: str) -> Any:
    """Makes a graph that asks the model what the user wants, then answers, with tools, and then asks for a summary."""
    with_tools = model.bind_tools(tools)

    async def route(state: MessagesState) -> None:
        await model.ainvoke([SystemMessage("Which topic?"), *state["messages"]])

    async def answer(state: MessagesState) -> Any:
        return {"messages": [await with_tools.ainvoke([SystemMessage(prompt), *state["messages"]])]}

    async def summarize(state: MessagesState) -> None:
        await model.ainvoke([*state["messages"], SystemMessage("Summarize.")])

    graph = StateGraph(MessagesState)
    graph.add_node("route", route)
    graph.add_node("answer", answer)
    graph.add_node("tools", ToolNode(tools))
    graph.add_node("summarize", summarize)
    graph.add_edge(START, "route")
    graph.add_edge("route", "answer")
    graph.add_conditional_edges("answer", tools_condition, {"tools": "tools", "__end__": "summarize"})
    graph.add_edge("tools", "answer")
    return graph.compile()


def agent_of(factory: Any, engine: Engine, *nodes: str, **options: Any) -> OwnGraphAgent:
    own = OwnGraph(factory.__name__, None, factory, nodes)
    return OwnGraphAgent(own, engine.model, [LOOK_UP], engine.name, prompt=brief, service=engine, **options)


def engine_on(name: str, simulator: ChatSimulator) -> Engine:
    return groq_on(simulator.url) if name == "groq" else openai_on(f"{simulator.url}/v1")


@pytest.mark.parametrize("name", ["groq", "openai"])
async def test_create_agent_talks_to_a_service_through_the_engine_s_model_with_one_system_message(name: str) -> None:
    async with ChatSimulator(key=KEY) as simulator:
        agent = agent_of(make, engine_on(name, simulator))
        simulator.answers += [Answer(calls=(Call("weather", {"place": "Rome"}),)), Answer("It rains in Rome.")]
        assert await said(agent) == "It rains in Rome."
        asked, answered = (request.body for request in simulator.completions)
        assert [message["role"] for message in asked["messages"]] == ["system", "user"]
        assert asked["messages"][0]["content"].startswith("Be brief.")
        assert [tool["function"]["name"] for tool in asked["tools"]] == ["weather"]
        assert [message["role"] for message in answered["messages"]] == ["system", "user", "assistant", "tool"]
        assert answered["messages"][-1]["content"] == "rain in Rome"
        await agent.close()


@pytest.mark.parametrize("times", [1, 2])
async def test_only_the_answer_of_a_graph_with_router_tools_and_summary_is_spoken(times: int) -> None:
    async with ChatSimulator() as simulator:
        agent = agent_of(triage, groq_on(simulator.url))
        for _ in range(times):
            simulator.answers += [
                Answer("weather"),
                Answer("Let me look.", calls=(Call("weather", {"place": "Rome"}),)),
                Answer("It rains."),
                Answer("The user asked for the weather."),
            ]
            assert await said(agent) == "Let me look. It rains."
        await agent.close()


@pytest.mark.parametrize("name", ["groq", "openai"])
async def test_tokens_are_spoken_as_they_come_and_closing_a_reply_closes_the_connection_at_once(name: str) -> None:
    async with ChatSimulator(token_s=0.02) as simulator:
        agent = agent_of(make, engine_on(name, simulator))
        simulator.answers.append(Answer(LONG))
        closed_s = await closed_at(agent, pieces=5)
        assert await asyncio.wait_for(simulator.completions[0].gone, 1) - closed_s < 0.1
        await agent.close()


@pytest.mark.parametrize("node", ["route", "answer", "summarize"])
async def test_a_reply_can_be_cancelled_while_any_node_asks_the_model(node: str) -> None:
    async with ChatSimulator() as simulator:
        agent = agent_of(triage, groq_on(simulator.url), "answer")
        before = ["route", "answer", "summarize"].index(node)
        begun = asyncio.Event()

        def brain(*_: object) -> Answer:
            begun.set()
            simulator.first_token_s = 30
            return Answer(LONG)

        simulator.brain = brain
        simulator.answers += [Answer("Well.")] * before
        tasks = asyncio.all_tasks()
        cancelled_s = await cancelled_at(agent, begun)
        assert await asyncio.wait_for(simulator.completions[-1].gone, 1) - cancelled_s < 0.1
        await until(lambda: simulator.open == 0)
        assert {task for task in asyncio.all_tasks() - tasks if task.get_name() != "simulated chat"} == set()
        await agent.close()


# Plain functions as nodes ---------------------------------------------------------------------------------------------


def make_plain(model: BaseChatModel, tools: Sequence[BaseTool], prompt: str) -> Any:
    """Makes a graph as LangGraph's first tutorial does: its node is no coroutine, so it runs in a thread."""

    def answer(state: MessagesState) -> Any:
        return {"messages": [model.invoke([SystemMessage(prompt), *state["messages"]])]}

    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    return graph.compile()


@asynccontextmanager
async def any_service(name: str) -> AsyncIterator[tuple[Any, Any]]:
    """Yields a simulated service, and the engine on it."""
    if name == "openai-realtime":
        async with RealtimeSimulator(key=KEY) as realtime:
            yield realtime, Realtime(KEY, base_url=f"{realtime.url}/v1", models=Models(("gpt-realtime",)))
    else:
        async with ChatSimulator(key=KEY) as chat:
            yield chat, engine_on(name, chat)


@pytest.mark.parametrize("name", ["groq", "openai", "openai-realtime"])
async def test_a_plain_function_may_ask_the_model_and_is_spoken_as_it_writes(name: str) -> None:
    async with any_service(name) as (simulator, engine):
        simulator.answers.append(Answer("It rains in Rome."))
        agent = agent_of(make_plain, engine)
        async with aclosing(agent.reply(ASKED, WANTED)) as tokens:
            spoken = [token async for token in tokens]
        assert "".join(spoken) == "It rains in Rome."
        assert len(spoken) > 1
        await agent.close()


async def test_cancelling_a_reply_closes_the_connection_that_a_plain_function_reads_from() -> None:
    async with ChatSimulator(token_s=0.02) as simulator:
        agent = agent_of(make_plain, groq_on(simulator.url))
        simulator.answers.append(Answer(LONG))
        closed_s = await closed_at(agent, pieces=3)
        assert await asyncio.wait_for(simulator.completions[0].gone, 1) - closed_s < 0.2
        await agent.close()


async def test_an_error_of_the_service_keeps_its_kind_through_a_thread(caplog: pytest.LogCaptureFixture) -> None:
    async with ChatSimulator(key=KEY) as simulator:
        simulator.faults.always(Injected.RATE_LIMITED)
        agent = agent_of(make_plain, groq_on(simulator.url))
        error = await failure(agent, caplog)
        assert (str(error), error.fault) == ("groq: too many requests (HTTP 429)", Fault.LIMITED)
        await agent.close()


async def test_a_model_that_a_coroutine_does_not_await_is_named_as_the_mistake() -> None:
    def make_blocking(model: BaseChatModel, tools: Sequence[BaseTool], prompt: str) -> Any:
        async def answer(state: MessagesState) -> Any:
            return {"messages": [model.invoke(state["messages"])]}

        graph = StateGraph(MessagesState)
        graph.add_node("answer", answer)
        graph.add_edge(START, "answer")
        return graph.compile()

    async with ChatSimulator() as simulator:
        agent = agent_of(make_blocking, groq_on(simulator.url))
        with pytest.raises(EngineError, match=r"^groq: the graph failed: ModelNotAwaitedError$"):
            await said(agent)
        await agent.close()


# Fallback -------------------------------------------------------------------------------------------------------------


async def first_answer(first: OwnGraphAgent, second: OwnGraphAgent, *, first_output_s: float = 5.0) -> tuple[str, str]:
    """Returns the engine that answered, and its text. If an answer starts over, only the new one counts."""
    group = AgentFallbackGroup([first, second], FallbackRules(0, 0.1, first_output_s))
    await group.start()
    name, text = "", ""
    try:
        async with aclosing(group.reply(ASKED, WANTED, spoken=asyncio.Event())) as tokens:
            async for token in tokens:
                name, text = (token.engine, "") if isinstance(token, EngineSelected) else (name, text + token)
        return name, text
    finally:
        await group.close()


@pytest.mark.parametrize("factory", [make, triage])
@pytest.mark.parametrize(
    "fault",
    [Injected.SERVER_ERROR, Injected.UNAUTHORIZED, Injected.REFUSE, Injected.CUT, Injected.STALL, Injected.HANG],
)
async def test_the_graph_around_the_next_model_answers_if_one_fails(factory: Any, fault: Injected) -> None:
    """A model that hangs or stalls is left as soon as in the built-in graph, whichever node asks it."""
    async with ChatSimulator() as broken, ChatSimulator() as works:
        broken.faults.always(Planned(fault, after=3))
        works.answers += [Answer("weather")] * (factory is triage) + [Answer("It rains.")]
        agents = agent_of(factory, groq_on(broken.url)), agent_of(factory, openai_on(f"{works.url}/v1"))
        assert await first_answer(*agents, first_output_s=0.4) == ("openai", "It rains.")


async def test_a_model_that_streams_its_reasoning_is_not_replaced_as_stalled() -> None:
    async with ChatSimulator(models=("gpt-oss:20b",), token_s=0.1) as thinks, ChatSimulator() as second:
        thinks.answers.append(Answer("It rains.", reasoning="let me think about it for a while before I answer"))
        agents = (
            agent_of(make, openai_on(f"{thinks.url}/v1", "gpt-oss:20b")),
            agent_of(make, groq_on(second.url)),
        )
        assert await first_answer(*agents, first_output_s=0.6) == ("openai", "It rains.")
        assert second.completions == []


async def test_a_node_that_works_for_longer_than_a_model_may_is_not_replaced() -> None:
    def slow(model: BaseChatModel, tools: Sequence[BaseTool], prompt: str) -> Any:
        async def look_up(state: MessagesState) -> None:
            await asyncio.sleep(0.6)

        async def answer(state: MessagesState) -> Any:
            return {"messages": [await model.ainvoke(state["messages"])]}

        async def save(state: MessagesState) -> None:
            await asyncio.sleep(0.6)

        graph = StateGraph(MessagesState)
        graph.add_sequence([look_up, answer, save])
        graph.add_edge(START, "look_up")
        return graph.compile()

    async with ChatSimulator() as first, ChatSimulator() as second:
        first.answers.append(Answer("It rains."))
        agents = agent_of(slow, groq_on(first.url), "answer"), agent_of(slow, openai_on(f"{second.url}/v1"), "answer")
        assert await first_answer(*agents, first_output_s=0.3) == ("groq", "It rains.")
        assert second.completions == []


# A compiled graph with a model of its own -----------------------------------------------------------------------------


@asynccontextmanager
async def own_model(simulator: ChatSimulator) -> AsyncIterator[OwnGraphAgent]:
    """Yields an agent whose graph has a model of LangChain, as an operator would create it."""
    address = f"{simulator.url}/v1"
    model = ChatOpenAI(model="gpt-4o-mini", base_url=address, api_key=SecretStr(KEY), max_retries=0, streaming=True)
    graph = create_agent(model, [weather], system_prompt="Be wordy.")
    yield OwnGraphAgent(OwnGraph("mine", graph), None, (), "mine")
    await model.root_async_client.close()


async def test_a_compiled_graph_uses_its_own_model_prompt_and_tools() -> None:
    async with ChatSimulator(key=KEY) as simulator, own_model(simulator) as agent:
        simulator.answers += [Answer(calls=(Call("weather", {"place": "Rome"}),)), Answer("It rains in Rome.")]
        assert await said(agent) == "It rains in Rome."
        body = simulator.completions[0].body
        assert [(message["role"], message["content"]) for message in body["messages"]] == [
            ("system", "Be wordy."),
            ("user", WORDS),
        ]


async def test_cancelling_a_compiled_graph_closes_the_connection_of_its_own_model() -> None:
    async with ChatSimulator(token_s=0.02) as simulator, own_model(simulator) as agent:
        simulator.answers.append(Answer(LONG))
        closed_s = await closed_at(agent, pieces=3)
        assert await asyncio.wait_for(simulator.completions[0].gone, 1) - closed_s < 0.5


@pytest.mark.parametrize(
    ("injected", "fault"),
    [
        (Injected.UNAUTHORIZED, Fault.DENIED),
        (Injected.RATE_LIMITED, Fault.LIMITED),
        (Injected.SERVER_ERROR, Fault.SERVER),
    ],
)
async def test_the_status_of_a_compiled_graph_s_own_service_is_told_without_its_words(
    injected: Injected, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    async with ChatSimulator(key=KEY) as simulator, own_model(simulator) as agent:
        simulator.faults.always(injected)
        caplog.set_level("INFO")
        with pytest.raises(EngineError) as caught:
            await said(agent)
        assert (caught.value.fault, caught.value.repeatable) == (fault, False)
        assert_discreet(caught.value, caplog)


async def test_an_error_in_a_factory_s_graph_holds_no_key_and_no_words(caplog: pytest.LogCaptureFixture) -> None:
    def make_broken(model: BaseChatModel, tools: Sequence[BaseTool], prompt: str) -> Any:
        async def answer(state: MessagesState) -> Any:
            raise RuntimeError(f"{KEY} {state['messages'][-1].text}")

        graph = StateGraph(MessagesState)
        graph.add_node("answer", answer)
        graph.add_edge(START, "answer")
        return graph.compile()

    async with ChatSimulator() as simulator:
        agent = agent_of(make_broken, groq_on(simulator.url))
        caplog.set_level("INFO")
        with pytest.raises(EngineError) as caught:
            await said(agent)
        assert str(caught.value) == "groq: the graph failed: RuntimeError"
        assert_discreet(caught.value, caplog)
        await agent.close()


async def test_an_error_of_the_service_keeps_its_kind_through_a_factory_s_graph(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with ChatSimulator(key=KEY) as simulator:
        simulator.faults.always(Injected.NO_CREDIT)
        agent = agent_of(make, groq_on(simulator.url))
        error = await failure(agent, caplog)
        await agent.close()
        assert (str(error), error.fault) == ("groq: the account has no credit left (HTTP 429)", Fault.UNPAID)


async def test_a_service_that_fails_after_a_part_of_the_answer_breaks_it_off() -> None:
    async with ChatSimulator() as simulator:
        simulator.faults.plan(Planned(Injected.CUT, after=4))
        simulator.answers.append(Answer(LONG))
        agent = agent_of(make, groq_on(simulator.url))
        async with aclosing(agent.reply(ASKED, WANTED)) as tokens:
            assert await anext(tokens)
            with pytest.raises(EngineError, match="cut short"):
                assert [token async for token in tokens]
        await agent.close()
