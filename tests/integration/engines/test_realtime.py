"""OpenAI Realtime: the openai SDK against both versions of the protocol, on a real WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from tests.integration.engines.replies import (
    KEY,
    LONG,
    TALKED,
    WANTED,
    WORDS,
    Resources,
    agent_on,
    assert_discreet,
    cancelled_at,
    closed_at,
    failure,
    said,
    weather,
)
from tests.simulators.brain import Answer, Call, ChatMessage
from tests.simulators.faults import Fault as Injected
from tests.simulators.faults import Planned
from tests.simulators.realtime import RealtimeSimulator
from tests.support.certificate import server_and_client_tls
from tests.support.waiting import until
from voicebot.agent.agent import GraphAgent
from voicebot.dialogue.history import Message, Role
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.models import Models
from voicebot.engines.llm.realtime import Realtime, connections

MODELS = ("gpt-realtime-2.1", "gpt-realtime")
BROKEN = "the answer was cut short or made no sense"


both_dialects = pytest.mark.parametrize("dialect", ["ga", "beta"])


@pytest.fixture
def dialect() -> str:
    return "ga"


@pytest.fixture
async def simulator(dialect: str) -> AsyncIterator[RealtimeSimulator]:
    async with RealtimeSimulator(beta=dialect == "beta", key=KEY) as running:
        yield running


def engine_on(simulator: RealtimeSimulator, key: str | None = KEY, **options: Any) -> Realtime:
    return Realtime(key, base_url=f"{simulator.url}/v1", models=Models(MODELS), **options)


@pytest.fixture
async def agent(simulator: RealtimeSimulator) -> AsyncIterator[GraphAgent]:
    engine = agent_on(engine_on(simulator))
    yield engine
    await engine.close()


@both_dialects
async def test_configures_the_session_first_and_then_sends_the_heard_history(
    simulator: RealtimeSimulator, agent: GraphAgent
) -> None:
    simulator.answers.append(Answer("Hello  there. How are you?"))
    assert [token async for token in agent.reply(TALKED, WANTED)] == ["Hello  ", "there. ", "How ", "are ", "you?"]
    (session,) = simulator.requests
    assert (session.model, session.headers["Authorization"]) == ("gpt-realtime-2.1", f"Bearer {KEY}")
    update, *_, create = session.events
    assert update["type"] == "session.update"
    assert update["session"].pop("instructions").startswith("Be brief.")
    common = {"tools": [], "tool_choice": "auto"}
    assert update["session"] == common | (
        {"modalities": ["text"], "turn_detection": None}
        if simulator.beta
        else {
            "type": "realtime",
            "output_modalities": ["text"],
            "audio": {"input": {"turn_detection": None}},
            "reasoning": {"effort": "low"},
        }
    )
    assert create == {"type": "response.create"}
    spoken = "text" if simulator.beta else "output_text"
    assert session.items == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "tell me a story"}]},
        {"type": "message", "role": "assistant", "content": [{"type": spoken, "text": "Once upon a —"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "wait"}]},
    ]


@both_dialects
@pytest.mark.parametrize("only_done", [False, True])
async def test_tools_are_called_with_streamed_or_complete_arguments(
    only_done: bool, simulator: RealtimeSimulator
) -> None:
    simulator.only_done = only_done
    calls = (Call("weather", {"place": "São Paulo"}), Call("weather", {"place": "Rome"}, piece=1))
    simulator.answers.extend([Answer("Let me see.", calls), Answer("It rains in both.")])
    agent = agent_on(engine_on(simulator), [weather])
    assert await said(agent) == "Let me see. It rains in both."
    first, second = simulator.requests
    (declared,) = first.events[0]["session"]["tools"]
    assert (declared["type"], declared["name"], declared["description"]) == ("function", "weather", "Tell the weather.")
    _, text, one, two, *results = second.items
    assert text["content"][0]["text"] == "Let me see."
    assert [(call["name"], call["arguments"]) for call in (one, two)] == [
        ("weather", '{"place": "São Paulo"}'),
        ("weather", '{"place": "Rome"}'),
    ]
    assert results == [
        {"type": "function_call_output", "call_id": one["call_id"], "output": "rain in São Paulo"},
        {"type": "function_call_output", "call_id": two["call_id"], "output": "rain in Rome"},
    ]
    await agent.close()


@both_dialects
@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
async def test_an_incomplete_response_is_returned_as_the_reply(
    reason: str, simulator: RealtimeSimulator, agent: GraphAgent
) -> None:
    simulator.answers.append(Answer("It was a dark and", finish=reason))
    assert await said(agent) == "It was a dark and"


async def test_ainvoke_returns_the_whole_answer(simulator: RealtimeSimulator) -> None:
    engine = engine_on(simulator)
    simulator.answers.append(Answer("Hello there."))
    message = await engine.model.ainvoke([HumanMessage("hi")])
    assert message.text == "Hello there."
    await engine.close()


# Connections --------------------------------------------------------------------------------------------------------


async def test_a_connection_is_opened_ahead_used_for_one_answer_and_closed(
    simulator: RealtimeSimulator, agent: GraphAgent
) -> None:
    await agent.start()
    await agent.start()
    await until(lambda: len(simulator.sessions) == 1)
    assert simulator.sessions[0].events == []
    for turn in range(3):
        await said(agent)
        await until(lambda: len(simulator.sessions) == turn + 2 and simulator.open == 1)  # noqa: B023
    assert simulator.requests == simulator.sessions[:3]
    assert not any(each.cancelled.done() for each in simulator.sessions), "a complete response is not cancelled"
    await agent.close()
    await until(lambda: simulator.open == 0)


async def test_a_spare_connection_that_died_or_grew_old_is_replaced(
    simulator: RealtimeSimulator, agent: GraphAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await agent.probe()
    await simulator.close_all()
    assert await said(agent) != ""
    await until(lambda: simulator.open == 1)
    monkeypatch.setattr(connections, "SPARE_LIFE_S", 0)
    used = len(simulator.sessions)
    assert await said(agent) != ""
    assert simulator.requests[-1] is simulator.sessions[used]
    await until(lambda: simulator.open == 1)


async def test_concurrent_replies_keep_their_histories_apart(simulator: RealtimeSimulator, agent: GraphAgent) -> None:
    def echo(conversation: list[ChatMessage], _: object) -> Answer:
        return Answer(" ".join(each.text for each in conversation))

    simulator.brain, simulator.first_token_s = echo, 0.02  # type: ignore[assignment]
    texts = [f"number {number}" for number in range(12)]
    answers = await asyncio.gather(*(said(agent, (Message(Role.USER, text),)) for text in texts))
    assert answers == texts
    await until(lambda: simulator.open == 1)


async def test_closing_while_a_connection_opens_leaves_no_task(simulator: RealtimeSimulator) -> None:
    before = Resources.now().tasks
    simulator.handshake_faults.plan(Injected.HANG)
    engine = engine_on(simulator)
    await engine.start()
    await until(lambda: simulator.hanging)
    await engine.close()
    await until(lambda: Resources.now().tasks == before)


async def test_a_self_hosted_service_needs_no_key_and_openai_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    async with RealtimeSimulator() as simulator:
        engine = agent_on(Realtime(None, base_url=f"ws{simulator.url.removeprefix('http')}/v1", models=Models(MODELS)))
        await said(engine)
        assert simulator.requests[0].headers["Authorization"] == "Bearer none"
        await engine.close()
    with pytest.raises(ValueError, match="needs a key"):
        Realtime(None, models=Models(MODELS))


async def test_connects_over_tls_only_with_a_trusted_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = server_and_client_tls(tmp_path)
    async with RealtimeSimulator(tls=server) as simulator:
        agent = agent_on(engine_on(simulator))
        with pytest.raises(EngineError, match="no connection"):
            await agent.probe()
        monkeypatch.setattr(connections, "tls", lambda: client)
        await agent.probe()
        assert await said(agent) != ""
        await agent.close()


# Faults -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("planned", "fault", "message"),
    [
        (Planned(Injected.REFUSE), Fault.UNREACHABLE, "no connection"),
        (Planned(Injected.UNAUTHORIZED), Fault.DENIED, "the key was not accepted (HTTP 401)"),
        (Planned(Injected.FORBIDDEN), Fault.DENIED, "the key may not be used for this (HTTP 403)"),
        (Planned(Injected.RATE_LIMITED, retry_after_s=7), Fault.LIMITED, "too many requests (HTTP 429)"),
        (Planned(Injected.SERVER_ERROR), Fault.SERVER, "the service failed (HTTP 500)"),
        (Planned(Injected.HANG), Fault.TIMEOUT, "no answer in time"),
        (Planned(Injected.GARBAGE), Fault.UNREACHABLE, "no connection"),
    ],
    ids=str,
)
async def test_a_handshake_fault_is_reported_and_the_next_reply_succeeds(
    planned: Planned, fault: Fault, message: str, simulator: RealtimeSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    agent = agent_on(engine_on(simulator, timeout_s=0.3))
    simulator.handshake_faults.plan(planned)
    error = await failure(agent, caplog)
    assert (error.fault, error.message, error.retry_after_s) == (fault, message, planned.retry_after_s)
    simulator.handshake_faults.plan(planned)
    with pytest.raises(EngineError, match="openai-realtime: "):
        await agent.probe()
    assert await said(agent) != ""
    await agent.close()
    await until(lambda: simulator.open == 0)


@pytest.mark.parametrize(
    ("planned", "fault", "message"),
    [
        (Planned(Injected.REFUSE), Fault.SERVER, "the service failed"),
        (Planned(Injected.UNAUTHORIZED), Fault.DENIED, "the key was not accepted"),
        (Planned(Injected.RATE_LIMITED), Fault.LIMITED, "too many requests"),
        (Planned(Injected.SERVER_ERROR), Fault.SERVER, "the service failed"),
        (Planned(Injected.HANG), Fault.TIMEOUT, "no answer within 0.3 s"),
        (Planned(Injected.CUT, after=0), Fault.BROKEN, BROKEN),
        (Planned(Injected.CUT, after=4), Fault.BROKEN, BROKEN),
        (Planned(Injected.GARBAGE, after=0), Fault.BROKEN, BROKEN),
        (Planned(Injected.GARBAGE, after=4), Fault.BROKEN, BROKEN),
    ],
    ids=str,
)
async def test_a_response_fault_is_reported_without_a_retry_and_the_next_reply_succeeds(
    planned: Planned, fault: Fault, message: str, simulator: RealtimeSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    agent = agent_on(engine_on(simulator), timeout_s=0.3)
    simulator.faults.plan(planned)
    error = await failure(agent, caplog)
    assert (error.fault, error.message) == (fault, message)
    assert len(simulator.requests) == 1, "the engine sends the request once"
    assert await said(agent) != ""
    await until(lambda: simulator.open == 1)
    await agent.close()


@pytest.mark.parametrize(
    "garbage", ["[]", "3", "{}", b"\xff\xfe", '{"type": "response.done"}', '{"type": "error", "error": 3}', ""]
)
async def test_a_malformed_event_ends_the_reply_with_an_error(
    garbage: str | bytes, simulator: RealtimeSimulator, agent: GraphAgent, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.garbage = garbage
    simulator.faults.plan(Injected.GARBAGE)
    assert (await failure(agent, caplog)).fault in (Fault.BROKEN, Fault.SERVER)


@pytest.mark.parametrize(
    ("answer", "fault", "message"),
    [
        (Answer("It is", finish="cancelled"), Fault.BROKEN, "the service abandoned the answer"),
        (Answer("It is", error={"code": "session_expired", "message": f"{KEY} {WORDS}"}), Fault.SERVER, None),
        (Answer("It is", error={"type": "server_error", "message": f"{KEY} {WORDS}"}), Fault.SERVER, None),
    ],
)
async def test_a_response_that_the_service_ends_early_is_reported_as_an_error(
    answer: Answer,
    fault: Fault,
    message: str | None,
    simulator: RealtimeSimulator,
    agent: GraphAgent,
    caplog: pytest.LogCaptureFixture,
) -> None:
    simulator.answers.append(answer)
    error = await failure(agent, caplog)
    assert (error.fault, error.message) == (fault, message or "the service failed")


async def test_a_late_handshake_and_a_late_response_are_waited_for(
    simulator: RealtimeSimulator, agent: GraphAgent
) -> None:
    simulator.handshake_faults.plan(Planned(Injected.SLOW_FIRST_BYTE, delay_s=0.2))
    simulator.faults.plan(Planned(Injected.SLOW_FIRST_BYTE, delay_s=0.2))
    assert await said(agent) != ""


@both_dialects
async def test_a_key_refused_after_the_handshake_is_reported_and_not_logged(
    simulator: RealtimeSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    agent = agent_on(engine_on(simulator, key="sk-wrong"))
    for failing in (agent.probe(), said(agent)):
        with pytest.raises(EngineError, match="the key was not accepted") as caught:
            await failing
        assert caught.value.fault is Fault.DENIED
        assert_discreet(caught.value, caplog)
    assert "sk-wrong" not in caplog.text
    await until(lambda: simulator.open == 0)
    await agent.close()


async def test_an_invalid_proxy_address_is_reported_as_no_connection(
    simulator: RealtimeSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service itself can be reached. Only the proxy's address is wrong."""
    engine = engine_on(simulator)
    with monkeypatch.context() as proxied:
        proxied.delenv("NO_PROXY", raising=False)
        proxied.setenv("HTTPS_PROXY", "127.0.0.1:9")
        with pytest.raises(EngineError, match="openai-realtime: no connection"):
            await engine.probe()
    assert simulator.open == 0
    await engine.probe()
    await engine.close()


