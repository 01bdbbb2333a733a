"""Requests chat completions through an SDK's client and reads their answers as streams that are always closed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, cast

from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.failures import ClientErrors, ToolUseError, code_of, failure
from voicebot.engines.llm.from_threads import ThreadsMayAsk
from voicebot.engines.llm.messages import tokens, tools_tokens, with_one_system_message
from voicebot.engines.llm.models import Models, listed_by
from voicebot.engines.llm.rate_limits import ANSWER_TOKENS, RateLimits
from voicebot.engines.llm.request_fields import RequestFields
from voicebot.engines.llm.visible_text import VisibleText
from voicebot.languages.loader import language_names

logger = logging.getLogger(__name__)

TOO_LARGE = 413

LONGEST_WAIT_S = 2.0
"""A request that would exceed the rate limit waits at most this long: after that another engine answers sooner."""


class SdkService:
    """A service that an SDK's client calls, and the `models` that may be requested from it."""

    languages = frozenset(language_names())

    def __init__(self, sdk: Any, models: Models, errors: ClientErrors) -> None:
        self._sdk = sdk
        self._errors = errors
        self.models = models

    async def start(self) -> None:
        """Does nothing: the first request opens the connection."""

    async def close(self) -> None:
        await self._sdk.close()

    async def choose_model(self) -> bool:
        """Lists the service's models, which is free but needs the key, and uses the first of ours among them.

        Returns False if none of ours is listed. Raises EngineError.
        """
        with self._errors.as_engine_errors():
            return self.models.choose(await listed_by(self._sdk))


@dataclass(slots=True)
class SentRequest:
    """A request and its estimated length in tokens. Its model and rate limits are set when it has been sent."""

    tokens: int
    model: str = ""
    limits: RateLimits | None = None


class SdkClient(Protocol):
    """The method of an SDK's client that posts to any path."""

    async def post(
        self, path: str, *, cast_to: type[Any], body: dict[str, Any], stream: Literal[True], stream_cls: type[Any]
    ) -> Any:
        """Returns the answer as a stream of the SDK. Raises the SDK's errors."""
        ...


class ChatCompletions:
    """A faster `chat.completions` for the LangChain models of Groq and OpenAI.

    The SDK's own method for chat completions inspects each message and each chunk of the answer by reflection, on the
    event loop that all sessions share. With 20 messages that takes half the processor time of a turn and half of the
    delay that we add (measured with a service that answers at once). So this class calls the SDK's `post` instead.

    Each request goes to the model that is current at that moment, has the fields that its family needs, and waits for
    its rate limit.
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

    async def create(self, *, opened: AsyncExitStack, sent: SentRequest, **body: Any) -> Any:
        """Returns the stream of the answer's chunks, as dicts. `opened` closes it. Raises EngineError.

        Sets the model that answers, and its rate limits, in `sent`.
        """
        with self._errors.as_engine_errors():
            while True:
                await self._wait_for_tokens(sent.tokens)
                # Nothing is awaited before the tokens are taken, so that no other session can take the same ones.
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
        """Waits until the current model's rate limit allows a request. Raises EngineError if that would take too long.

        Other sessions wait for the same tokens, so each one checks again after its wait.
        """
        deadline_s = asyncio.get_running_loop().time() + LONGEST_WAIT_S
        while (wait_s := self._models.limits.wait_s(tokens)) > 0:
            if asyncio.get_running_loop().time() + wait_s > deadline_s:
                limit = self._models.limits.tokens_a_minute
                message = f"the account's rate limit is used up ({limit} tokens a minute)"
                raise EngineError(self._errors.engine, message, fault=Fault.LIMITED, retry_after_s=wait_s)
            await asyncio.sleep(wait_s)

    def _adjusts(self, request: dict[str, Any], status: int, error: object) -> bool:
        """Returns True if a refused request is worth repeating, for another model or with other fields."""
        if code_of(error) in ("model_not_found", "model_decommissioned") or status == 404:  # Ollama sends no code
            return self._models.lose(request["model"])
        return status in (400, 422) and self._fields.learn(request, error)


class GuardedChatModel(ThreadsMayAsk):
    """A base class for LangChain models: it detects answers that are cut off, and removes what must not be spoken.

    It stands before the LangChain class among the bases. The requests go through `ChatCompletions`.
    """

    errors: ClassVar[ClientErrors]

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        """Yields the chunks of an answer; they hold only tool calls and text that the user may hear.

        The connection is entered on an exit stack of this method, because after an error neither the LangChain model
        nor Groq's SDK closes it. A service says why an answer ends ("stop", "length", "tool_calls"), whereas a gateway
        that loses its connection may end the stream as if it were complete. Raises EngineError if the answer fails, or
        ends without a reason.
        """
        messages = with_one_system_message(messages)
        finished = has_text = False
        length = tokens(messages) + tools_tokens(kwargs.get("tools", ()))
        sent = SentRequest(length)
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
                            has_text = has_text or bool(message.text)
                            yield chunk
                            if visible.over:
                                logger.info("Cut an answer where the model began to write the user's part.")
                                return
        except ToolUseError as error:
            error.spoken = has_text
            raise
        finally:
            if sent.limits is not None:  # a request that was refused or never sent costs nothing
                if usage is not None:
                    sent.limits.answered(length, usage["input_tokens"], usage["output_tokens"])
                else:  # the answer was abandoned, or its service does not count tokens
                    sent.limits.answered(0, 0, ANSWER_TOKENS)
        if not finished:
            raise failure(self.errors.engine, Fault.BROKEN)


def _clean(message: AIMessageChunk, visible: VisibleText, *, finished: bool) -> None:
    """Removes from a chunk what must neither be spoken nor sent back with the next request."""
    if isinstance(message.content, str):
        message.content = visible.push(message.content) + (visible.finish() if finished else "")
    message.additional_kwargs.pop("reasoning_content", None)
    for call in message.tool_call_chunks:
        if call["name"]:
            # gpt-oss sometimes leaves its own notation in the name: "functions.clock<|channel|>commentary".
            call["name"] = call["name"].partition("<|")[0].removeprefix("functions.")
