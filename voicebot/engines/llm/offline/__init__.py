"""A chat model that follows rules and needs no network. It calls the tools as any other model does."""

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
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from voicebot.engines.llm.offline.answers import KNOWN_TOOLS, answer_to, named_answer, tool_calls
from voicebot.engines.llm.offline.conversation import ChatContext, requests_in
from voicebot.engines.llm.offline.named_tools import CALL_ID, NamedTool, named_call, unknown_name
from voicebot.runtime.clock import DateClock, MachineClock

_TOKEN = re.compile(r"\S+\s*")


class OfflineModel(BaseChatModel):
    """Greets, tells the time, the date, jokes and stories, does sums, and says what it cannot do.

    For times, dates and sums it calls the tools `clock` and `calculator` and puts their results into words. It calls
    another tool only by its name, as in "use the tool dice", and says how calls ended that another model made. The same
    conversation at the same time always gets the same answer. `date_clock` only decides the greeting and the first joke
    of the day.
    """

    date_clock: DateClock = Field(default_factory=MachineClock, exclude=True)
    known_tools: frozenset[str] = frozenset()
    """Which of `KNOWN_TOOLS` it was given."""
    named_tools: tuple[NamedTool, ...] = ()
    """The tools that it was given beside those, which it calls by their names."""

    def model_post_init(self, context: Any) -> None:
        """Loads the rules and tables, so that the first question does not block the event loop for 0.1 s."""
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
        """Returns a model that can call these tools by their names, beside the two that it knows."""
        described = [NamedTool.of(convert_to_openai_tool(tool)) for tool in tools]
        known = KNOWN_TOOLS & {tool.name for tool in described}
        named = tuple(tool for tool in described if tool.name not in known)
        return self.model_copy(update={"known_tools": known, "named_tools": named})

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
            # Other tasks run between two tokens, as they do while a model on a network answers.
            await asyncio.sleep(0)

    def _answer(self, messages: Sequence[BaseMessage]) -> tuple[str, list[ToolCall]]:
        """Returns the answer, or the tool calls that it needs first."""
        context = ChatContext.of(messages)
        if context.confirmed is None and (named := self._named_answer(context)) is not None:
            return named
        requests = context.requests()
        calls = tool_calls(requests) if context.confirmed is None else []
        calls = [call for call in calls if call["name"] in self.known_tools]
        if calls and not context.results:
            return "", calls
        return answer_to(requests, context, self.date_clock.now()), []

    def _named_answer(self, context: ChatContext) -> tuple[str, list[ToolCall]] | None:
        """Returns the answer to "use the tool NAME", or the call of the tool; None if the user says something else."""
        call = named_call(context.said, self.named_tools)
        if isinstance(call, NamedTool):
            needed = " and ".join(each.replace("_", " ") for each in call.needed)
            how = (
                "Only a model with a key can call it"
                if len(call.needed) > 1
                else f'Say "use the tool {call.said} with"'
            )
            return f"The tool {call.said} needs {needed}. {how}.", []
        if call is not None:
            result = context.results.get(CALL_ID)
            return ("", [call]) if result is None else (named_answer(call, result, context), [])
        if (name := unknown_name(context.said)) and self.named_tools:
            return f"I have no tool called {name}.", []
        return None
