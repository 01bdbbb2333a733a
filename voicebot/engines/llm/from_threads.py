"""Lets functions in threads, such as the plain functions that are nodes of a graph, ask the models.

The models' connections belong to the event loop, so the models work there, and the thread waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar, cast

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

T = TypeVar("T")


class LoopCaller(Protocol):
    """Runs work in the event loop for a thread."""

    loop: asyncio.AbstractEventLoop

    def run_from_thread(self, work: Coroutine[Any, Any, T]) -> T:
        """Returns the result of the work, once it is done. The end of what it is done for cancels it."""
        ...


LOOP_CALLER: ContextVar[LoopCaller] = ContextVar("LOOP_CALLER")
"""The object through which threads that work for this reply reach the event loop."""


class ModelNotAwaitedError(TypeError):
    """A model was called with `invoke` or `stream` where the call would block all sessions; `ainvoke` works there."""


class ThreadsMayAsk(BaseChatModel):
    """A base class for models that only have `_astream`. It stands before the LangChain class among the bases."""

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        """Yields the answer's chunks. Raises ModelNotAwaitedError outside a thread that works for a reply."""
        caller = LOOP_CALLER.get(None)
        if caller is None or _is_in_event_loop():
            raise ModelNotAwaitedError("the model must be awaited here: call `ainvoke` or `astream`")
        chunks = cast("AsyncGenerator[ChatGenerationChunk]", self._astream(messages, stop, **kwargs))
        try:
            while (chunk := caller.run_from_thread(_next(chunks))) is not None:
                if run_manager is not None:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
        finally:
            # Not by the caller, which refuses work after the end of the reply.
            asyncio.run_coroutine_threadsafe(_closed(chunks), caller.loop).result()

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))


async def _next(chunks: AsyncGenerator[ChatGenerationChunk]) -> ChatGenerationChunk | None:
    return await anext(chunks, None)


async def _closed(chunks: AsyncGenerator[ChatGenerationChunk]) -> None:
    with suppress(RuntimeError):  # it is ending already, as its last piece of work was cancelled
        await chunks.aclose()


def _is_in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
