"""Calls of tools through a session, with the real graph: what outlives a reply, a session and the application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import BaseTool

from tests.support.conversation import conversation
from tests.support.engines import ScriptedStt, ToneTts
from tests.support.orchestrated import Session, idle, running
from tests.support.orders import ORDER, Orders
from tests.support.scripted_model import Script, brief, call
from tests.support.waiting import until
from voicebot.agent.agent import GraphAgent
from voicebot.agent.tools import confirm
from voicebot.dialogue.events import ConfirmationAsked, InterruptPressed, TextTyped, ToolCallBegun, ToolCallEnded
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest
from voicebot.engines.llm.messages import STILL_RUNNING
from voicebot.session import tool_calls
from voicebot.session.mailbox import Mailbox
from voicebot.session.tool_calls import STOPPED, TOO_MANY, ReplyCalls, RunningCalls, SessionCallLog


class ToolAgent(GraphAgent):
    """The real agent around a scripted model."""

    def __init__(self, tools: list[BaseTool], *answers: list[Any]) -> None:
        self.model_script = Script(answers=list(answers))
        super().__init__(self.model_script, tools, "scripted", prompt=brief)

    @property
    def scripts(self) -> list[Any]:
        return self.model_script.answers

    @property
    def requests(self) -> list[list[BaseMessage]]:
        return self.model_script.given


def talk(agent: ToolAgent, **options: Any) -> Any:
    return running(engines=(ScriptedStt(), agent, ToneTts()), **options)  # type: ignore[arg-type]


def told_of_calls(request: list[BaseMessage]) -> list[tuple[str, str]]:
    """Returns the calls in a request to the model, each with what the model reads as its result."""
    results = {each.tool_call_id: each.text for each in request if isinstance(each, ToolMessage)}
    made = [each for message in request if isinstance(message, AIMessage) for each in message.tool_calls]
    return [(each["name"], results[str(each["id"])]) for each in made]


async def test_an_effect_interrupted_in_mid_call_happens_once_and_the_next_request_holds_its_result() -> None:
    orders = Orders()
    agent = ToolAgent([orders.tool], ORDER, ["It is ordered."])
    async with talk(agent) as session:
        session.bot.mailbox.post(TextTyped("order tea"))
        await orders.begun.wait()
        await session.until(lambda state: state.calls)
        session.bot.mailbox.post(InterruptPressed())
        await session.until(lambda state: state.reply is None)
        assert session.bot.state.calls[0].status is CallStatus.RUNNING
        orders.let_go.set()
        await session.until(lambda state: state.calls[0].status is CallStatus.DONE)
        assert orders.made == ["tea"]
        agent.scripts[:] = [["It is ordered."]]
        session.bot.mailbox.post(TextTyped("did it work"))
        await session.until(lambda state: state.last_reply == 2 and idle(state))
        assert told_of_calls(agent.requests[-1]) == [("order", "ordered tea")]
        assert 'order {"what": "tea"}: done: ordered tea' in agent.requests[-1][0].text
    assert orders.made == ["tea"]


async def test_a_call_that_still_runs_is_seen_as_running_in_the_next_reply() -> None:
    orders = Orders()
    agent = ToolAgent([orders.tool], ORDER)
    async with talk(agent) as session:
        session.bot.mailbox.post(TextTyped("order tea"))
        await orders.begun.wait()
        session.bot.mailbox.post(InterruptPressed())
        await session.until(lambda state: state.reply is None and state.calls)
        agent.scripts[:] = [["Still at it."]]
        session.bot.mailbox.post(TextTyped("and now"))
        await session.until(lambda state: state.last_reply == 2 and idle(state))
        assert told_of_calls(agent.requests[-1]) == [("order", STILL_RUNNING)]
        orders.let_go.set()
        await session.until(lambda state: state.calls[0].status is CallStatus.DONE)


async def test_a_call_that_ends_within_its_reply_is_answered_by_it() -> None:
    orders = Orders()
    orders.let_go.set()
    agent = ToolAgent([orders.tool], ORDER, ["It is ordered."])
    async with talk(agent) as session:
        session.bot.mailbox.post(TextTyped("order tea"))
        await session.until(idle)
        assert session.history == ["order tea", "It is ordered."]
        (record,) = session.bot.state.calls
        assert (record.tool, json.loads(record.arguments), record.status, record.result, record.position) == (
            "order",
            {"what": "tea"},
            CallStatus.DONE,
            "ordered tea",
            1,
        )


async def test_a_question_ends_the_reply_and_is_spoken() -> None:
    made = []

    @confirm("Shall I buy {count} teas?")
    async def buy(count: int) -> str:
        """Buy tea."""
        made.append(count)
        return "bought"

    agent = ToolAgent([buy], ["Sure. ", call("buy", '{"count": 2}')])
    async with talk(agent) as session:
        session.bot.mailbox.post(TextTyped("buy two teas"))
        await session.until(idle)
        assert session.history == ["buy two teas", "Sure. Shall I buy 2 teas?"]
        assert session.tts.said == ["Sure.", "Shall I buy 2 teas?"]
    assert made == []


# Confirmations ------------------------------------------------------------------------------------------------------


@dataclass
class Shop:
    """A tool that needs a yes."""

    bought: list[int] = field(default_factory=list)

    @property
    def tool(self) -> BaseTool:
        @confirm("Shall I buy {count} teas?")
        async def buy(count: int) -> str:
            """Buy tea."""
            self.bought.append(count)
            return f"bought {count}"

        return buy


ASKS = ["Sure. ", call("buy", '{"count": 2}')]


async def asked_and_answered(session: Any, words: str) -> None:
    session.bot.mailbox.post(TextTyped("buy two teas"))
    await session.until(lambda state: state.confirmation is not None and state.is_idle)
    session.bot.mailbox.post(TextTyped(words))
    await session.until(lambda state: state.last_reply == 2 and idle(state))


async def test_a_clear_yes_runs_the_tool_once_and_the_model_answers_with_its_result() -> None:
    shop = Shop()
    agent = ToolAgent([shop.tool], ASKS, ["They are bought."])
    async with talk(agent) as session:
        await asked_and_answered(session, "yes please")
        assert session.history == ["buy two teas", "Sure. Shall I buy 2 teas?", "yes please", "They are bought."]
        assert shop.bought == [2]
        assert told_of_calls(agent.requests[-1]) == [("buy", "bought 2")]
        (record,) = session.bot.state.calls
        assert (record.status, record.result, record.position, record.reported) == (
            CallStatus.DONE,
            "bought 2",
            3,
            True,
        )


@pytest.mark.parametrize("words", ["uh-huh", "no", "yes but only one"])
async def test_anything_but_a_clear_yes_does_not_run_the_tool_and_the_model_learns_it(words: str) -> None:
    shop = Shop()
    agent = ToolAgent([shop.tool], ASKS, ["All right."])
    async with talk(agent) as session:
        await asked_and_answered(session, words)
        assert shop.bought == []
        ((tool, result),) = told_of_calls(agent.requests[-1])
        assert tool == "buy"
        assert words in result
        assert "buy" in agent.requests[-1][0].text, "the answer says what was not done"
        (record,) = session.bot.state.calls
        assert record.status is CallStatus.NOT_CONFIRMED


async def test_a_confirmed_call_that_is_interrupted_runs_to_its_end_and_is_reported_later() -> None:
    orders = Orders()

    @confirm("Shall I order {what}?")
    async def order(what: str) -> str:
        """Order something."""
        orders.begun.set()
        await orders.let_go.wait()
        orders.made.append(what)
        return f"ordered {what}"

    agent = ToolAgent([order], ORDER)
    async with talk(agent) as session:
        session.bot.mailbox.post(TextTyped("order tea"))
        await session.until(lambda state: state.confirmation is not None and state.is_idle)
        session.bot.mailbox.post(TextTyped("yes"))
        await orders.begun.wait()
        session.bot.mailbox.post(InterruptPressed())
        await session.until(lambda state: state.reply is None)
        orders.let_go.set()
        await session.until(lambda state: state.calls and state.calls[0].status is CallStatus.DONE)
        agent.scripts[:] = [["It is ordered."]]
        session.bot.mailbox.post(TextTyped("and now"))
        await session.until(lambda state: state.last_reply == 3 and idle(state))
        assert orders.made == ["tea"]
        assert told_of_calls(agent.requests[-1]) == [("order", "ordered tea")]
        assert 'order {"what": "tea"}: done: ordered tea' in agent.requests[-1][0].text


# Without a session ------------------------------------------------------------------------------------------------


@dataclass
class KeptLog:
    """A log of calls that is kept."""

    begun: list[str] = field(default_factory=list)
    ended: list[ToolCallEnded] = field(default_factory=list)
    error: Exception | None = None

    def call_begun(self, call: str) -> None:
        self.begun.append(call)

    async def call_ended(self, ended: ToolCallEnded) -> None:
        if self.error is not None:
            raise self.error
        self.ended.append(ended)


CALL = CallRecord("abcdefgh1", "order", "{}")


@asynccontextmanager
async def orders_under_way(calls: RunningCalls, log: KeptLog) -> AsyncIterator[tuple[Orders, asyncio.Task[Any]]]:
    """A call that has begun, and the task of the reply that waits for it."""
    orders = Orders()

    async def effect() -> str:
        orders.begun.set()
        await orders.let_go.wait()
        orders.made.append("tea")
        return "ordered"

    reply_calls = ReplyCalls(1, conversation("talk"), (), None, Mailbox(), log, calls)
    reply = asyncio.create_task(reply_calls.run(CALL, effect(), 30))
    await orders.begun.wait()
    yield orders, reply


async def test_a_call_that_outlives_its_session_is_noted_when_it_ends() -> None:
    log = KeptLog()
    orders = Orders()
    agent = ToolAgent([orders.tool], ORDER)
    session = Session(ScriptedStt(), agent, ToneTts())  # type: ignore[arg-type]
    session.bot._call_log = log  # noqa: SLF001
    run = asyncio.create_task(session.bot.run())
    session.bot.mailbox.post(TextTyped("order tea"))
    await orders.begun.wait()
    run.cancel()
    await asyncio.wait([run])
    assert log.ended == []
    orders.let_go.set()
    await until(lambda: log.ended)
    assert orders.made == ["tea"]
    assert log.ended == [ToolCallEnded(log.begun[0], CallStatus.DONE, "ordered tea")]


async def test_a_shutdown_waits_for_calls_that_end_soon() -> None:
    calls, log = RunningCalls(), KeptLog()
    async with orders_under_way(calls, log) as (orders, reply):
        reply.cancel()
        asyncio.get_running_loop().call_later(tool_calls.CLOSE_S / 2, orders.let_go.set)
        await calls.close()
        assert orders.made == ["tea"]
        assert log.ended == [ToolCallEnded(CALL.id, CallStatus.DONE, "ordered")]


async def test_a_shutdown_stops_other_calls_and_notes_that_nobody_knows_how_they_end() -> None:
    calls, log = RunningCalls(), KeptLog()
    async with orders_under_way(calls, log) as (orders, reply):
        await calls.close()
        assert log.ended == [ToolCallEnded(CALL.id, CallStatus.UNKNOWN, STOPPED)]
        assert (await reply).status is CallStatus.UNKNOWN
        assert orders.made == []
        assert not calls.has_room("talk"), "no call begins after that"


async def test_a_call_that_raises_no_exception_is_noted_as_failed() -> None:
    class PanicError(BaseException):
        pass

    async def effect() -> str:
        raise PanicError

    calls, log = RunningCalls(), KeptLog()
    record = await calls.run("talk", log, CALL, effect(), 30)
    assert record.status is CallStatus.FAILED
    assert log.ended == [ToolCallEnded(CALL.id, CallStatus.FAILED, record.result)]


async def test_a_log_that_fails_changes_nothing_about_the_result(caplog: pytest.LogCaptureFixture) -> None:
    calls, log = RunningCalls(), KeptLog(error=OSError("disk full"))
    async with orders_under_way(calls, log) as (orders, reply):
        orders.let_go.set()
        assert (await reply).result == "ordered"
    assert "how a call of the tool order ended could not be stored" in caplog.text


async def test_one_conversation_has_a_bounded_number_of_calls_under_way() -> None:
    calls, log, mailbox = RunningCalls(most=1), KeptLog(), Mailbox()

    async def effect() -> str:
        return "ordered"

    async with orders_under_way(calls, log) as (orders, reply):
        more = ReplyCalls(2, conversation("talk"), (), None, mailbox, log, calls)
        refused = await more.run(CallRecord("abcdefgh2", "order", "{}"), effect(), 30)
        assert (refused.status, refused.result) == (CallStatus.FAILED, TOO_MANY)
        other = ReplyCalls(2, conversation("other talk"), (), None, mailbox, log, calls)
        assert (await other.run(CallRecord("abcdefgh3", "order", "{}"), effect(), 30)).result == "ordered"
        orders.let_go.set()
        await reply
        again = await more.run(CallRecord("abcdefgh4", "order", "{}"), effect(), 30)
        assert again.status is CallStatus.DONE
    assert [(await mailbox.next())[0] for _ in range(2)] == [
        ToolCallBegun(2, CallRecord("abcdefgh3", "order", "{}")),
        ToolCallBegun(2, CallRecord("abcdefgh4", "order", "{}")),
    ]


async def test_a_session_without_a_stored_conversation_is_told_how_its_calls_end() -> None:
    mailbox = Mailbox()
    log = SessionCallLog(mailbox)
    log.call_begun("a")
    await log.call_ended(ToolCallEnded("a", CallStatus.DONE, "ordered"))
    assert (await mailbox.next())[0] == ToolCallEnded("a", CallStatus.DONE, "ordered")


async def test_a_question_is_posted_for_its_reply() -> None:
    mailbox = Mailbox()
    request = ConfirmationRequest(CALL, "Really?")
    ReplyCalls(3, conversation("talk"), (), None, mailbox, KeptLog(), RunningCalls()).ask(request)
    assert (await mailbox.next())[0] == ConfirmationAsked(3, request)
