"""What the tools of one reply share: whether it is wanted, its deadline, its fillers, and the conversation's calls."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from concurrent.futures import Future
from contextlib import aclosing, asynccontextmanager
from contextvars import ContextVar
from typing import Any, NoReturn, TypeVar

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langgraph.errors import GraphBubbleUp

from voicebot.agent.conversation import set_current_conversation
from voicebot.agent.tools.calls import UnkeptCalls
from voicebot.agent.tools.fillers import Filler, Fillers
from voicebot.dialogue.tool_calls import CallRecord, ConfirmationRequest
from voicebot.engines.protocols import NO_DEADLINE, ConversationCalls, OutputDeadline

REPLY = "voicebot_reply"
"""The key under which a graph's tools find the `ReplyTools` in `config["configurable"]`."""

T = TypeVar("T")

_in_effect: ContextVar[bool] = ContextVar("voicebot_in_effect", default=False)
"""True in the task of a tool with effects."""


def enter_effect() -> None:
    """Notes that the task that runs now is that of a tool with effects."""
    _in_effect.set(True)


class QuestionAskedError(GraphBubbleUp):
    """Ends a graph, whatever it is, because the reply ends with a question. LangGraph passes it on from everywhere."""

    def __init__(self, request: ConfirmationRequest) -> None:
        super().__init__(request.question)
        self.request = request


