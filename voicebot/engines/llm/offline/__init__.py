"""A chat model without a network: it understands by rules, and asks its tools as any other model does."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import Field

from voicebot.engines.llm.offline.answers import answer, tool_calls
from voicebot.engines.llm.offline.conversation import Conversation
from voicebot.engines.llm.offline.requests import requests_in
from voicebot.runtime.clock import DateClock, MachineClock

_TOKEN = re.compile(r"\S+\s*")


class Offline(BaseChatModel):
    """Talks by rules: greets, tells times, dates, jokes and stories, does sums, and says what it cannot do.

    For times, dates and sums it calls the project's tools `clock` and `calculator`, and words what these give. The same
    conversation at the same time always gets the same answer. `date_clock` is only for greetings and for the day's
    first joke.
    """

    date_clock: DateClock = Field(default_factory=MachineClock, exclude=True)

    def model_post_init(self, context: Any) -> None:
        """Loads the tables and rules, so that the first question does not block the event loop for 0.1 s."""
        requests_in("What time is it in Tokyo?")

    @property
    def _llm_type(self) -> str:
        return "offline"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Returns the model itself, which knows the tools that it calls."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        content, calls = self._answer(messages)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=content, tool_calls=calls))])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        content, calls = self._answer(messages)
        if calls:
            chunks = [
                tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
                for index, call in enumerate(calls)
            ]
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=chunks))
        for token in _TOKEN.findall(content):
            yield ChatGenerationChunk(message=AIMessageChunk(content=token))
            # As with a model behind a network, others get their turn between two tokens.
            await asyncio.sleep(0)

    def _answer(self, messages: Sequence[BaseMessage]) -> tuple[str, list[ToolCall]]:
        """Returns the answer's text, or the tool calls that are needed first."""
        conversation = Conversation.of(messages)
        requests = conversation.requests()
        calls = [call for call in tool_calls(requests) if call["id"] not in conversation.results]
        if calls and not conversation.results:
            return "", calls
        return answer(conversation, requests, self.date_clock.now()), []
