"""Tools that fail in ways that would end more than themselves, and tools that get in each other's way."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import Annotated, Any

import pytest
from langchain_core.tools import BaseTool, InjectedToolArg, InjectedToolCallId, StructuredTool
from langgraph.prebuilt import InjectedState
from pydantic import BaseModel, ConfigDict

from tests.support.scripted_model import Script, call
from tests.unit.agent.test_guarded_tools import (
    Calls,
    Kind,
    Shop,
    own_graph,
    results,
    run,
    set_event,
)
from voicebot.agent.tools import Toolbox, ToolError, confirm, effects, pure
from voicebot.agent.tools.calls import FAILED, new_record, shortened
from voicebot.agent.tools.fillers import Fillers
from voicebot.agent.tools.reply_tools import QuestionAskedError, ReplyTools, as_config
from voicebot.dialogue.tool_calls import CallStatus


class PanicError(BaseException):
    """Stands for pyo3's PanicException, which packages written in Rust raise."""


def leave() -> None:
    sys.exit(3)


def panic() -> None:
    raise PanicError("key=hunter2")


def cancel() -> None:
    raise asyncio.CancelledError


def function_tool(kind: Kind, work: Any) -> BaseTool:
    @kind
    async def broken() -> str:
        """Break off."""
        work()
        return ""

    return broken


def threaded_tool(kind: Kind, work: Any) -> BaseTool:
    @kind
    def broken() -> str:
        """Break off."""
        work()
        return ""

    return broken


def class_tool(kind: Kind, work: Any) -> BaseTool:
    class Broken(BaseTool):
        name: str = "broken"
        description: str = "Break off."

        def _run(self) -> str:
            raise NotImplementedError

        async def _arun(self) -> str:
            work()
            return ""

    return Broken(tags=["pure" if kind is pure else "effects"])


