"""Tools that are synchronous functions: they run in threads, so that they hold up neither the sound nor the shutdown.

The threads need real time, which unit tests do not have.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import CancelledError
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, cast

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import BaseTool
from langgraph.graph import START, MessagesState, StateGraph

from tests.support.conversation import conversation
from tests.support.waiting import until
from voicebot.agent.tools import Toolbox, effects, pure
from voicebot.agent.tools.calls import ended
from voicebot.agent.tools.reply_tools import ReplyTools, as_config
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest, ToolTag
from voicebot.runtime.threads import DaemonThreads

Kind = Callable[[Callable[..., Any]], BaseTool]
LimitedKind = Callable[..., Kind]


class Calls:
    """The calls of a conversation; `running` outlive the reply."""

    records: tuple[CallRecord, ...] = ()
    confirmed: CallRecord | None = None

    def __init__(self) -> None:
        self.conversation = conversation("talk-1")
        self.running: list[asyncio.Task[CallRecord]] = []

    async def run(self, call: CallRecord, effect: Any, limit_s: float) -> CallRecord:
        self.running.append(task := asyncio.create_task(ended(call, effect, limit_s)))
        return await asyncio.shield(task)

    def ask(self, request: ConfirmationRequest) -> None: ...

    def count_call(self, tag: ToolTag, status: CallStatus, seconds: float) -> None: ...


async def called(tool: BaseTool, calls: Calls | None = None, **arguments: Any) -> str:
    """Returns what the model is told of a call of the tool."""
    (wrapped,) = Toolbox([tool]).tools
    wanted = asyncio.Event()
    wanted.set()
    given = {"type": "tool_call", "id": "1", "name": wrapped.name, "args": arguments}
    result = await wrapped.ainvoke(given, as_config(ReplyTools(wanted, calls=calls or Calls())))
    return str(result.text)


@pytest.mark.parametrize("kind", [pure, effects])
async def test_a_synchronous_function_runs_in_a_thread_and_does_not_hold_up_the_event_loop(kind: Kind) -> None:
    begun, free, names = threading.Event(), threading.Event(), []

    @kind
    def fetch(what: str) -> str:
        """Fetch it."""
        names.append(threading.current_thread().name)
        begun.set()
        assert free.wait(30)
        return f"fetched {what}"

    answer = asyncio.create_task(called(fetch, what="tea"))
    await until(begun.is_set)
    assert not answer.done(), "the event loop goes on while the function waits"
    free.set()
    assert await answer == "fetched tea"
    assert names == ["fetch"]


@pytest.mark.parametrize("kind", [pure, effects])
async def test_a_synchronous_function_that_hangs_is_left_at_its_time_limit(kind: LimitedKind) -> None:
    free, calls = threading.Event(), Calls()

    @kind(limit_s=0.1)
    def hang() -> str:
        """Hang."""
        free.wait()
        return ""

    said = await called(hang, calls)
    assert "0.1 s" in said
    assert [(await each).status for each in calls.running] == ([] if kind is pure else [CallStatus.UNKNOWN])
    free.set()


async def test_a_cancelled_reply_leaves_a_synchronous_function_with_effects_running_to_its_end() -> None:
    begun, free, calls, done = threading.Event(), threading.Event(), Calls(), []

    @effects
    def order() -> str:
        """Order it."""
        begun.set()
        assert free.wait(30)
        done.append("order")
        return "ordered"

    answer = asyncio.create_task(called(order, calls))
    await until(begun.is_set)
    answer.cancel()
    await asyncio.wait([answer])
    free.set()
    (running,) = calls.running
    assert ((await running).result, done) == ("ordered", ["order"])


async def test_a_node_in_a_thread_that_goes_on_after_its_reply_was_cancelled_can_call_no_tools() -> None:
    begun, free, calls = threading.Event(), threading.Event(), Calls()
    ended_in: list[type[BaseException]] = []

    @effects
    async def order() -> str:
        """Order it."""
        return "ordered"

    (wrapped,) = Toolbox([order]).tools

    def node(state: MessagesState) -> Any:
        begun.set()
        assert free.wait(30)
        try:
            wrapped.invoke({})
        except BaseException as error:
            ended_in.append(type(error))
            raise

    graph = StateGraph(MessagesState)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    wanted = asyncio.Event()
    wanted.set()
    reply = ReplyTools(wanted, calls=calls)
    stream = graph.compile().astream(MessagesState(messages=[HumanMessage("hi")]), as_config(reply))

    async def answer() -> None:
        async with aclosing(reply.with_fillers(cast("AsyncGenerator[Any]", stream))) as pieces:
            async for _ in pieces:
                pass

    answering = asyncio.create_task(answer())
    await until(begun.is_set)
    answering.cancel()
    await asyncio.wait([answering])
    free.set()
    await until(lambda: ended_in)
    assert ended_in == [CancelledError]
    assert calls.running == []


async def test_a_tool_of_a_class_with_only_a_synchronous_method_runs_in_a_thread() -> None:
    class Fetch(BaseTool):
        name: str = "fetch"
        description: str = "Fetch it."

        def _run(self, what: str) -> str:
            return f"{what} in {threading.current_thread().name}"

    assert await called(Fetch(tags=["pure"]), what="tea") == "tea in fetch"


async def test_a_thread_has_the_callers_context_variables_and_raises_what_it_raises() -> None:
    value = ContextVar("value", default=0)
    value.set(7)
    threads = DaemonThreads(1)
    assert await threads.run("read", value.get) == 7
    with pytest.raises(ZeroDivisionError):
        await threads.run("divide", lambda: 1 // 0)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await threads.run("next", lambda: next(iter(())))


async def test_no_more_threads_than_allowed_run_at_once() -> None:
    threads, free, running = DaemonThreads(2), threading.Event(), []

    def work(number: int) -> int:
        running.append(number)
        assert free.wait(30)
        return number

    tasks = [asyncio.create_task(threads.run("work", work, number)) for number in range(5)]
    await until(lambda: len(running) == 2)
    await asyncio.sleep(0.05)
    assert len(running) == 2
    free.set()
    assert sorted(await asyncio.gather(*tasks)) == [0, 1, 2, 3, 4]


def test_a_thread_that_hangs_does_not_keep_the_process_alive() -> None:
    code = """
import asyncio, threading
from voicebot.runtime.threads import DaemonThreads

async def main():
    begun = threading.Event()
    def hang():
        begun.set()
        threading.Event().wait()
    task = asyncio.create_task(DaemonThreads(1).run("hang", hang))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    task.cancel()
asyncio.run(main())
print("ended")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "ended\n"


def test_a_node_that_hangs_does_not_keep_the_process_alive() -> None:
    code = """
import asyncio, threading
from voicebot.runtime.foreign_code import enter_foreign_code

async def main():
    enter_foreign_code()
    begun = threading.Event()
    def hang():
        begun.set()
        threading.Event().wait()
    task = asyncio.create_task(asyncio.to_thread(hang))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    task.cancel()
asyncio.run(main())
print("ended")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "ended\n"
