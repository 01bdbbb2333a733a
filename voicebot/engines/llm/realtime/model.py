"""The Realtime service as a chat model of LangChain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

from voicebot.engines.llm.realtime.events import Response, items, session_update
from voicebot.engines.llm.realtime.lines import Lines, as_engine_errors


class RealtimeModel(BaseChatModel):
    """Each request takes a line, tells it the persona and the whole conversation, and hangs up after the response."""

    _lines: Lines = PrivateAttr()

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    @property
    def _llm_type(self) -> str:
        return "openai-realtime"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("only asynchronous")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, **kwargs))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        *,
        tools: Sequence[dict[str, Any]] = (),
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        line = await self._lines.take()
        response = Response()
        try:
            with as_engine_errors():
                await line.send(session_update(line.dialect, line.model, messages, tools))
                for item in items(line.dialect, messages):
                    await line.send(item)
                await line.send({"type": "response.create"})
                self._lines.warm()
                while not response.is_done:
                    yield response.chunk(await line.receive())
        finally:
            self._lines.hang_up(line, cancel=not response.is_done)
