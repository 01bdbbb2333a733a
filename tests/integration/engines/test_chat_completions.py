"""Groq and OpenAI: their SDKs against chat completions on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.integration.engines.replies import (
    ASKED,
    KEY,
    LONG,
    TALKED,
    WANTED,
    Resources,
    agent_on,
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
from tests.support.certificate import server_and_client_tls
from tests.support.manual_clock import StoppedClock
from tests.support.talk import MOMENT
from tests.support.waiting import until
from voicebot.agent.agent import GraphAgent
from voicebot.agent.tools import built_in_tools
from voicebot.dialogue.history import Message, Role
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm import clients
from voicebot.engines.llm.groq import Groq
from voicebot.engines.llm.openai import OpenAI

Make = Callable[..., Groq | OpenAI]


@pytest.fixture
async def simulator() -> AsyncIterator[ChatSimulator]:
    async with ChatSimulator(key=KEY) as running:
        yield running


@pytest.fixture(params=["groq", "openai"])
def make(request: pytest.FixtureRequest, simulator: ChatSimulator) -> Make:
    """An engine on the simulator."""
    if request.param == "groq":
        return lambda *models, **options: groq_on(f"{simulator.url}/openai/v1", *models, **options)
    return lambda *models, **options: openai_on(f"{simulator.url}/v1", *models, **options)


@pytest.fixture
async def agent(make: Make) -> AsyncIterator[GraphAgent]:
    engine = agent_on(make())
    await engine.start()
    yield engine
    await engine.close()


async def test_streams_an_answer_and_sends_the_history_as_it_was_heard(
    simulator: ChatSimulator, agent: GraphAgent
) -> None:
    simulator.answers.append(Answer("Hello  there. How are you?"))
    assert [token async for token in agent.reply(TALKED, WANTED)] == ["Hello  ", "there. ", "How ", "are ", "you?"]
    (request,) = simulator.completions
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body["messages"].pop(0)["content"].startswith("Be brief.")
    assert request.body["messages"] == [
        {"role": "user", "content": "tell me a story"},
        {"role": "assistant", "content": "Once upon a —"},
        {"role": "user", "content": "wait"},
    ]
    assert request.body["stream"] is True


@pytest.mark.parametrize("piece", [1, 7, 0])
async def test_tools_are_called_however_their_arguments_are_split_in_the_stream(
    piece: int, simulator: ChatSimulator, make: Make
) -> None:
    calls = tuple(Call("weather", {"place": place}, piece) for place in ("São Paulo", "Rome"))
    simulator.answers.extend([Answer("Let me see.", calls), Answer("It rains in both.")])
    agent = agent_on(make(), [weather])
    assert await said(agent) == "Let me see. It rains in both."
    first, second = (request.body for request in simulator.completions)
    assert first["tools"][0]["function"]["name"] == "weather"
    *_, asked, one, two = second["messages"]
    assert [call["function"] for call in asked["tool_calls"]] == [
        {"name": "weather", "arguments": '{"place": "São Paulo"}'},
        {"name": "weather", "arguments": '{"place": "Rome"}'},
    ]
    assert [(result["role"], result["content"]) for result in (one, two)] == [
        ("tool", "rain in São Paulo"),
        ("tool", "rain in Rome"),
    ]
    await agent.close()


async def test_the_unscripted_simulator_calls_the_clock_tool(simulator: ChatSimulator, make: Make) -> None:
    agent = agent_on(make(), built_in_tools(StoppedClock(MOMENT)))
    assert await said(agent, (Message(Role.USER, "what time is it"),)) == "It is 1 30. Is there anything else?"
    assert "tell me more" in (await said(agent)).lower()
    await agent.close()


async def test_a_probe_and_five_turns_share_one_connection(simulator: ChatSimulator, agent: GraphAgent) -> None:
    await agent.probe()
    for _ in range(5):
        await said(agent)
    assert simulator.connections == 1
    await agent.close()
    await until(lambda: simulator.open == 0)


async def test_an_answer_that_ends_at_the_token_limit_is_accepted(simulator: ChatSimulator, agent: GraphAgent) -> None:
    simulator.answers.append(Answer("It was a dark and", finish="length"))
    assert await said(agent) == "It was a dark and"


@pytest.mark.parametrize(("on", "path"), [(groq_on, ""), (openai_on, "/v1")])
async def test_a_server_certificate_must_be_trusted(
    on: Make, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = server_and_client_tls(tmp_path)
    async with ChatSimulator(tls=server) as simulator:
        suspicious = agent_on(on(f"{simulator.url}{path}"))
        with pytest.raises(EngineError, match="no connection"):
            await suspicious.probe()
        monkeypatch.setattr(clients, "tls", lambda: client)
        trusting = agent_on(on(f"{simulator.url}{path}"))
        await trusting.probe()
        assert await said(trusting) != ""
        await suspicious.close()
        await trusting.close()


@pytest.mark.parametrize(
    ("planned", "fault", "message"),
    [
        (Planned(Injected.REFUSE), Fault.UNREACHABLE, "no connection"),
        (Planned(Injected.UNAUTHORIZED), Fault.DENIED, "the key was not accepted (HTTP 401)"),
        (Planned(Injected.FORBIDDEN), Fault.DENIED, "the key may not be used for this (HTTP 403)"),
        (Planned(Injected.RATE_LIMITED), Fault.LIMITED, "too many requests (HTTP 429)"),
        (Planned(Injected.SERVER_ERROR), Fault.SERVER, "the service failed (HTTP 500)"),
        (Planned(Injected.CUT, after=0), Fault.BROKEN, "the answer was cut short or made no sense"),
        (Planned(Injected.CUT, after=4), Fault.BROKEN, "the answer was cut short or made no sense"),
        (Planned(Injected.GARBAGE, after=0), Fault.BROKEN, "the answer was cut short or made no sense"),
        (Planned(Injected.GARBAGE, after=4), Fault.BROKEN, "the answer was cut short or made no sense"),
    ],
    ids=str,
)
async def test_a_fault_raises_an_error_in_plain_words_and_the_next_request_succeeds(
    planned: Planned,
    fault: Fault,
    message: str,
    simulator: ChatSimulator,
    agent: GraphAgent,
    caplog: pytest.LogCaptureFixture,
) -> None:
    simulator.faults.plan(planned)
    error = await failure(agent, caplog)
    assert (error.fault, str(error)) == (fault, f"{agent.name}: {message}")
    assert len(simulator.completions) == 1, "the engine sends the request once"
    assert await said(agent) != ""
    await until(lambda: simulator.open == 1)


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: \xff\xfe\n\n",
        b"data: []\n\n",
        b'data: {"choices": 3}\n\n',
        b'data: {"choices": [{"delta": 3}]}\n\n',
        b'data: {"choices": [{"index": 0}]}\n\n',
        b'data: "oops"\n\n',
        b"data: \n\n",
    ],
)
async def test_malformed_stream_data_is_reported_as_a_broken_answer(
    garbage: bytes, simulator: ChatSimulator, agent: GraphAgent, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.garbage = garbage
    simulator.faults.plan(Injected.GARBAGE)
    assert (await failure(agent, caplog)).fault is Fault.BROKEN
    await until(lambda: simulator.open == 0)


async def test_a_stream_without_a_finish_reason_is_reported_as_a_broken_answer(
    simulator: ChatSimulator, agent: GraphAgent, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.answers.append(Answer("It is", finish=""))
    assert (await failure(agent, caplog)).fault is Fault.BROKEN


@pytest.mark.parametrize(
    ("details", "fault", "message"),
    [
        ({"code": "rate_limit_exceeded"}, Fault.LIMITED, "too many requests"),
        ({"type": "server_error"}, Fault.SERVER, "the service failed"),
        ({"type": "strange", "status_code": 503}, Fault.SERVER, "the service failed (HTTP 503)"),
        ({"code": "tool_use_failed", "status_code": 400}, Fault.BROKEN, "the model called a tool wrongly"),
        ({}, Fault.SERVER, "the service failed"),
    ],
)
async def test_an_error_sent_mid_stream_is_reported_with_its_fault_in_plain_words(
    details: dict[str, object],
    fault: Fault,
    message: str,
    simulator: ChatSimulator,
    agent: GraphAgent,
    caplog: pytest.LogCaptureFixture,
) -> None:
    simulator.answers.append(Answer("It is", error={"message": f"{KEY} {ASKED}", **details}))
    error = await failure(agent, caplog)
    assert (error.fault, error.message) == (fault, message)


@pytest.mark.parametrize("at_date", [False, True])
async def test_a_rate_limit_error_carries_the_services_retry_after_time(
    at_date: bool, simulator: ChatSimulator, agent: GraphAgent, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.retry_at_date = at_date
    simulator.faults.plan(Planned(Injected.RATE_LIMITED, retry_after_s=7))
    assert (await failure(agent, caplog)).retry_after_s == pytest.approx(7, abs=1.1)


async def test_waits_for_a_slow_first_byte(simulator: ChatSimulator, agent: GraphAgent) -> None:
    simulator.faults.plan(Planned(Injected.SLOW_FIRST_BYTE, delay_s=0.3))
    assert await said(agent) != ""


@pytest.mark.parametrize("limit", ["of the client", "of the whole answer"])
async def test_a_hanging_service_times_out_and_its_connection_is_closed(
    limit: str, simulator: ChatSimulator, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.faults.plan(Injected.HANG)
    by_client = limit == "of the client"
    agent = agent_on(make(timeout_s=0.2)) if by_client else agent_on(make(), timeout_s=0.2)
    error = await failure(agent, caplog)
    assert (error.fault, error.message) == (
        Fault.TIMEOUT,
        "no answer in time" if by_client else "no answer within 0.2 s",
    )
    await asyncio.wait_for(simulator.completions[0].gone, 1)
    await agent.close()


async def test_an_answer_that_exceeds_its_time_limit_is_cut_off(
    simulator: ChatSimulator, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.answers.append(Answer(LONG))
    simulator.token_s = 0.05
    agent = agent_on(make(), timeout_s=0.3)
    assert (await failure(agent, caplog)).fault is Fault.TIMEOUT
    await asyncio.wait_for(simulator.completions[0].gone, 1)
    await agent.close()


async def test_a_stopped_service_is_reported_as_unreachable(
    make: Make, simulator: ChatSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    engine = agent_on(make())
    await simulator.__aexit__()
    assert (await failure(engine, caplog)).fault is Fault.UNREACHABLE
    with pytest.raises(EngineError, match="no connection"):
        await engine.probe()
    await engine.close()


async def test_a_probe_accepts_the_right_key_and_denies_a_wrong_one(
    simulator: ChatSimulator, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    right, wrong = agent_on(make()), agent_on(make(key="sk-wrong"))
    await right.probe()
    with pytest.raises(EngineError, match=r"the key was not accepted \(HTTP 401\)") as caught:
        await wrong.probe()
    assert caught.value.fault is Fault.DENIED
    assert_discreet(caught.value, caplog)
    assert "sk-wrong" not in caplog.text
    assert [request.path.endswith("/models") for request in simulator.requests] == [True, True]
    await right.close()
    await wrong.close()


@pytest.mark.parametrize("pieces", [1, 7])
async def test_closing_a_reply_closes_the_connection_at_once(
    pieces: int, simulator: ChatSimulator, agent: GraphAgent
) -> None:
    simulator.answers.append(Answer(LONG))
    simulator.token_s = 0.02
    closed_s = await closed_at(agent, pieces)
    assert await asyncio.wait_for(simulator.completions[0].gone, 1) - closed_s < 0.1


async def test_cancelling_a_reply_before_its_first_token_closes_the_connection_at_once(
    simulator: ChatSimulator, agent: GraphAgent
) -> None:
    begun = asyncio.Event()

    def brain(*_: object) -> Answer:
        begun.set()
        return Answer(LONG)

    simulator.brain, simulator.first_token_s = brain, 30
    cancelled_s = await cancelled_at(agent, begun)
    assert await asyncio.wait_for(simulator.completions[0].gone, 1) - cancelled_s < 0.1


async def test_two_hundred_turns_leak_no_sockets_threads_or_tasks(simulator: ChatSimulator, make: Make) -> None:
    agent = agent_on(make())
    simulator.brain = lambda *_: Answer("Yes, and no.")
    await said(agent)  # asyncio's resolver thread exists from now on.
    await agent.close()
    await until(lambda: simulator.open == 0)
    before = Resources.now()
    agent = agent_on(make())
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
            case _:
                await said(agent)
    assert simulator.open <= 2
    await agent.close()
    await until(lambda: simulator.open == 0)
    await until(lambda: Resources.now().is_within(before))
