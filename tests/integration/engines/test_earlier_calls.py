"""Calls of earlier replies in the requests to services, in each service's own format.

The simulators refuse a history in which a call has no result, or a result no call, as the services do.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.engines.replies import KEY, WANTED, agent_on, groq_on, openai_on
from tests.simulators.brain import Answer, Call
from tests.simulators.chat import ChatSimulator
from tests.simulators.realtime import RealtimeSimulator
from tests.support.conversation import conversation
from voicebot.agent.agent import GraphAgent
from voicebot.agent.tools import confirm, effects
from voicebot.dialogue.history import History, Message, Role
from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.engines.llm.messages import REPORT_CALLS, STILL_RUNNING
from voicebot.engines.llm.models import Models
from voicebot.engines.llm.realtime import Realtime
from voicebot.session.mailbox import Mailbox
from voicebot.session.tool_calls import ReplyCalls, RunningCalls, SessionCallLog

HISTORY: History = (
    Message(Role.USER, "order tea and book a table"),
    Message(Role.ASSISTANT, "Both is under way."),
    Message(Role.USER, "yes please"),
)
RECORDS = (
    CallRecord("abcdefgh1", "order", '{"what": "tea"}', CallStatus.DONE, "ordered tea", 1),
    CallRecord("abcdefgh2", "book", "{}", CallStatus.RUNNING, "", 1),
)
MISTRAL_ID = re.compile(r"[a-zA-Z0-9]{9}")


@effects
async def order(what: str) -> str:
    """Order something."""
    return f"ordered {what}"


@confirm("Shall I pay {euros} euros?")
async def pay(euros: int) -> str:
    """Pay."""
    return f"paid {euros} euros"


@dataclass
class Service:
    """A service on a simulator, and what it was sent."""

    agent: GraphAgent
    answers: Any
    sent: Callable[[], tuple[str, list[Any]]]
    """Returns the system prompt and the other messages of the last request."""


@pytest.fixture(params=["groq", "openai", "realtime"])
async def service(request: pytest.FixtureRequest) -> AsyncIterator[Service]:
    async with AsyncExitStack() as stack:
        if request.param == "realtime":
            realtime = await stack.enter_async_context(RealtimeSimulator(key=KEY))
            engine: Any = Realtime(KEY, base_url=f"{realtime.url}/v1", models=Models(("gpt-realtime-2.1",)))
            answers: Any = realtime.answers

            def sent() -> tuple[str, list[Any]]:
                last = realtime.requests[-1]
                return last.events[0]["session"]["instructions"], last.items
        else:
            chat = await stack.enter_async_context(ChatSimulator(key=KEY))
            path = "/openai/v1" if request.param == "groq" else "/v1"
            engine = (groq_on if request.param == "groq" else openai_on)(f"{chat.url}{path}")
            answers = chat.answers

            def sent() -> tuple[str, list[Any]]:
                system, *others = chat.completions[-1].body["messages"]
                return system["content"], others

        agent = agent_on(engine, [order, pay])
        yield Service(agent, answers, sent)
        await agent.close()


def calls_of(*records: CallRecord, confirmed: CallRecord | None = None) -> ReplyCalls:
    mailbox = Mailbox()
    return ReplyCalls(1, conversation("talk"), records, confirmed, mailbox, SessionCallLog(mailbox), RunningCalls())


async def said(service: Service, calls: ReplyCalls) -> str:
    return "".join([token async for token in service.agent.reply(HISTORY, WANTED, calls=calls)])


def seen(messages: list[Any]) -> list[tuple[str, ...]]:
    """Returns the messages of any service in one form."""
    found: list[tuple[str, ...]] = []
    for each in messages:
        if each.get("type") == "function_call":
            found.append(("call", each["call_id"], each["name"], each["arguments"]))
        elif each.get("type") == "function_call_output":
            found.append(("result", each["call_id"], each["output"]))
        elif each.get("type") == "message":
            found.append((each["role"], each["content"][0]["text"]))
        elif each["role"] == "tool":
            found.append(("result", each["tool_call_id"], each["content"]))
        elif each.get("tool_calls"):
            (made,) = each["tool_calls"]
            found.append(("call", made["id"], made["function"]["name"], made["function"]["arguments"]))
        else:
            found.append((each["role"], each["content"]))
    return found


async def test_every_service_is_told_of_earlier_calls_at_their_places(service: Service) -> None:
    service.answers.append(Answer("Your tea is ordered."))
    assert await said(service, calls_of(*RECORDS)) == "Your tea is ordered."
    system, messages = service.sent()
    assert seen(messages) == [
        ("user", HISTORY[0].text),
        ("call", "abcdefgh1", "order", '{"what": "tea"}'),
        ("result", "abcdefgh1", "ordered tea"),
        ("call", "abcdefgh2", "book", "{}"),
        ("result", "abcdefgh2", STILL_RUNNING),
        ("assistant", HISTORY[1].text),
        ("user", HISTORY[2].text),
    ]
    assert system.split(REPORT_CALLS)[1].split("\n\n")[0].strip() == '- order {"what": "tea"}: done: ordered tea'
    assert "voicebot_" not in json.dumps([system, messages]), "the marks of messages are not sent"


async def test_a_service_answers_after_a_confirmed_call(service: Service) -> None:
    service.answers.append(Answer("It is paid."))
    confirmed = CallRecord("abcdefgh3", "pay", '{"euros": 7}')
    assert await said(service, calls_of(confirmed=confirmed)) == "It is paid."
    assert seen(service.sent()[1])[-3:] == [
        ("user", "yes please"),
        ("call", "abcdefgh3", "pay", '{"euros": 7}'),
        ("result", "abcdefgh3", "paid 7 euros"),
    ]


async def test_a_call_that_needs_a_yes_ends_the_answer_of_a_service_with_the_question(service: Service) -> None:
    service.answers.append(Answer("Sure.", (Call("pay", {"euros": 7}),)))
    calls = calls_of()
    assert await said(service, calls) == "Sure. Shall I pay 7 euros?"
    asked = (await calls.mailbox.next())[0]
    assert asked.request.call.arguments == '{"euros": 7}'  # type: ignore[union-attr]
    assert MISTRAL_ID.fullmatch(asked.request.call.id), "Mistral refuses any other identifier"  # type: ignore[union-attr]