class ReplyTools:
    """The tools of one reply, as far as they work together.

    While any of them works, the deadline for the model's next output is suspended and fillers cover the time, unless
    the model has said something before it called them. Tools with effects wait until the reply is wanted, and the reply
    can then not be repeated.
    """

    def __init__(
        self,
        wanted: asyncio.Event,
        deadline: OutputDeadline = NO_DEADLINE,
        fillers: Fillers | None = None,
        calls: ConversationCalls | None = None,
        language: str = "en",
    ) -> None:
        self.wanted = wanted
        self.calls: ConversationCalls | UnkeptCalls = UnkeptCalls() if calls is None else calls
        self.language = language
        self.has_effects = False
        """True once a tool with effects may have run. The reply can then not be repeated."""
        self.can_ask = calls is not None
        self.loop = asyncio.get_running_loop()
        self._deadline = deadline
        self._fillers = fillers
        self._filling: asyncio.Task[None] | None = None
        self._has_spoken = False
        """The model has said something since it last called tools."""
        self._suspended = False
        self._working: Counter[asyncio.Task[Any]] = Counter()
        """The tasks in which tools work, each with the number of tools: one may use another one."""
        self._tool_ended = asyncio.Event()
        self._under_way: dict[tuple[str, str], asyncio.Future[CallRecord]] = {}
        """How the calls with effects end that are under way, by tool and arguments."""
        self._in_threads: set[Future[Any]] = set()
        self._is_closed = False
        self._question: QuestionAskedError | None = None
        self._asking: set[asyncio.Task[Any]] = set()
        self._asked = asyncio.Event()
        self._pieces: asyncio.Queue[Any] = asyncio.Queue()

    @classmethod
    def of(cls, config: RunnableConfig | None) -> ReplyTools | None:
        """Returns those of the reply that the tool is called for.

        A tool that another one with effects uses is a part of that one, and belongs to no reply. Otherwise they are in
        the config that ToolNode hands on. Where a builder calls a tool without it, LangChain keeps the
        node's config in a context variable.
        """
        if _in_effect.get():
            return None
        for each in (config, ensure_config()):
            found = ((each or {}).get("configurable") or {}).get(REPLY)
            if isinstance(found, cls):
                return found
        return None

    # The answer ------------------------------------------------------------------------------------------------------

    async def with_fillers(self, answer: AsyncGenerator[T]) -> AsyncGenerator[T | Filler]:
        """Yields the pieces of the answer, and fillers among them. Everything of the reply is stopped at the end."""
        making = asyncio.create_task(self._make(answer), name="answer")
        making.add_done_callback(self._pieces.put_nowait)
        try:
            while (piece := await self._pieces.get()) is not making:
                yield piece
            making.result()
        finally:
            making.cancel()
            await asyncio.wait([making])
            await self._close()

    async def _make(self, answer: AsyncGenerator[Any]) -> None:
        """Makes the answer, in a task of which the conversation is the current one."""
        if not isinstance(self.calls, UnkeptCalls):
            set_current_conversation(self.calls.conversation)
        async with aclosing(answer):
            async for piece in answer:
                self._pieces.put_nowait(piece)

    def note_spoken(self) -> None:
        """Notes that the model has said something: tools that it calls next need no filler."""
        self._has_spoken = True

    def sign_of_life(self) -> None:
        """Restarts the deadline, as the model has sent something that is not spoken, such as a piece of reasoning."""
        if not self._suspended:
            self._deadline.restart()

    async def _close(self) -> None:
        """Stops the tools that still work for this reply. Calls that the application owns go on."""
        self._is_closed = True
        for waiting in tuple(self._in_threads):
            waiting.cancel()
        tasks = set(self._working)
        if self._filling is not None:
            tasks.add(self._filling)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # Tools -----------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Wraps the work of a tool, also while it waits for the reply to be wanted."""
        task = asyncio.current_task()
        assert task is not None, "tools run in tasks"
        if self._is_closed:  # a node in a thread, which nothing can stop, calls a tool
            raise asyncio.CancelledError("the reply has ended")
        if not self._working:
            self._begin_work()
        self._working[task] += 1
        try:
            yield
        finally:
            self._working[task] -= 1
            self._working += Counter()  # drops those that have come to nothing
            self._tool_ended.set()
            if not self._working:
                await self._end_work()

    @property
    def is_working(self) -> bool:
        """True while any of the tools works."""
        return bool(self._working)

    def _begin_work(self) -> None:
        self._suspended = True
        self._deadline.suspend()
        if self._fillers is not None and not self._has_spoken:
            self._filling = asyncio.create_task(self._fill(self._fillers), name="fillers")
        self._has_spoken = False

    async def _end_work(self) -> None:
        """Restarts the deadline, unless there were effects: another engine must not take over then."""
        if self.has_effects:
            self._deadline.tools_ended()
        else:
            self._suspended = False
            self._deadline.restart()
        filling, self._filling = self._filling, None  # the next tool, with fillers of its own, may begin meanwhile
        if filling is not None:
            filling.cancel()
            await asyncio.wait([filling])

    async def _fill(self, fillers: Fillers) -> None:
        async with aclosing(fillers.while_working()) as due:
            async for filler in due:
                self._pieces.put_nowait(filler)

    def equal_call(self, call: CallRecord) -> asyncio.Future[CallRecord] | None:
        """Returns how a call of the same tool with the same arguments ends, if one is under way."""
        return self._under_way.get((call.tool, call.arguments))

    async def run_effect(self, call: CallRecord, effect: Coroutine[Any, Any, str], limit_s: float) -> CallRecord:
        """Runs a tool with effects once the reply is wanted; returns how it ended."""
        ended: asyncio.Future[CallRecord] = self.loop.create_future()
        self._under_way[call.tool, call.arguments] = ended
        try:
            try:
                await self.wanted.wait()
            except asyncio.CancelledError:
                effect.close()  # it has not begun
                raise
            self.has_effects = True
            made = await self.calls.run(call, effect, limit_s)
            ended.set_result(made)
            return made
        finally:
            ended.cancel()
            self._under_way.pop((call.tool, call.arguments), None)

    async def ask(self, request: ConfirmationRequest) -> NoReturn:
        """Ends the reply with a question, by raising QuestionAskedError. A reply asks at most one question.

        The other tools that were called beside it are waited for, so that what the user wants beside it is done.
        """
        own = asyncio.current_task()
        assert own is not None, "tools run in tasks"
        self._asking.add(own)
        if self._question is None:
            self._question = QuestionAskedError(request)
            await asyncio.sleep(0)  # the calls of one message begin in the same turn of the event loop
            # Not for the end of their tasks: a task in which a tool has worked may itself wait for this answer.
            while self._working.keys() - self._asking:
                self._tool_ended.clear()
                await self._tool_ended.wait()
            self.calls.ask(request)
            self._asked.set()
        await self._asked.wait()
        raise self._question

    def run_from_thread(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs work in the event loop for a graph that does it in a thread. Waits for its end.

        The end of the reply cancels it: it then raises `concurrent.futures.CancelledError`, and so does all later work.
        """
        running = asyncio.run_coroutine_threadsafe(work, self.loop)
        self._in_threads.add(running)
        if self._is_closed:
            running.cancel()
        try:
            return running.result()
        finally:
            self._in_threads.discard(running)


def as_config(reply: ReplyTools) -> RunnableConfig:
    """Returns the config with which a graph's tools find the reply."""
    return RunnableConfig(configurable={REPLY: reply})
