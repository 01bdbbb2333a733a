"""Chat completions: asked for through an SDK's client, answered as a stream that is sure to be closed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Any, ClassVar, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from voicebot.engines.base import Fault
from voicebot.engines.llm.connection import CONNECT_S, KEEP_S, tls
from voicebot.engines.llm.failures import ClientErrors, failure
from voicebot.personas.languages import LANGUAGE_NAMES


def errors_of(engine: str, sdk: Any, http: Any) -> ClientErrors:
    """Those of an SDK (both are made by the same generator), and of the HTTP client below it."""
    return ClientErrors(
        engine,
        timeout=(sdk.APITimeoutError, http.TimeoutException),
        answered=(sdk.APIStatusError,),
        unreachable=(sdk.APIConnectionError,),
        told=(sdk.APIError,),
        # What comes in mid-stream is not checked by the SDK: anything may be missing in it or have another type.
        broken=(http.HTTPError, ValueError, LookupError, TypeError, AttributeError),
    )


def client_options(sdk: Any, http: Any, timeout_s: float) -> dict[str, Any]:
    """What an SDK's client is made with: it tries once, is quickly connected or not at all, and stays so."""
    return {
        "max_retries": 0,
        "timeout": http.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
        "http_client": sdk.DefaultAsyncHttpxClient(verify=tls(), limits=http.Limits(keepalive_expiry=KEEP_S)),
    }


class SdkService:
    """A service behind an SDK's client."""

    languages = frozenset(LANGUAGE_NAMES)

    def __init__(self, sdk: Any, errors: ClientErrors) -> None:
        self._sdk = sdk
        self._errors = errors

    async def start(self) -> None:
        """Nothing to open: the first request connects."""

    async def close(self) -> None:
        await self._sdk.close()

    async def models(self) -> list[str]:
        """The names of the models that the service lists. Costs nothing, and needs the key. Raises EngineError."""
        with self._errors.as_engine_errors():
            return [model.id for model in (await self._sdk.models.list()).data]


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


class Answering(BaseChatModel):
    """Comes before a LangChain model of `Completions`, whose answers it sees to."""

    errors: ClassVar[ClientErrors]

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        ask = partial(super()._astream, messages, *args, **kwargs)
        async with aclosing(answer(ask, self.errors)) as chunks:
            async for chunk in chunks:
                yield chunk
