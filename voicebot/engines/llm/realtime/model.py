"""The Realtime service as a chat model of LangChain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

from voicebot.engines.llm.from_threads import ThreadsMayAsk
from voicebot.engines.llm.realtime.connections import RealtimeConnections, as_engine_errors
from voicebot.engines.llm.realtime.events import ResponseReader, items, session_update


class RealtimeModel(ThreadsMayAsk):
    """Uses one connection for each request: it sends the persona and the whole conversation, and reads the response."""

    _connections: RealtimeConnections = PrivateAttr()

    def __init__(self, connections: RealtimeConnections) -> None:
        super().__init__()
        self._connections = connections

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
        connection = await self._connections.take()
        response = ResponseReader()
        try:
            with as_engine_errors():
                await connection.send(session_update(connection.dialect, connection.model, messages, tools))
                for item in items(connection.dialect, messages):
                    await connection.send(item)
                await connection.send({"type": "response.create"})
                self._connections.warm()
                while not response.is_done:
                    yield response.chunk(await connection.receive())
        finally:
            self._connections.release(connection, cancel=not response.is_done)
