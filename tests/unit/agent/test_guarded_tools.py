"""Tools in a graph: each runs by its policy, whatever graph calls it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, InjectedToolArg, ToolException, tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState, ToolNode

from tests.support.conversation import conversation
from tests.support.scripted_model import Endless, Script, brief, call
from tests.support.waiting import until
from voicebot.agent.agent import GraphAgent
from voicebot.agent.conversation import Conversation, current_conversation
from voicebot.agent.tools import Toolbox, confirm, effects, pure
from voicebot.agent.tools.calls import NOTHING, RESULT_CHARS, ended
from voicebot.agent.tools.guarded import MADE_ONCE, NOBODY_TO_ASK
from voicebot.agent.tools.reply_tools import QuestionAskedError, ReplyTools, as_config
from voicebot.agent.tools.toolbox import too_many
from voicebot.dialogue.history import History, Message, Role
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest, ToolTag
from voicebot.engines.protocols import OutputDeadline, Style

HI: History = (Message(Role.USER, "hi"),)


def set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class Calls:
    """The calls of a conversation, as a session keeps them: they outlive the reply."""

    records: tuple[CallRecord, ...] = ()
    confirmed: CallRecord | None = None
    conversation: Conversation = field(default_factory=lambda: conversation("talk-1"))
    begun: list[CallRecord] = field(default_factory=list)
    running: list[asyncio.Task[CallRecord]] = field(default_factory=list)
    asked: list[ConfirmationRequest] = field(default_factory=list)
    counted: list[tuple[ToolTag, CallStatus]] = field(default_factory=list)

    async def run(self, call: CallRecord, effect: Coroutine[Any, Any, str], limit_s: float) -> CallRecord:
        self.begun.append(call)
        self.running.append(task := asyncio.create_task(ended(call, effect, limit_s)))
        return await asyncio.shield(task)

    def ask(self, request: ConfirmationRequest) -> None:
        self.asked.append(request)

    def count_call(self, tag: ToolTag, status: CallStatus, seconds: float) -> None:
        assert 0 <= seconds < 60
        self.counted.append((tag, status))


@dataclass
class Shop:
    """Tools of a shop, and what was done with them."""

    done: list[str] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=set_event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def order(self) -> BaseTool:
        @effects
        async def order(what: str = "tea") -> str:
            """Order something."""
            self.begun.set()
            await self.open.wait()
            self.done.append(what)
            return f"ordered {what}"

        return order

    @property
    def buy(self) -> BaseTool:
        @confirm({"en": "Shall I buy {count} {what}?", "de": "Soll ich {count} {what} kaufen?"})
        async def buy(what: str, count: int = 2) -> str:
            """Buy something."""
            self.done.append(f"{count} {what}")
            return f"bought {count} {what}"

        return buy

    @property
    def look(self) -> BaseTool:
        @pure
        async def look() -> str:
            """Look around."""
            self.begun.set()
            await self.open.wait()
            self.done.append("look")
            return "there is tea"

        return look


Maker = Callable[[Script, Toolbox], Any]
Kind = Callable[[Callable[..., Any]], BaseTool]
"""A decorator without arguments."""
LimitedKind = Callable[..., Kind]
"""A decorator with a time limit."""


def own_graph(model: Script, toolbox: Toolbox) -> Any:
    """A graph as a builder may write it, with LangGraph's own ToolNode."""

    async def ask(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    def route(state: MessagesState) -> str:
        last = state["messages"][-1]
        return "tools" if isinstance(last, AIMessage) and last.tool_calls else END

    graph = StateGraph(MessagesState)
    graph.add_node("model", ask)
    graph.add_node("tools", ToolNode(toolbox.tools))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", route, ["tools", END])
    graph.add_edge("tools", "model")
    return graph.compile()


def ready_made_graph(model: Script, toolbox: Toolbox) -> Any:
    """LangChain's agent, which calls each tool in a task of its own."""
    return create_agent(model, list(toolbox.tools))


def nested_graph(model: Script, toolbox: Toolbox) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("inner", own_graph(model, toolbox))
    graph.add_edge(START, "inner")
    graph.add_edge("inner", END)
    return graph.compile()


@pytest.fixture(params=[own_graph, ready_made_graph, nested_graph])
def make(request: pytest.FixtureRequest) -> Maker:
    """Any graph of a builder."""
    return cast("Maker", request.param)


async def run(
    graph: Any, calls: Calls | None = None, wanted: asyncio.Event | None = None, style: Style | None = None
) -> list[Any]:
    """Returns the messages of the answer, as GraphAgent runs a graph."""
    reply = ReplyTools(wanted or set_event(), calls=calls, language="en" if style is None else style.language)

    begin = MessagesState(messages=[HumanMessage("hi")])
    messages: list[Any] = []
    # A scripted model streams, and LangGraph has it stream only if messages are asked for.
    parts = graph.astream(begin, as_config(reply), stream_mode=["messages", "values"])
    async with aclosing(reply.with_fillers(parts)) as found:
        async for each in found:
            kind, part = cast("tuple[str, Any]", each)
            if kind == "values":
                messages = part["messages"]
    return messages


def results(messages: list[Any]) -> list[ToolMessage]:
    return [message for message in messages if isinstance(message, ToolMessage)]


# pure and effects ------------------------------------------------------------------------------------------------


async def test_a_pure_tool_runs_for_a_reply_that_is_not_wanted_yet(make: Maker) -> None:
    shop = Shop()
    messages = await run(make(Script(answers=[[call("look")], ["Tea."]]), Toolbox([shop.look])), None, asyncio.Event())
    assert [each.text for each in results(messages)] == ["there is tea"]


@pytest.mark.parametrize("is_wanted_later", [True, False])
async def test_a_tool_with_effects_never_starts_before_the_reply_is_wanted(make: Maker, is_wanted_later: bool) -> None:
    shop, calls, wanted = Shop(), Calls(), asyncio.Event()
    model = Script(answers=[[call("order")], ["Done."]])
    answer = asyncio.create_task(run(make(model, Toolbox([shop.order])), calls, wanted))
    await until(lambda: model.given)
    for _ in range(100):
        await asyncio.sleep(0)
    assert (shop.begun.is_set(), calls.begun) == (False, [])
    if is_wanted_later:
        wanted.set()
        await answer
    else:
        answer.cancel()
        await asyncio.wait([answer])
        wanted.set()
        for _ in range(100):
            await asyncio.sleep(0)
    assert shop.done == (["tea"] if is_wanted_later else [])


async def test_an_untagged_tool_has_effects(make: Maker) -> None:
    @tool
    async def order() -> str:
        """Order it."""
        return "done"

    calls = Calls()
    await run(make(Script(answers=[[call("order")], ["Done."]]), Toolbox([order])), calls)
    assert [(each.tool, each.arguments) for each in calls.begun] == [("order", "{}")]


async def test_an_effect_happens_to_its_end_once_when_its_reply_is_cancelled_in_mid_call(make: Maker) -> None:
    shop, calls = Shop(open=asyncio.Event()), Calls()
    graph = make(Script(answers=[[call("order", '{"what": "milk"}')], ["Done."]]), Toolbox([shop.order]))
    answer = asyncio.create_task(run(graph, calls))
    await shop.begun.wait()
    answer.cancel()
    await asyncio.wait([answer])
    assert shop.done == []
    shop.open.set()
    (running,) = calls.running
    record = await running
    assert calls.counted == [(ToolTag.EFFECTS, CallStatus.DONE)]
    assert shop.done == ["milk"]
    assert (record.status, record.result, json.loads(record.arguments)) == (
        CallStatus.DONE,
        "ordered milk",
        {"what": "milk"},
    )


async def test_a_pure_tool_stops_with_its_reply(make: Maker) -> None:
    work, before = Endless(), asyncio.all_tasks()

    @pure
    async def search() -> str:
        """Search."""
        await work.wait()
        return ""

    calls = Calls()
    answer = asyncio.create_task(run(make(Script(answers=[[call("search")]]), Toolbox([search])), calls))
    await work.begun.wait()
    answer.cancel()
    await asyncio.wait([answer])
    assert work.is_stopped
    assert calls.counted == [], "nobody knows what it would have become"
    assert asyncio.all_tasks() == before


async def test_the_same_call_twice_in_one_message_has_its_effect_once(make: Maker) -> None:
    shop, calls = Shop(), Calls()
    both = [call("order", '{"what": "milk"}', 0), call("order", '{ "what":"milk" }', 1), call("order", number=2)]
    messages = await run(make(Script(answers=[both, ["Done."]]), Toolbox([shop.order])), calls)
    assert sorted(shop.done) == ["milk", "tea"]
    assert len(calls.begun) == 2
    assert [each.text for each in results(messages)] == [
        "ordered milk",
        MADE_ONCE.format(result="ordered milk"),
        "ordered tea",
    ]


async def test_the_same_call_in_two_messages_has_its_effect_twice() -> None:
    shop, calls = Shop(), Calls()
    await run(own_graph(Script(answers=[[call("order")], [call("order")], ["Done."]]), Toolbox([shop.order])), calls)
    assert shop.done == ["tea", "tea"]


# confirm ---------------------------------------------------------------------------------------------------------


async def test_a_tool_that_needs_a_confirmation_ends_any_graph_with_its_question(make: Maker) -> None:
    shop, calls = Shop(), Calls()
    graph = make(Script(answers=[["Sure. ", call("buy", '{"what": "teas"}')], ["no"]]), Toolbox([shop.buy]))
    with pytest.raises(QuestionAskedError):
        await run(graph, calls)
    (request,) = calls.asked
    assert request.question == "Shall I buy 2 teas?"
    assert (request.call.tool, json.loads(request.call.arguments)) == ("buy", {"what": "teas"})
    assert (shop.done, calls.begun) == ([], [])


async def test_the_question_is_asked_in_the_users_language_or_in_english() -> None:
    asked = []
    for language in ("de", "fr"):
        calls = Calls()
        graph = own_graph(Script(answers=[[call("buy", '{"what": "Tee"}')]]), Toolbox([Shop().buy]))
        with pytest.raises(QuestionAskedError):
            await run(graph, calls, style=Style(language))
        asked.append(calls.asked[0].question)
    assert asked == ["Soll ich 2 Tee kaufen?", "Shall I buy 2 Tee?"]


async def test_a_reply_asks_one_question_at_most_and_first_waits_for_the_tools_called_beside_it(make: Maker) -> None:
    shop, calls = Shop(open=asyncio.Event()), Calls()
    beside = [call("buy", '{"what": "teas"}', 0), call("order", number=1), call("buy", '{"what": "cups"}', 2)]
    answer = asyncio.create_task(run(make(Script(answers=[beside]), Toolbox([shop.order, shop.buy])), calls))
    await shop.begun.wait()
    for _ in range(50):
        await asyncio.sleep(0)
    assert calls.asked == []
    shop.open.set()
    with pytest.raises(QuestionAskedError):
        await answer
    assert shop.done == ["tea"]
    assert [each.question for each in calls.asked] == ["Shall I buy 2 teas?"]


async def test_wrong_arguments_are_told_to_the_model_and_nobody_is_asked(make: Maker) -> None:
    calls = Calls()
    model = Script(answers=[[call("buy", '{"count": "many"}')], ["Sorry."]])
    (result,) = results(await run(make(model, Toolbox([Shop().buy])), calls))
    assert result.status == "error"
    assert "what: Field required" in result.text
    assert "count: Input should be a valid integer" in result.text
    assert calls.asked == []


async def test_without_a_conversation_nobody_can_be_asked_and_the_tool_does_not_run(make: Maker) -> None:
    shop = Shop()
    model = Script(answers=[[call("buy", '{"what": "teas"}')], ["Sorry."]])
    (result,) = results(await run(make(model, Toolbox([shop.buy]))))
    assert result.text == f"Error: {NOBODY_TO_ASK}"
    assert shop.done == []


# errors and limits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [pure, effects])
async def test_only_an_error_for_the_model_is_quoted_and_others_are_logged_with_the_tools_name(
    make: Maker, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    @kind
    async def refusing() -> str:
        """Fail as a tool should."""
        raise ToolException("There is no such place.")

    @kind
    async def broken() -> str:
        """Fail as a tool should not."""
        raise RuntimeError("password is hunter2")

    model = Script(answers=[[call("refusing", number=0), call("broken", number=1)], ["Sorry."]])
    calls = Calls()
    found = results(await run(make(model, Toolbox([refusing, broken])), calls))
    assert [status for _, status in calls.counted] == [CallStatus.FAILED, CallStatus.FAILED]
    assert [(each.status, each.text) for each in found] == [
        ("error", "Error: There is no such place."),
        ("error", "Error: the tool failed."),
    ]
    assert "the tool broken failed" in caplog.text
    assert "hunter2" in caplog.text


@pytest.mark.parametrize("kind", [pure, effects])
async def test_a_tool_is_stopped_at_its_time_limit(make: Maker, kind: LimitedKind) -> None:
    work = Endless()

    @kind(limit_s=0.02)
    async def slow() -> str:
        """Take for ever."""
        await work.wait()
        return ""

    calls = Calls()
    (result,) = results(await run(make(Script(answers=[[call("slow")], ["Sorry."]]), Toolbox([slow])), calls))
    assert work.is_stopped
    assert result.status == "error"
    if kind is pure:
        assert result.text == "Error: the tool gave no result within 0.02 s."
        assert calls.counted == [(ToolTag.PURE, CallStatus.FAILED)]
    else:
        assert "stopped after 0.02 s. It is not known whether" in result.text
        assert [(await each).status for each in calls.running] == [CallStatus.UNKNOWN]
        assert calls.counted == [(ToolTag.EFFECTS, CallStatus.UNKNOWN)]


async def test_a_time_out_of_the_tools_own_is_a_failure_and_no_time_limit() -> None:
    @effects
    async def fetch() -> str:
        """Fetch it."""
        raise TimeoutError

    calls = Calls()
    await run(own_graph(Script(answers=[[call("fetch")], ["Sorry."]]), Toolbox([fetch])), calls)
    assert [(await each).status for each in calls.running] == [CallStatus.FAILED]


@pytest.mark.parametrize("kind", [pure, effects])
@pytest.mark.parametrize(
    ("returned", "told"),
    [([], "[]"), (None, "null"), ("", NOTHING), ({"a": 1}, '{"a": 1}'), (["x", "y"], '["x", "y"]'), (7, "7")],
    ids=repr,
)
async def test_the_model_reads_any_result_as_text_that_is_not_empty(kind: Kind, returned: object, told: str) -> None:
    @kind
    async def look() -> Any:
        """Look."""
        return returned

    calls = Calls()
    model = Script(answers=[[call("look")], ["Ok."]])
    (result,) = results(await run(own_graph(model, Toolbox([look])), calls))
    assert result.content == told
    assert [(await each).result for each in calls.running] == ([] if kind is pure else [told])


@pytest.mark.parametrize("kind", [pure, effects])
async def test_a_result_that_is_too_long_for_the_model_is_cut(make: Maker, kind: Kind) -> None:
    @kind
    async def flood() -> str:
        """Say much."""
        return "x" * (RESULT_CHARS + 1)

    calls = Calls()
    (result,) = results(await run(make(Script(answers=[[call("flood")], ["Ok."]]), Toolbox([flood])), calls))
    assert result.text == f"{'x' * RESULT_CHARS} … (cut: 8,001 characters)"
    assert [(await each).result for each in calls.running] == ([] if kind is pure else [result.text])


# calls that builders make themselves -----------------------------------------------------------------------------


def graph_of(node: Any) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    return graph.compile()


async def awaited(tool: BaseTool) -> Any:
    async def node(state: MessagesState) -> Any:
        return {"messages": [AIMessage(str(await tool.ainvoke({"what": "milk"})))]}

    return graph_of(node)


async def awaited_with_another_config(tool: BaseTool) -> Any:
    async def node(state: MessagesState) -> Any:
        config = RunnableConfig(configurable={"thread_id": "1"})
        return {"messages": [AIMessage(str(await tool.ainvoke({"what": "milk"}, config)))]}

    return graph_of(node)


async def in_a_task(tool: BaseTool) -> Any:
    async def node(state: MessagesState) -> Any:
        return {"messages": [AIMessage(str(await asyncio.create_task(tool.ainvoke({"what": "milk"}))))]}

    return graph_of(node)


async def from_a_thread(tool: BaseTool) -> Any:
    def node(state: MessagesState) -> Any:
        return {"messages": [AIMessage(str(tool.invoke({"what": "milk"})))]}

    return graph_of(node)


WAYS = [awaited, awaited_with_another_config, in_a_task, from_a_thread]


@pytest.mark.parametrize("way", WAYS)
async def test_a_node_that_calls_a_tool_itself_waits_until_the_reply_is_wanted(
    way: Callable[[BaseTool], Awaitable[Any]],
) -> None:
    shop, calls, wanted = Shop(), Calls(), asyncio.Event()
    (order,) = Toolbox([shop.order]).tools
    answer = asyncio.create_task(run(await way(order), calls, wanted))
    await asyncio.sleep(0.05)
    assert (shop.begun.is_set(), answer.done()) == (False, False)
    wanted.set()
    assert (await answer)[-1].text == "ordered milk"
    assert [each.tool for each in calls.begun] == ["order"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_of_a_node_never_begins_once_its_reply_was_cancelled(
    way: Callable[[BaseTool], Awaitable[Any]],
) -> None:
    shop, calls, wanted, before = Shop(), Calls(), asyncio.Event(), asyncio.all_tasks()
    (order,) = Toolbox([shop.order]).tools
    answer = asyncio.create_task(run(await way(order), calls, wanted))
    await asyncio.sleep(0.05)
    answer.cancel()
    await asyncio.wait([answer])
    wanted.set()
    await asyncio.sleep(0.05)
    assert (shop.done, calls.begun) == ([], [])
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("way", WAYS)
async def test_a_node_that_calls_a_tool_which_needs_a_confirmation_ends_with_its_question(
    way: Callable[[BaseTool], Awaitable[Any]],
) -> None:
    shop, calls = Shop(), Calls()
    (buy,) = Toolbox([shop.buy]).tools
    with pytest.raises(QuestionAskedError):
        await run(await way(buy), calls)
    assert [each.question for each in calls.asked] == ["Shall I buy 2 milk?"]
    assert shop.done == []


async def test_a_tool_that_is_called_in_the_event_loop_without_being_awaited_says_so() -> None:
    (order,) = Toolbox([Shop().order]).tools
    with pytest.raises(TypeError, match="order must be awaited"):
        order.invoke({"what": "milk"})


async def test_a_tool_outside_a_reply_just_runs() -> None:
    shop = Shop()
    order, buy = Toolbox([shop.order, shop.buy]).tools
    assert await order.ainvoke({"what": "milk"}) == "ordered milk"
    assert await buy.ainvoke({"what": "milk"}) == f"Error: {NOBODY_TO_ASK}"
    assert await asyncio.to_thread(order.invoke, {"what": "tea"}) == "ordered tea"
    assert shop.done == ["milk", "tea"]


async def test_tools_that_an_effect_uses_are_a_part_of_it_and_outlive_the_reply_too() -> None:
    shop, calls = Shop(open=asyncio.Event()), Calls()
    look, order, buy = Toolbox([shop.look, shop.order, shop.buy]).tools

    @effects
    async def shopping() -> str:
        """Do the shopping."""
        return " / ".join([str(await each.ainvoke({"what": "milk"})) for each in (look, order, buy)])

    graph = own_graph(Script(answers=[[call("shopping")], ["Done."]]), Toolbox([shopping]))
    answer = asyncio.create_task(run(graph, calls))
    await shop.begun.wait()
    answer.cancel()
    await asyncio.wait([answer])
    shop.open.set()
    (running,) = calls.running
    assert (await running).result == f"there is tea / ordered milk / Error: {NOBODY_TO_ASK}"
    assert [each.tool for each in calls.begun] == ["shopping"]


@dataclass
class NotedDeadline(OutputDeadline):
    """Keeps what is done with it."""

    changes: list[str] = field(default_factory=list)

    def suspend(self) -> None:
        self.changes.append("suspend")

    def restart(self) -> None:
        self.changes.append("restart")


@pytest.mark.parametrize(("kind", "changes"), [(pure, ["suspend", "restart"]), (effects, ["suspend"])])
async def test_the_deadline_for_the_model_stands_still_while_tools_work_and_for_good_after_effects(
    kind: Kind, changes: list[str]
) -> None:
    deadline = NotedDeadline()

    @kind
    async def look() -> str:
        """Look."""
        assert deadline.changes == ["suspend"]
        return "seen"

    reply = ReplyTools(set_event(), deadline, calls=Calls())
    (wrapped,) = Toolbox([look]).tools
    await asyncio.gather(wrapped.ainvoke({}, as_config(reply)), wrapped.ainvoke({}, as_config(reply)))
    assert deadline.changes == changes


async def test_a_tool_that_uses_another_one_works_until_it_has_ended_itself() -> None:
    shop, begun, go_on = Shop(), asyncio.Event(), asyncio.Event()
    (look,) = Toolbox([shop.look]).tools

    @pure
    async def search() -> str:
        """Search."""
        await look.ainvoke({})
        begun.set()
        await go_on.wait()
        return "found"

    reply = ReplyTools(set_event())
    (wrapped,) = Toolbox([search]).tools
    searching = asyncio.create_task(wrapped.ainvoke({}, as_config(reply)))
    await begun.wait()
    assert reply.is_working
    go_on.set()
    await searching
    assert not reply.is_working


# what a graph gives to its tools ---------------------------------------------------------------------------------


async def test_what_a_graph_injects_reaches_the_tool_and_is_no_argument_of_the_record(make: Maker) -> None:
    @effects
    async def note(text: str, state: Annotated[dict[str, Any], InjectedState]) -> str:
        """Write a note."""
        return f"{text}, {state['messages'][0].text}, {current_conversation().id}"

    calls = Calls()
    model = Script(answers=[[call("note", '{"text": "x", "state": "forged"}')], ["Ok."]])
    assert [each.text for each in results(await run(make(model, Toolbox([note])), calls))] == ["x, hi, talk-1"]
    assert [json.loads(each.arguments) for each in calls.begun] == [{"text": "x"}]


def test_a_wrapped_tool_looks_to_a_model_as_the_tool_itself() -> None:
    @effects
    async def order(what: str, secret: Annotated[str, InjectedToolArg] = "") -> str:
        """Order something.

        Args:
            what: a drink
        """
        return what

    (wrapped,) = Toolbox([order]).tools
    assert (wrapped.name, wrapped.description, wrapped.args) == (order.name, order.description, order.args)
    assert wrapped.args == {"what": {"description": "a drink", "title": "What", "type": "string"}}
    assert wrapped.get_input_schema() is order.get_input_schema()
    assert wrapped.tool_call_schema is order.tool_call_schema


# the answer ------------------------------------------------------------------------------------------------------


async def said(agent: GraphAgent, calls: Calls, wanted: asyncio.Event | None = None) -> str:
    async with aclosing(agent.reply(HI, wanted or set_event(), calls=calls)) as tokens:
        return "".join([token async for token in tokens])


async def test_the_answer_ends_with_the_question_and_nothing_more_of_the_model_is_said() -> None:
    shop, calls = Shop(), Calls()
    model = Script(answers=[["Sure.", call("buy", '{"what": "teas"}')], ["never"]])
    agent = GraphAgent(model, [shop.buy], "test", prompt=brief)
    assert await said(agent, calls) == "Sure. Shall I buy 2 teas?"
    assert (len(model.given), shop.done) == (1, [])


async def test_the_question_may_be_the_whole_answer_also_of_a_reply_that_is_not_wanted_yet() -> None:
    calls = Calls()
    agent = GraphAgent(Script(answers=[[call("buy", '{"what": "teas"}')]]), [Shop().buy], "test", prompt=brief)
    assert await said(agent, calls, asyncio.Event()) == "Shall I buy 2 teas?"


async def test_a_confirmed_call_is_made_first_and_the_model_sees_its_result_after_the_users_yes() -> None:
    shop = Shop()
    request = CallRecord("abcdefgh1", "buy", '{"what": "teas", "count": 3}')
    calls = Calls(confirmed=request)
    model = Script(answers=[["It is bought."]])
    assert await said(GraphAgent(model, [shop.buy], "test", prompt=brief), calls) == "It is bought."
    assert shop.done == ["3 teas"]
    assert calls.counted == [(ToolTag.CONFIRM, CallStatus.DONE)]
    assert [(each.id, each.status) for each in calls.begun] == [("abcdefgh1", CallStatus.RUNNING)]
    system, user, made, result = model.given[0]
    assert user.text == "hi"
    assert isinstance(made, AIMessage)
    assert [(each["name"], each["args"], each["id"]) for each in made.tool_calls] == [
        ("buy", {"what": "teas", "count": 3}, "abcdefgh1")
    ]
    assert isinstance(result, ToolMessage)
    assert (result.text, result.tool_call_id) == ("bought 3 teas", "abcdefgh1")
    assert "buy" not in system.text, "the user hears of it in this very answer"


async def test_a_confirmed_call_waits_until_the_reply_is_wanted_and_a_discarded_reply_never_makes_it() -> None:
    shop, wanted = Shop(), asyncio.Event()
    calls = Calls(confirmed=CallRecord("abcdefgh1", "buy", '{"what": "teas"}'))
    answer = asyncio.create_task(said(GraphAgent(Script(answers=[["Ok."]]), [shop.buy], "test"), calls, wanted))
    for _ in range(50):
        await asyncio.sleep(0)
    assert (shop.done, calls.begun) == ([], [])
    answer.cancel()
    await asyncio.wait([answer])
    wanted.set()
    await asyncio.sleep(0)
    assert (shop.done, calls.begun) == ([], [])


async def test_a_confirmed_call_of_a_tool_that_has_gone_is_a_failure_for_the_model() -> None:
    calls = Calls(confirmed=CallRecord("abcdefgh1", "buy", "{}"))
    model = Script(answers=[["Sorry."]])
    assert await said(GraphAgent(model, [], "test", prompt=brief), calls) == "Sorry."
    assert model.given[0][-1].text == "Error: the tool buy is not there any more."


async def test_a_confirmed_call_whose_tool_fails_is_told_to_the_model() -> None:
    @confirm("Really?")
    async def fail() -> str:
        """Fail."""
        raise ToolException("The shop is closed.")

    calls = Calls(confirmed=CallRecord("abcdefgh1", "fail", "{}"))
    model = Script(answers=[["Sorry."]])
    await said(GraphAgent(model, [fail], "test", prompt=brief), calls)
    assert model.given[0][-1].text == "Error: The shop is closed."


async def test_calls_of_earlier_replies_count_neither_as_rounds_nor_as_failures_of_this_one() -> None:
    shop = Shop()
    earlier = tuple(
        CallRecord(f"earlier{n:02}", "order", '{"what": "tea"}', CallStatus.FAILED, "Error: closed.", 1, reported=True)
        for n in range(6)
    )
    model = Script(answers=[[call("order")], ["Done."]])
    agent = GraphAgent(model, [shop.order], "test", prompt=brief)
    assert await said(agent, Calls(records=earlier)) == "Done."
    assert shop.done == ["tea"]
    assert model.bound == [True, True]


# the toolbox -----------------------------------------------------------------------------------------------------


@dataclass
class Changing:
    """A source of tools that change."""

    tools: tuple[BaseTool, ...] = ()


async def test_the_tools_of_a_source_that_changes_are_those_of_the_next_reply(caplog: pytest.LogCaptureFixture) -> None:
    shop, source = Shop(), Changing()
    box = Toolbox([shop.order], [source])
    model = Script(answers=[["One."], [call("look")], ["Two."]])
    agent = GraphAgent(model, box, "test", prompt=brief)
    assert box.tools is box.tools
    await said(agent, Calls())
    first = box.tools
    source.tools = (shop.look, shop.order)
    assert [each.name for each in box.tools] == ["order", "look"]
    assert box.tools is box.tools
    assert box.tools[0] is first[0]
    assert "a tool called order is left out" in caplog.text
    assert await said(agent, Calls()) == "Two."
    assert shop.done == ["look"]
    look = box.tools[1]
    source.tools = (source.tools[0],)
    assert box.tools[1] is look, "a tool that stays keeps its wrapper"


async def test_the_log_warns_whenever_the_tools_become_too_many_for_a_model(caplog: pytest.LogCaptureFixture) -> None:
    shop, source = Shop(), Changing()
    box = Toolbox([shop.order], [source], history_max_tokens=60)
    assert len(box.tools) == 1
    assert not caplog.messages
    source.tools = (shop.look,)
    assert len(box.tools) == 2
    assert len(box.tools) == 2
    (said,) = caplog.messages
    assert re.fullmatch(
        r"the descriptions of the 2 tools have about \d+ tokens in each request, beside a history of at most 60;"
        r" some models will fail",
        said,
    )
    assert too_many([shop.look] * 128, 100_000) == ""
    assert too_many([shop.look] * 129, 100_000) == "there are 129 tools, and OpenAI's API accepts 128"
