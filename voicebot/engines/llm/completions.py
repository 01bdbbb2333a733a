"""Chat completions: asked for through an SDK's client, answered as a stream that is sure to be closed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.connection import CONNECT_S, KEEP_S, tls
from voicebot.engines.llm.failures import ClientErrors, ToolUseError, code_of, failure
from voicebot.engines.llm.messages import tokens, tools_tokens
from voicebot.engines.llm.models import Models, listed_by
from voicebot.engines.llm.rate_limits import ANSWER_TOKENS, RateLimits
from voicebot.engines.llm.request_fields import RequestFields
from voicebot.engines.llm.visible_text import VisibleText
from voicebot.languages.loader import language_names

logger = logging.getLogger(__name__)

TOO_LARGE = 413

LONGEST_WAIT_S = 2.0
"""A request that the rate limit would refuse waits for this long at most; then another engine answers sooner."""


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


def client_options(sdk: Any, http: Any, timeout_s: float, **client: Any) -> dict[str, Any]:
    """What an SDK's client is made with: it tries once, is quickly connected or not at all, and stays so.

    `client` are further options of its HTTP client.
    """
    return {
        "max_retries": 0,
        "timeout": http.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
        "http_client": sdk.DefaultAsyncHttpxClient(verify=tls(), limits=http.Limits(keepalive_expiry=KEEP_S), **client),
    }


class SdkService:
    """A service behind an SDK's client, and the `models` that it may be asked for."""

    languages = frozenset(language_names())

    def __init__(self, sdk: Any, models: Models, errors: ClientErrors) -> None:
        self._sdk = sdk
        self._errors = errors
        self.models = models

    async def start(self) -> None:
        """Nothing to open: the first request connects."""

    async def close(self) -> None:
        await self._sdk.close()

    async def choose_model(self) -> bool:
        """Ask which models there are, which costs nothing and needs the key, and use the first of ours among them.

        Returns False if there is none. Raises EngineError.
        """
        with self._errors.as_engine_errors():
            return self.models.choose(await listed_by(self._sdk))


@dataclass(slots=True)
class Request:
    """One request: its length in tokens, by our estimate, and the limits that it was sent under; None: not sent."""

    tokens: int
    model: str = ""
    limits: RateLimits | None = None


class SdkClient(Protocol):
    """An SDK's client, with its way to make requests that it has no method for."""

    async def post(
        self, path: str, *, cast_to: type[Any], body: dict[str, Any], stream: Literal[True], stream_cls: type[Any]
    ) -> Any:
        """Returns the SDK's stream of the answer. Raises the SDK's errors."""
        ...


class Completions:
    """What LangChain's models of Groq and OpenAI ask: the SDK's `chat.completions`, but quick.

    The SDK's own method for chat completions goes through each message and each piece of the answer by reflection, on
    the event loop of all sessions: with 20 messages that is half the processor time of a turn, and half the delay that
    is ours (measured with a service without any). So its `post` is called instead.

    A request is made for the model that is current at that moment, with the fields of its family, and within its rate
    limit.
    """

    def __init__(
        self,
        sdk: SdkClient,
        path: str,
        stream_class: Any,
        errors: ClientErrors,
        models: Models,
        fields: RequestFields,
    ) -> None:
        self._sdk = sdk
        self._path = path
        self._stream_class = stream_class
        self._errors = errors
        self._models = models
        self._fields = fields

    async def create(self, *, opened: AsyncExitStack, sent: Request, **body: Any) -> Any:
        """The answer's pieces as dicts, in a stream that is closed with `opened`. Raises EngineError.

        Which model has answered, and under which limits, is noted in `sent`.
        """
        with self._errors.as_engine_errors():
            while True:
                await self._wait_for_tokens(sent.tokens)
                # Nothing is awaited until the tokens are taken: no other session can take the same ones.
                model, limits = self._models.current, self._models.limits
                request = self._fields.applied(model, body)
                limits.sent(sent.tokens)
                try:
                    stream = await self._sdk.post(
                        self._path, body=request, cast_to=object, stream=True, stream_cls=self._stream_class[object]
                    )
                except self._errors.answered as error:
                    answer = cast("Any", error)
                    limits.observe(answer.response.headers)
                    if answer.status_code == TOO_LARGE:
                        limits.too_large(sent.tokens)
                    if not self._adjusts(request, answer.status_code, answer.body):
                        raise
                else:
                    limits.observe(stream.response.headers)
                    sent.model, sent.limits = model, limits
                    return await opened.enter_async_context(stream)

    async def _wait_for_tokens(self, tokens: int) -> None:
        """Returns once the current model's rate limit has room for a request. Raises EngineError if that takes long.

        Other sessions wait for the same tokens: who wakes up looks again whether there are any left.
        """
        deadline_s = asyncio.get_running_loop().time() + LONGEST_WAIT_S
        while (wait_s := self._models.limits.wait_s(tokens)) > 0:
            if asyncio.get_running_loop().time() + wait_s > deadline_s:
                limit = self._models.limits.tokens_a_minute
                message = f"the account's rate limit is used up ({limit} tokens a minute)"
                raise EngineError(self._errors.engine, message, fault=Fault.LIMITED, retry_after_s=wait_s)
            await asyncio.sleep(wait_s)

    def _adjusts(self, request: dict[str, Any], status: int, error: object) -> bool:
        """Whether a request that was refused should be made again, as another one."""
        if code_of(error) in ("model_not_found", "model_decommissioned") or status == 404:  # Ollama gives no code
            return self._models.lose(request["model"])
        return status in (400, 422) and self._fields.learn(request, error)


