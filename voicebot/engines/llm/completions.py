"""Chat completions: asked for through an SDK's client, answered as a stream that is sure to be closed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any, cast

from langchain_core.outputs import ChatGenerationChunk

from voicebot.engines.base import Fault
from voicebot.engines.llm.failures import ClientErrors, failure


class Completions:
    """What LangChain's models of Groq and OpenAI ask: the SDK's `chat.completions`, but quick.

    `post` is the SDK's for requests that it has no method for. Its method for this one goes through each message and
    each piece of the answer by reflection, on the event loop of all sessions: with 20 messages half the processor time
    of a turn, and half the delay that is ours (measured with a service without any).
    """

    def __init__(self, post: Callable[..., Any], path: str, stream_class: Any, errors: ClientErrors) -> None:
        self._post = post
        self._path = path
        self._stream_class = stream_class
        self._errors = errors

    async def create(self, *, opened: AsyncExitStack, **body: Any) -> Any:
        """The answer's pieces as dicts, in a stream that is closed with `opened`. Raises EngineError."""
        with self._errors.as_engine_errors():
            stream = await self._post(
                self._path,
                body={name: value for name, value in body.items() if value is not None},
                cast_to=object,
                stream=True,
                stream_cls=self._stream_class[object],
            )
        return await opened.enter_async_context(stream)


async def answer(
    ask: Callable[..., AsyncIterator[ChatGenerationChunk]], errors: ClientErrors
) -> AsyncGenerator[ChatGenerationChunk]:
    """The chunks of an answer up to its end. Raises EngineError if it fails, or ends without having been finished.

    `ask` is a LangChain model's stream, lacking only what `Completions` is to open the connection on: neither the model
    nor Groq's SDK close it when something goes wrong. A service says why it has finished ("stop", "length",
    "tool_calls"); a gateway that is cut off may end the stream as if all were well.
    """
    finished = False
    with errors.as_engine_errors(connected=True):
        async with AsyncExitStack() as opened:
            chunks = cast("AsyncGenerator[ChatGenerationChunk]", ask(opened=opened))
            async with aclosing(chunks):
                async for chunk in chunks:
                    finished = finished or bool((chunk.generation_info or {}).get("finish_reason"))
                    yield chunk
    if not finished:
        raise failure(errors.engine, Fault.BROKEN)
