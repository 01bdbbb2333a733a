"""The agent's graph: what it streams, what the tools and the model get, and what it leaves behind when stopped."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, cast

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import BaseTool, ToolException, tool
from langchain_core.tracers.langchain import LangChainTracer
from langsmith.utils import get_env_var

from tests.support.scripted_model import Endless, Script, Whole, brief, call
from tests.support.talk import Talk
from voicebot.agent.agent import GraphAgent
from voicebot.agent.graph import MAX_TOOL_ROUNDS
from voicebot.agent.tools import built_in_tools
from voicebot.dialogue.history import History, Message, Role
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.offline import OfflineModel
from voicebot.engines.protocols import Agent

HI: History = (Message(Role.USER, "hi"),)
WANTED = asyncio.Event()
WANTED.set()


@tool
async def answer_of_all() -> dict[str, int]:
    """Give the answer."""
    return {"answer": 42}


@tool
async def broken() -> str:
    """Fail as a tool should not."""
    raise RuntimeError("password is hunter2")


@tool
async def refusing() -> str:
    """Fail as a tool should."""
    raise ToolException("There is no such place.")


TOOLS: list[BaseTool] = [answer_of_all, broken, refusing]


def agent(model: BaseChatModel, **options: Any) -> GraphAgent:
    return GraphAgent(model, TOOLS, "test", prompt=brief, **options)


async def tokens(model: BaseChatModel, history: History = HI, **options: Any) -> list[str]:
    async with aclosing(agent(model, **options).reply(history, WANTED)) as stream:
        return [token async for token in stream]


def results(model: Script) -> list[ToolMessage]:
    """Returns the results of tools that the last request to the model contained."""
    return [message for message in model.given[-1] if isinstance(message, ToolMessage)]


async def test_streams_the_tokens_as_they_come() -> None:
    gate = asyncio.Event()
    async with aclosing(agent(Script(answers=[["Hel", "lo", gate, "!"]])).reply(HI, WANTED)) as stream:
        assert await anext(stream) == "Hel"
        assert await anext(stream) == "lo"
        gate.set()
        assert [token async for token in stream] == ["!"]


async def test_split_surrogate_pairs_are_joined_and_lone_surrogates_are_replaced_or_dropped() -> None:
    """Otherwise no data channel, database or service could take the text, and no later turn could be answered."""
    model = Script(answers=[["A smile: \ud83d", "\ude00, ", "half \ud83d of one", "\ude00 \ud83d"]])
    heard = await tokens(model)
    assert heard == ["A smile: ", "😀, ", "half \ufffd of one", "\ufffd "]
    later = Script(answers=[["Yes."]])
    assert await tokens(later, (*HI, Message(Role.ASSISTANT, "".join(heard)), *HI)) == ["Yes."]
    seen = later.given[0][-2].text
    assert seen == "A smile: 😀, half \ufffd of one\ufffd "
    assert seen.encode(), "the text must be encodable"


async def test_a_model_that_does_not_stream_gives_its_answer_once() -> None:
    async with aclosing(GraphAgent(Whole(), [], "test").reply(HI, WANTED)) as stream:
        assert [token async for token in stream] == ["All at once."]


async def test_the_words_of_the_model_are_spoken_and_tool_results_are_not() -> None:
    model = Script(answers=[["Let me see.", call("answer_of_all")], ["It is ", "forty-two."]])
    assert await tokens(model) == ["Let me see.", " It is ", "forty-two."]
    assert [message.text for message in results(model)] == ['{"answer": 42}']


async def test_two_tool_calls_in_one_answer_are_both_made() -> None:
    model = Script(answers=[[call("answer_of_all", number=0), call("refusing", number=1)], ["Done."]])
    assert await tokens(model) == ["Done."]
    assert [message.tool_call_id for message in results(model)] == ["call-0", "call-1"]


async def test_the_model_reads_the_error_of_a_tool() -> None:
    model = Script(answers=[[call("refusing")], ["Sorry."]])
    assert await tokens(model) == ["Sorry."]
    assert [(message.status, message.text) for message in results(model)] == [
        ("error", "Error: There is no such place.")
    ]


async def test_an_unexpected_exception_in_a_tool_is_logged_without_its_text_and_hidden_from_the_model(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = Script(answers=[[call("broken")], ["Sorry."]])
    assert await tokens(model) == ["Sorry."]
    assert [message.text for message in results(model)] == ["Error: the tool failed."]
    assert "the tool broken failed: RuntimeError at " in caplog.text
    assert "hunter2" not in caplog.text


@tool
async def look_up(what: str) -> str:
    """Look something up."""
    return f"{what} is there"


async def replied(model: Script, *tools: BaseTool) -> list[str]:
    async with aclosing(GraphAgent(model, tools, "test").reply(HI, WANTED)) as stream:
        return [token async for token in stream]


async def test_the_model_reads_that_a_tool_is_unknown_and_which_argument_is_wrong() -> None:
    model = Script(answers=[[call("teleport", number=0), call("look_up", '{"where": "here"}', number=1)], ["Sorry."]])
    assert await replied(model, look_up) == ["Sorry."]
    unknown, wrong = results(model)
    assert (unknown.status, wrong.status) == ("error", "error")
    assert "teleport is not a valid tool, try one of [look_up]" in unknown.text
    assert "what: Field required" in wrong.text


async def test_a_tool_call_whose_arguments_are_no_json_object_is_not_sent_back_without_a_result() -> None:
    """A service refuses a request in which the result of a tool call is missing."""
    model = Script(answers=[[call("look_up", '{"what": "tea"}', 0), call("look_up", "[1]", 1)], ["It is there."]])
    assert await replied(model, look_up) == ["It is there."]
    (asked,) = (message for message in model.given[-1] if isinstance(message, AIMessage))
    assert [each["id"] for each in asked.tool_calls] == ["call-0"]
    assert asked.invalid_tool_calls == []
    assert [(message.tool_call_id, message.text) for message in results(model)] == [("call-0", "tea is there")]


async def test_the_model_must_answer_without_tools_after_the_last_tool_round() -> None:
    model = Script(answers=[[call("answer_of_all", number=n)] for n in range(MAX_TOOL_ROUNDS)] + [["Enough."]])
    assert await tokens(model) == ["Enough."]
    assert model.bound == [True] * MAX_TOOL_ROUNDS + [False]


async def test_a_model_that_only_calls_tools_fails_after_the_last_tool_round() -> None:
    model = Script(answers=[[call("answer_of_all", number=n)] for n in range(20)])
    with pytest.raises(EngineError, match="test: the model gave no answer"):
        await tokens(model)
    assert len(model.given) == MAX_TOOL_ROUNDS + 1


async def test_a_failed_tool_call_is_not_repeated_and_the_model_must_then_answer() -> None:
    tries: list[str] = []

    @tool
    async def look_up(what: str) -> str:
        """Look something up."""
        tries.append(what)
        raise ToolException(f"There is no {what}.")

    model = Script(
        answers=[
            [call("look_up", '{"what": "moon"}', 0)],
            [call("look_up", '{ "what":"moon" }', 1), call("look_up", '{"what": "sun"}', 2)],
            ["I can't find either."],
        ]
    )
    bot = GraphAgent(model, [look_up], "test")
    async with aclosing(bot.reply(HI, WANTED)) as stream:
        assert [token async for token in stream] == ["I can't find either."]
    assert tries == ["moon", "sun"]
    assert model.bound == [True, True, False]
    seen = [message.content for message in results(model)]
    assert seen == ["Error: There is no moon.", "Error: There is no moon.", "Error: There is no sun."]


async def test_a_successful_tool_call_may_be_repeated() -> None:
    model = Script(answers=[[call("answer_of_all")], [call("answer_of_all")], ["It is still 42."]])
    assert await tokens(model) == ["It is still 42."]
    assert model.bound == [True, True, True]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([], "the model failed: ValueError"),
        ([""], "the model gave no answer"),
        (["", ""], "the model gave no answer"),
        ([call("answer_of_all", "[1]")], "the model gave no answer"),
    ],
    ids=["no piece", "one empty piece", "two empty pieces", "only a call without valid arguments"],
)
async def test_an_empty_answer_is_an_error(answer: list[Any], message: str) -> None:
    with pytest.raises(EngineError, match=f"^test: {message}$"):
        await tokens(Script(answers=[answer]))


@pytest.mark.parametrize(
    ("error", "message", "fault"),
    [
        (ConnectionError("key sk-123"), "no connection", Fault.UNREACHABLE),
        (TimeoutError("key sk-123"), "no answer in time", Fault.TIMEOUT),
        (ValueError("key sk-123"), "the model failed: ValueError", Fault.BROKEN),
    ],
)
async def test_a_failed_request_is_an_engine_error_without_the_errors_text(
    error: Exception, message: str, fault: Fault
) -> None:
    with pytest.raises(EngineError) as caught:
        await tokens(Script(answers=[["Well, ", error]]))
    assert (str(caught.value), caught.value.fault) == (f"test: {message}", fault)
    assert caught.value.__cause__ is error


async def test_only_the_declared_errors_of_a_service_become_engine_errors_with_the_http_status() -> None:
    class RateLimitedError(Exception):
        status_code = 429

    with pytest.raises(EngineError, match=r"^test: too many requests \(HTTP 429\)$"):
        await tokens(Script(answers=[[RateLimitedError("key sk-123")]]), failures=(RateLimitedError,))
    with pytest.raises(RateLimitedError):
        await tokens(Script(answers=[[RateLimitedError("a bug is not hidden")]]))


async def test_the_model_reads_the_heard_words_and_a_dash_where_the_user_interrupted() -> None:
    model = Script(answers=[["Yes."]])
    history = (
        Message(Role.USER, "tell me a story"),
        Message(Role.ASSISTANT, "Once upon a", interrupted=True),
        Message(Role.USER, "wait"),
        Message(Role.ASSISTANT, "Okay."),
        Message(Role.USER, "go on"),
    )
    await tokens(model, history)
    system, *others = model.given[0]
    assert isinstance(system, SystemMessage)
    assert system.text.startswith("Be brief.")
    assert "dash was interrupted" in system.text
    assert [message.text for message in others] == ["tell me a story", "Once upon a —", "wait", "Okay.", "go on"]


@pytest.mark.parametrize("history", [(), (Message(Role.USER, "hi"), Message(Role.ASSISTANT, "hello"))])
async def test_a_history_that_does_not_end_with_a_message_of_the_user_is_refused(history: History) -> None:
    with pytest.raises(ValueError, match="does not end with a message of the user"):
        await tokens(Script(answers=[]), history)


async def test_closing_a_reply_stops_the_model_at_once_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    model = Script(answers=[["One ", "two ", asyncio.Event(), "three"]])
    async with aclosing(agent(model).reply(HI, WANTED)) as stream:
        assert await anext(stream) == "One "
    assert model.answers == [["stopped"]]
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("waits_in", ["model", "tool"])
async def test_cancelling_a_reply_stops_the_model_or_tool_at_once_and_leaves_no_task(waits_in: str) -> None:
    before = asyncio.all_tasks()
    work = Endless()

    @tool
    async def endless() -> str:
        """Take for ever."""
        await work.wait()
        return ""

    model = Script(answers=[[work] if waits_in == "model" else [call("endless")]])
    task = asyncio.create_task(anext(GraphAgent(model, [endless], "test").reply(HI, WANTED)))
    await work.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.is_stopped
    assert asyncio.all_tasks() == before


async def test_sessions_that_share_an_agent_get_their_own_answers() -> None:
    talks = [Talk() for _ in range(20)]
    assert len({id(talk.agent) for talk in talks}) == 1
    answers = await asyncio.gather(*(talk.say(f"what is {n} plus one hundred") for n, talk in enumerate(talks)))
    assert len(set(answers)) == 20


@pytest.mark.parametrize(("setting", "is_traced"), [(None, False), ("false", False), ("true", True)])
async def test_langsmith_traces_an_answer_only_if_the_environment_asks_for_it(
    setting: str | None, is_traced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING"):
        monkeypatch.delenv(variable, raising=False)
    if setting is not None:
        monkeypatch.setenv("LANGSMITH_TRACING", setting)
    wanted: list[LangChainTracer] = []

    def make(self: LangChainTracer, *args: Any, **options: Any) -> None:
        wanted.append(self)
        raise RuntimeError("tests send nothing")

    monkeypatch.setattr(LangChainTracer, "__init__", make)
    remembered = cast("Any", get_env_var)  # The function has a cache, which its type does not show.
    remembered.cache_clear()
    try:
        assert await tokens(Script(answers=[["Hello."]])) == ["Hello."]
    finally:
        remembered.cache_clear()
    assert bool(wanted) is is_traced


async def test_the_agent_is_an_engine_that_may_be_started_and_closed_twice() -> None:
    engine: Agent = GraphAgent(OfflineModel(), built_in_tools(), "offline", languages=frozenset({"en"}))
    await engine.start()
    await engine.start()
    await engine.close()
    await engine.close()
    assert (engine.name, engine.languages) == ("offline", frozenset({"en"}))


# Preemptive replies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pure", [False, True])
async def test_only_a_tool_with_effects_waits_until_the_answer_is_wanted(pure: bool) -> None:
    ran = asyncio.Event()

    @tool
    async def order() -> str:
        """Order it."""
        ran.set()
        return "done"

    order.tags = ["pure"] if pure else None
    model = Script(answers=[[call("order")], ["Ordered."]])
    wanted = asyncio.Event()
    answer = asyncio.create_task(anext(GraphAgent(model, [order], "test").reply(HI, wanted)))
    if not pure:
        for _ in range(50):
            await asyncio.sleep(0)
        assert not ran.is_set()
        assert not answer.done()
        wanted.set()
    assert await asyncio.wait_for(answer, 5) == "Ordered."
    assert ran.is_set()
