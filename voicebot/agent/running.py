"""Runs an operator's graph for one reply: its answer, its limits, and its errors in plain words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphRecursionError

from voicebot.agent.loading import where_it_failed
from voicebot.agent.own_graph import PreparedGraph
from voicebot.agent.spoken import Piece, SpokenText
from voicebot.agent.tools.reply_tools import QuestionAskedError, ReplyTools
from voicebot.engines.errors import EngineError, Fault, GraphError
from voicebot.engines.llm.failures import other_failure
from voicebot.engines.llm.from_threads import LOOP_CALLER
from voicebot.engines.protocols import OutputDeadline
from voicebot.runtime.foreign_code import enter_foreign_code, raised_by_code

logger = logging.getLogger(__name__)

MAX_STEPS = 100
"""How many steps a graph may take for one answer. LangGraph's own limit was 25 until version 1.1 and is 10,007 now,
which would be 5,000 requests to a model. Our own graph takes at most 14."""

MAX_CHARS = 20_000
"""The longest answer. It takes 20 minutes to say."""

INTERRUPT = "__interrupt__"
"""The key under which LangGraph streams the call of `interrupt()`."""

PartsWithNamespaces = AsyncGenerator[tuple[tuple[str, ...], str, Any]]
"""The stream of a graph: the tasks around the part, from the outside to the inside, the mode, and the part."""


class GraphDeadline(OutputDeadline):
    """The deadline for the next output of an operator's graph, which may also do other things than ask a model.

    The `outer` deadline, after which another engine would answer, runs only while a model is asked that the bot has
    given to the graph. Beside it, no graph may go on for longer than `silence_s` without a sign of life: a node that
    ends, or a piece of the answer. That limit does not run while a tool works, which has a limit of its own.
    """

    def __init__(self, outer: OutputDeadline, silence_s: float, engine: str) -> None:
        self._outer = outer
        self._silence_s = silence_s
        self._engine = engine
        self._limit: asyncio.Timeout | None = None
        self._asked = 0
        """How many requests to models are under way."""
        self._suspended = False
        """Tools work. It stays so for the outer deadline if they have had effects."""

    def suspend(self) -> None:
        self._suspended = True
        self._outer.suspend()
        self._allow(None)

    def restart(self) -> None:
        if self._suspended:
            self._suspended = False
            self.sign_of_life()
        if self._asked:
            self._outer.restart()

    def tools_ended(self) -> None:
        """Limits the silence again. The outer deadline stays suspended, as tools have had effects."""
        self.sign_of_life()

    def sign_of_life(self) -> None:
        """Notes that the graph has done something."""
        self._allow(self._silence_s)

    def model_asked(self) -> None:
        """Notes that a request to a model begins."""
        self._asked += 1
        if not self._suspended:
            self._outer.restart()

    def model_answered(self) -> None:
        """Notes that a request to a model has ended. Only the silence is limited until the next one."""
        self._asked -= 1
        if not self._asked:
            self._outer.suspend()

    def _allow(self, silence_s: float | None) -> None:
        if self._limit is not None and not self._limit.expired():
            now_s = asyncio.get_running_loop().time()
            self._limit.reschedule(None if silence_s is None else now_s + silence_s)

    @asynccontextmanager
    async def limited(self) -> AsyncIterator[None]:
        """Limits the silence of the graph that runs inside. Raises EngineError."""
        self._outer.suspend()
        try:
            async with asyncio.timeout(self._silence_s) as self._limit:
                yield
        except TimeoutError:
            if self._limit is None or not self._limit.expired():
                raise
            message = f"the graph gave no sign of an answer for {self._silence_s:g} s"
            raise GraphError(self._engine, message, fault=Fault.TIMEOUT, repeatable=False) from None
        finally:
            self._limit = None


class ModelWatch(AsyncCallbackHandler):
    """Tells the deadline when a graph asks a model, also from a node that runs in a thread."""

    def __init__(self, deadline: GraphDeadline) -> None:
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()

    async def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        self._loop.call_soon_threadsafe(self._deadline.model_asked)

    async def on_llm_end(self, *_: Any, **__: Any) -> None:
        self._loop.call_soon_threadsafe(self._deadline.model_answered)

    async def on_llm_error(self, *_: Any, **__: Any) -> None:
        self._loop.call_soon_threadsafe(self._deadline.model_answered)


async def run_graph(
    prepared: PreparedGraph,
    state: dict[str, Any],
    config: RunnableConfig,
    engine: str,
    deadline: GraphDeadline,
    tools: ReplyTools,
) -> AsyncGenerator[Piece | None]:
    """Yields the answer of a graph in pieces, and None for each part of its stream that is not spoken.

    It must be closed, and then has stopped all that the graph does, except functions that run in threads, which nothing
    can stop. The answer may be empty. Raises EngineError, which is repeatable only if it comes from a model that the
    bot has given to the graph.
    """
    LOOP_CALLER.set(tools)
    enter_foreign_code()
    text = SpokenText(prepared.nodes)
    config = {**config, "recursion_limit": MAX_STEPS}
    stream = prepared.graph.astream(state, config, stream_mode=["messages", "updates"], subgraphs=True)
    length = 0
    try:
        async with deadline.limited(), aclosing(cast("PartsWithNamespaces", stream)) as parts:
            async for namespace, kind, part in parts:
                if kind == "updates" and INTERRUPT in part:
                    raise GraphError(engine, CANNOT_RESUME, fault=Fault.REJECTED, repeatable=False)
                pieces = [*text.take(namespace, kind, part)]
                if text.length > MAX_CHARS:
                    message = f"the answer is longer than {MAX_CHARS:,} characters"
                    raise GraphError(engine, message, fault=Fault.REJECTED, repeatable=False)
                if (kind == "updates" or text.length > length) and not tools.is_working:
                    deadline.sign_of_life()
                length = text.length
                for piece in pieces or (None,):
                    yield piece
        for piece in text.end():
            yield piece
    except (EngineError, QuestionAskedError):
        raise
    except GraphRecursionError:
        message = f"the graph did not end within {MAX_STEPS} steps"
        raise GraphError(engine, message, fault=Fault.REJECTED, repeatable=False) from None
    except Exception as error:  # boundary: whatever the operator's graph does wrong ends the reply, not the bot
        raise graph_failure(engine, error) from error


CANNOT_RESUME = "the graph called interrupt(), which nobody can answer here; let it ask in its answer instead"


def graph_failure(engine: str, error: Exception) -> GraphError:
    """Returns the error for an exception of an operator's graph, and logs where it was raised.

    The user learns its type. Its text is logged only at DEBUG, as it may hold anything, such as a key. The error of a
    model that the graph has brought along is told by its HTTP status.
    """
    raised = raised_by_code(error)
    logger.error("%s: the graph failed: %s", engine, where_it_failed(raised))
    logger.debug("the graph failed", exc_info=error)
    failure = other_failure(engine, error)
    if failure.fault is Fault.BROKEN:
        message = f"the graph failed: {type(raised).__name__}"
        return GraphError(engine, message, fault=Fault.REJECTED, repeatable=False)
    return GraphError(
        engine, failure.message, fault=failure.fault, retry_after_s=failure.retry_after_s, repeatable=False
    )