@pytest.mark.parametrize("work", [leave, panic, cancel])
@pytest.mark.parametrize("make_tool", [function_tool, threaded_tool, class_tool])
@pytest.mark.parametrize("kind", [pure, effects])
async def test_a_tool_that_raises_no_exception_fails_as_any_other_and_ends_nothing_else(
    kind: Kind, make_tool: Any, work: Any, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Calls()
    model = Script(answers=[[call("broken")], ["Sorry."]])
    messages = await run(own_graph(model, Toolbox([make_tool(kind, work)])), calls)
    assert [(each.status, each.text) for each in results(messages)] == [("error", FAILED)]
    assert messages[-1].text == "Sorry."
    assert [status for _, status in calls.counted] == [CallStatus.FAILED]
    assert [(await each).status for each in calls.running] == ([] if kind is pure else [CallStatus.FAILED])
    assert f"at {__file__}" in caplog.text
    assert "hunter2" not in caplog.text


async def test_the_text_of_an_unexpected_error_is_logged_at_debug_only(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("https://api/?key=hunter2")

    caplog.set_level(logging.DEBUG)
    await run(own_graph(Script(answers=[[call("broken")], ["Sorry."]]), Toolbox([function_tool(pure, fail)])))
    levels = {each.levelno for each in caplog.records if "hunter2" in caplog.handler.format(each)}
    assert levels == {logging.DEBUG}
    assert f"the tool broken failed: RuntimeError at {__file__}" in caplog.text


# Arguments and results ---------------------------------------------------------------------------------------------

ANY = {"type": "object", "additionalProperties": True, "properties": {}}
ONE_OF = {"type": "object", "oneOf": [{"properties": {"to": {"type": "string"}}}], "properties": {}}


class Free(BaseModel):
    """Takes any arguments."""

    model_config = ConfigDict(extra="allow")


def sender(schema: Any, tag: str, sent: list[Any]) -> BaseTool:
    async def send(runtime: Annotated[object, InjectedToolArg] = None, **arguments: Any) -> str:
        sent.append(arguments)
        return "sent"

    metadata = {"question": "Shall I?"} if tag == "confirm" else {}
    return StructuredTool(
        name="send", description="Send.", args_schema=schema, coroutine=send, tags=[tag], metadata=metadata
    )


@pytest.mark.parametrize("schema", [ANY, ONE_OF])
async def test_calls_that_differ_in_arguments_that_no_schema_lists_are_different_calls(schema: Any) -> None:
    sent: list[Any] = []
    both = [call("send", '{"to": "ann"}', 0), call("send", '{"to": "bob"}', 1)]
    calls = Calls()
    await run(own_graph(Script(answers=[both, ["Done."]]), Toolbox([sender(schema, "effects", sent)])), calls)
    assert sorted(each["to"] for each in sent) == ["ann", "bob"]
    assert sorted(each.arguments for each in calls.begun) == ['{"to": "ann"}', '{"to": "bob"}']


async def test_a_confirmed_call_has_the_arguments_that_no_schema_lists() -> None:
    sent: list[Any] = []
    box, calls = Toolbox([sender(ANY, "confirm", sent)]), Calls()
    with pytest.raises(QuestionAskedError):
        await run(own_graph(Script(answers=[[call("send", '{"to": "bob"}')]]), box), calls)
    (request,) = calls.asked
    made = await box.run_confirmed(request.call, ReplyTools(set_event(), calls=calls))
    assert (made.status, sent) == (CallStatus.DONE, [{"to": "bob"}])


async def test_what_a_graph_injects_is_no_argument_where_any_is_taken() -> None:
    calls = Calls()
    model = Script(answers=[[call("send", '{"to": "ann", "runtime": "forged"}')], ["Done."]])
    await run(own_graph(model, Toolbox([sender(ANY, "effects", [])])), calls)
    assert [json.loads(each.arguments) for each in calls.begun] == [{"to": "ann"}]


async def test_arguments_that_a_model_of_pydantic_does_not_list_are_kept_if_it_allows_them() -> None:
    calls = Calls()
    model = Script(answers=[[call("send", '{"to": "ann"}')], ["Done."]])
    await run(own_graph(model, Toolbox([sender(Free, "effects", [])])), calls)
    assert [json.loads(each.arguments) for each in calls.begun] == [{"to": "ann"}]


def test_a_tool_that_needs_a_yes_and_what_a_graph_injects_is_refused() -> None:
    async def note(text: str, state: Annotated[dict[str, Any], InjectedState]) -> str:
        """Note it."""
        return text

    with pytest.raises(ToolError, match="confirm, so no graph can give it its argument 'state'"):
        confirm("Shall I?")(note)


async def test_what_langchain_itself_injects_reaches_a_confirmed_call() -> None:
    @confirm("Shall I?")
    async def note(text: str, id: Annotated[str, InjectedToolCallId]) -> str:
        """Note it."""
        return f"{text} {id}"

    calls = Calls()
    record = new_record("note", {"text": "milk"})
    made = await Toolbox([note]).run_confirmed(record, ReplyTools(set_event(), calls=calls))
    assert made.result == f"milk {record.id}"


def test_half_a_character_gets_into_no_record() -> None:
    half = json.loads('"\\ud83d"')
    assert shortened(f"half {half} here") == "half ? here"
    assert new_record("note", {"text": half}).arguments == '{"text": "?"}'


async def test_a_question_has_no_half_characters() -> None:
    calls = Calls()
    model = Script(answers=[[call("buy", '{"what": "half \\ud83d"}')]])
    with pytest.raises(QuestionAskedError):
        await run(own_graph(model, Toolbox([Shop().buy])), calls)
    assert [each.question for each in calls.asked] == ["Shall I buy 2 half ??"]


# Tools beside each other -------------------------------------------------------------------------------------------


async def test_no_filler_goes_on_when_a_tool_begins_just_as_another_ends() -> None:
    shop = Shop(open=asyncio.Event())
    (look,) = Toolbox([shop.look]).tools
    reply = ReplyTools(set_event(), fillers=Fillers("en", 30.0, set_event()))
    before = asyncio.all_tasks()
    looking = asyncio.create_task(look.ainvoke({}, as_config(reply)))
    await shop.begun.wait()
    shop.open.set()
    while reply.is_working:  # noqa: ASYNC110 - an event would be a turn too late
        await asyncio.sleep(0)
    async with reply.working():  # in the turn of the event loop in which the first tool ended
        await looking
    assert [each.get_name() for each in asyncio.all_tasks() - before] == []


async def test_a_question_waits_for_tools_and_not_for_tasks_that_wait_for_it() -> None:
    shop, calls = Shop(), Calls()
    look, buy = Toolbox([shop.look, shop.buy]).tools
    reply = ReplyTools(set_event(), calls=calls)

    async def node() -> None:
        asking = asyncio.create_task(buy.ainvoke({"what": "teas"}, as_config(reply)))
        await look.ainvoke({}, as_config(reply))
        await asking

    with pytest.raises(QuestionAskedError):
        async with asyncio.timeout(10):
            await asyncio.create_task(node())
    assert (shop.done, len(calls.asked)) == (["look"], 1)