class Answering(BaseChatModel):
    """A base class that stands before a LangChain model and makes sure that its answers end well and can be spoken.

    The model's requests go through `Completions`.
    """

    errors: ClassVar[ClientErrors]

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        """Yields the chunks of an answer up to its end; they hold only what the user may hear, and tool calls.

        The connection is opened on a stack of ours, as neither the model nor Groq's SDK close it when something goes
        wrong. A service says why it has finished ("stop", "length", "tool_calls"); a gateway that is cut off may end
        the stream as if all were well. Raises EngineError if the answer fails, or ends without having been finished.
        """
        finished = spoken = False
        length = tokens(messages) + tools_tokens(kwargs.get("tools", ()))
        sent = Request(length)
        usage: UsageMetadata | None = None
        visible: VisibleText | None = None
        try:
            with self.errors.as_engine_errors(connected=True):
                async with AsyncExitStack() as opened:
                    asked = super()._astream(messages, *args, opened=opened, sent=sent, **kwargs)
                    async with aclosing(cast("AsyncGenerator[ChatGenerationChunk]", asked)) as chunks:
                        async for chunk in chunks:
                            finished = finished or bool((chunk.generation_info or {}).get("finish_reason"))
                            message = cast("AIMessageChunk", chunk.message)
                            usage = message.usage_metadata or usage
                            visible = visible or VisibleText(sent.model)
                            _clean(message, visible, finished=finished)
                            spoken = spoken or bool(message.text)
                            yield chunk
                            if visible.over:
                                logger.info("an answer was ended where the model began to speak for the user")
                                return
        except ToolUseError as error:
            error.spoken = spoken
            raise
        finally:
            if sent.limits is not None:  # what was refused, or never sent, costs nothing
                if usage is not None:
                    sent.limits.answered(length, usage["input_tokens"], usage["output_tokens"])
                else:  # it was given up, or its service does not count
                    sent.limits.answered(0, 0, ANSWER_TOKENS)
        if not finished:
            raise failure(self.errors.engine, Fault.BROKEN)


def _clean(message: AIMessageChunk, visible: VisibleText, *, finished: bool) -> None:
    """Takes out of a chunk what is not to be spoken, nor sent back with the next request."""
    if isinstance(message.content, str):
        message.content = visible.push(message.content) + (visible.finish() if finished else "")
    message.additional_kwargs.pop("reasoning_content", None)
    for call in message.tool_call_chunks:
        if call["name"]:
            # gpt-oss sometimes leaves its own notation on it: "functions.clock<|channel|>commentary".
            call["name"] = call["name"].partition("<|")[0].removeprefix("functions.")