async def test_an_absent_service_is_reported_as_unreachable(
    simulator: RealtimeSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    agent = agent_on(engine_on(simulator))
    await simulator.__aexit__()
    await agent.start()
    assert (await failure(agent, caplog)).fault is Fault.UNREACHABLE
    with pytest.raises(EngineError, match="no connection"):
        await agent.probe()
    await agent.close()


# Interruption -------------------------------------------------------------------------------------------------------


@both_dialects
@pytest.mark.parametrize("pieces", [1, 7])
async def test_closing_a_reply_cancels_the_response_and_closes_the_connection_at_once(
    pieces: int, simulator: RealtimeSimulator, agent: GraphAgent
) -> None:
    simulator.answers.append(Answer(LONG))
    simulator.token_s = 0.02
    closed_s = await closed_at(agent, pieces)
    (session,) = simulator.requests
    assert await asyncio.wait_for(session.cancelled, 1) - closed_s < 0.1
    assert await asyncio.wait_for(session.gone, 1) - closed_s < 0.1
    assert [event["type"] for event in session.events][-2:] == ["response.create", "response.cancel"]


async def test_cancelling_a_reply_before_its_first_token_cancels_the_response_at_once(
    simulator: RealtimeSimulator, agent: GraphAgent
) -> None:
    begun = asyncio.Event()

    def brain(*_: object) -> Answer:
        begun.set()
        return Answer(LONG)

    simulator.brain, simulator.first_token_s = brain, 30
    cancelled_s = await cancelled_at(agent, begun)
    (session,) = simulator.requests
    assert await asyncio.wait_for(session.cancelled, 1) - cancelled_s < 0.1
    assert await asyncio.wait_for(session.gone, 1) - cancelled_s < 0.1


async def test_200_turns_leak_no_sockets_threads_or_tasks(simulator: RealtimeSimulator) -> None:
    agent = agent_on(engine_on(simulator))
    simulator.brain = lambda *_: Answer("Yes, and no.")
    await said(agent)  # asyncio's resolver thread exists from now on.
    await agent.close()
    await until(lambda: simulator.open == 0)
    before = Resources.now()
    agent = agent_on(engine_on(simulator))
    await agent.start()
    for turn in range(200):
        match turn % 10:
            case 3:
                simulator.answers.append(Answer(LONG))
                await closed_at(agent)
            case 5 | 7:
                simulator.faults.plan(Planned(Injected.CUT if turn % 10 == 5 else Injected.GARBAGE, after=3))
                with pytest.raises(EngineError):
                    await said(agent)
            case 9:
                simulator.handshake_faults.plan(Injected.REFUSE)
                await said(agent)
            case _:
                await said(agent)
    await until(lambda: simulator.open <= 1)
    await agent.close()
    await until(lambda: simulator.open == 0)
    await until(lambda: Resources.now().is_within(before))
