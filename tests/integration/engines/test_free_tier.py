"""Twenty turns of ordinary talk on Groq's free tier of 8,000 tokens a minute, on a manual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import pytest

from tests.integration.engines.replies import KEY, WANTED
from tests.simulators.brain import Answer, Call
from tests.simulators.chat import ChatSimulator
from tests.simulators.chat_models import TokenLimit
from tests.support.waiting import until
from voicebot.agent.agent import GraphAgent
from voicebot.agent.tools import built_in_tools
from voicebot.dialogue.history import History, Message, Role
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.groq import Groq
from voicebot.engines.llm.models import Models
from voicebot.engines.llm.rate_limits import RateLimits

OSS = "openai/gpt-oss-120b"
ASKED = "so what would you say is the best way of getting from the harbour to the old town with two small children"
ANSWER = (
    "I would take the tram from the harbour, as it stops every ten minutes and has room for a pram. Get off at the "
    "market, and from there it is a short walk up a street without cars. If it rains, the bus is better, since it "
    "stops right in front of the gate."
)
TURN_S = 10.0
"""The user speaks for 4 s and then listens to three sentences for longer than that, so turns come no faster."""


class Clock:
    def __init__(self) -> None:
        self.now_s = 5_000.0

    def __call__(self) -> float:
        return self.now_s


def bot(simulator: ChatSimulator, clock: Clock) -> GraphAgent:
    """Returns an agent as `build` makes it, with the usual persona and all tools."""
    engine = Groq(KEY, base_url=simulator.url, models=Models((OSS,), clock))
    return GraphAgent(engine.model, built_in_tools(), "groq", service=engine, history_max_tokens=6_000)


async def talk(agent: GraphAgent, simulator: ChatSimulator, clock: Clock, turns: int) -> History:
    """Begins each reply early. Every second time the user speaks on, so that the reply is thrown away.

    Every fifth turn calls a tool. Raises EngineError where the fallback would have answered.
    """
    history: History = ()
    for turn in range(turns):
        if turn % 2:
            await begun_and_thrown_away(agent, (*history, Message(Role.USER, ASKED[:40])))
        if turn % 5 == 4:
            simulator.answers.append(Answer(calls=(Call("clock", {"place": "Rome"}, 0),)))
        history = (*history, Message(Role.USER, f"{turn}: {ASKED}"))
        async with aclosing(agent.reply(history, WANTED)) as tokens:
            heard = "".join([token async for token in tokens])
        history = (*history, Message(Role.ASSISTANT, heard))
        clock.now_s += TURN_S
    return history


async def begun_and_thrown_away(
    agent: GraphAgent, history: History, requested: Callable[[], object] | None = None
) -> None:
    """Cancels a preemptive reply: after a moment, in which it may have been requested, or once it was."""
    async with aclosing(agent.reply(history, asyncio.Event())) as tokens:
        reply = asyncio.ensure_future(anext(tokens))
        if requested is None:
            await asyncio.wait([reply], timeout=0.05)
        else:
            await until(requested)
        reply.cancel()
        await asyncio.wait([reply])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def simulator(clock: Clock) -> ChatSimulator:
    return ChatSimulator(
        models=(OSS,),
        limit=TokenLimit(8_000, clock=clock),
        brain=lambda *_: Answer(ANSWER, reasoning="I think so. " * 9),
    )


async def test_twenty_turns_stay_within_the_free_tier_without_a_refusal(simulator: ChatSimulator, clock: Clock) -> None:
    async with simulator:
        agent = bot(simulator, clock)
        history = await talk(agent, simulator, clock, 20)
        assert [message.text for message in history[1::2]] == [ANSWER] * 20
        assert simulator.limit is not None
        assert simulator.limit.refused == 0
        bodies = [request.body["messages"] for request in simulator.completions]
        questions_sent = [[message["content"] for message in body if message["role"] == "user"] for body in bodies]
        assert min(len(questions) for questions in questions_sent[4:]) >= 3, "some turns are always remembered"
        assert questions_sent[-1][-1] == f"19: {ASKED}"
        assert {body[1]["role"] for body in bodies} == {"user"}
        await agent.close()


async def test_a_bot_that_ignores_the_rate_limit_headers_hits_the_limit(
    simulator: ChatSimulator, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The conversation of the test above exceeds the limit without care."""
    monkeypatch.setattr(RateLimits, "observe", lambda *_: None)
    async with simulator:
        agent = bot(simulator, clock)
        with pytest.raises(EngineError) as caught:
            await talk(agent, simulator, clock, 20)
        assert caught.value.fault is Fault.LIMITED
        await agent.close()


