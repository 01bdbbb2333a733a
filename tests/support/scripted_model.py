"""Chat models whose answers are written in the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCallChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from voicebot.engines.protocols import Style


def brief(_: Style) -> str:
    """Returns the same short system prompt for every style, for tests that are not about prompts."""
    return "Be brief."


class Endless:
    """Work that never ends by itself."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.is_stopped = False

    async def wait(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.is_stopped = True


class Script(BaseChatModel):
    """A model that streams the next answer of its script for each request and keeps the messages of the request.

    A step is a piece of text, a call of a tool, an error to raise, or an event to wait for.
    """

    answers: list[list[Any]]
    given: list[list[BaseMessage]] = Field(default_factory=list)
    bound: list[bool] = Field(default_factory=list)
    is_bound: bool = False

    @property
    def _llm_type(self) -> str:
        return "script"

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any) -> Any:
        return self.model_copy(update={"is_bound": True})

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.given.append(messages)
        self.bound.append(self.is_bound)
        try:
            for step in self.answers.pop(0):
                match step:
                    case str():
                        yield ChatGenerationChunk(message=AIMessageChunk(content=step))
                    case dict():
                        chunks = [cast("ToolCallChunk", step)]
                        yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=chunks))
                    case asyncio.Event() | Endless():
                        await step.wait()
                    case _:
                        raise step
        except asyncio.CancelledError:
            self.answers.append(["stopped"])
            raise


class Whole(BaseChatModel):
    """A model that does not stream."""

    @property
    def _llm_type(self) -> str:
        return "whole"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content="All at once."))])


def call(name: str, args: str = "{}", number: int = 0) -> ToolCallChunk:
    return tool_call_chunk(name=name, args=args, id=f"call-{number}", index=number)