async def test_a_preemptive_reply_near_the_rate_limit_is_not_requested_until_it_is_wanted(
    simulator: ChatSimulator, clock: Clock
) -> None:
    async with simulator:
        agent = bot(simulator, clock)
        history: History = (Message(Role.USER, ASKED),)
        await begun_and_thrown_away(agent, history, lambda: len(simulator.completions) == 1)
        assert simulator.limit is not None
        simulator.limit.spend(5_000)
        # The service has not yet reported that few tokens are left.
        await begun_and_thrown_away(agent, history, lambda: len(simulator.completions) == 2)
        wanted = asyncio.Event()
        async with aclosing(agent.reply(history, wanted)) as tokens:
            reply = asyncio.ensure_future(anext(tokens))
            await asyncio.wait([reply], timeout=0.05)
            assert len(simulator.completions) == 2, "the request waits now"
            wanted.set()
            assert await reply
        assert len(simulator.completions) == 3
        await agent.close()


async def test_a_request_beyond_the_rate_limit_fails_without_being_sent(simulator: ChatSimulator, clock: Clock) -> None:
    async with simulator:
        agent = bot(simulator, clock)
        history: History = (Message(Role.USER, ASKED),)
        assert simulator.limit is not None
        simulator.limit.spend(7_400)
        async with aclosing(agent.reply(history, WANTED)) as tokens:
            await anext(tokens)
        sent = len(simulator.completions)
        with pytest.raises(
            EngineError, match=r"the account's rate limit is used up \(8000 tokens a minute\)"
        ) as caught:
            async with aclosing(agent.reply(history, WANTED)) as tokens:
                await anext(tokens)
        assert caught.value.fault is Fault.LIMITED
        assert caught.value.retry_after_s
        assert caught.value.retry_after_s > 2
        assert len(simulator.completions) == sent
        clock.now_s += caught.value.retry_after_s + 0.1
        async with aclosing(agent.reply(history, WANTED)) as tokens:
            await anext(tokens)
        assert simulator.limit.refused == 0
        await agent.close()


async def test_locally_refused_requests_do_not_use_up_the_replenished_tokens(
    simulator: ChatSimulator, clock: Clock
) -> None:
    async with simulator:
        agent = bot(simulator, clock)
        history: History = (Message(Role.USER, ASKED),)
        assert simulator.limit is not None
        simulator.limit.spend(7_400)
        async with aclosing(agent.reply(history, WANTED)) as tokens:
            await anext(tokens)
        for _ in range(20):
            with pytest.raises(EngineError, match="used up"):
                async with aclosing(agent.reply(history, WANTED)) as tokens:
                    await anext(tokens)
        clock.now_s += 10
        async with aclosing(agent.reply(history, WANTED)) as tokens:
            assert await anext(tokens)
        assert simulator.limit.refused == 0
        await agent.close()


async def test_concurrent_replies_share_the_remaining_tokens_without_a_refusal_by_the_service(
    simulator: ChatSimulator, clock: Clock
) -> None:
    """The clock stands still, so that only one of the requests has enough tokens."""
    async with simulator:
        agent = bot(simulator, clock)
        history: History = (Message(Role.USER, ASKED),)
        assert simulator.limit is not None
        simulator.limit.spend(6_100)
        async with aclosing(agent.reply(history, WANTED)) as tokens:
            await anext(tokens)

        async def answered() -> bool:
            async with aclosing(agent.reply(history, WANTED)) as tokens:
                return bool(await anext(tokens))

        async with asyncio.timeout(30):
            outcomes = await asyncio.gather(*(answered() for _ in range(5)), return_exceptions=True)
        refused = [str(each) for each in outcomes if isinstance(each, EngineError)]
        assert 1 <= len(refused) < 5
        assert all("used up" in each for each in refused)
        assert outcomes.count(True) == 5 - len(refused)
        assert simulator.limit.refused == 0
        await agent.close()
