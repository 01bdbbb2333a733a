"""Groq's models, through langchain-groq."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import groq
import httpx
from langchain_core.language_models import BaseChatModel
from langchain_groq import ChatGroq
from pydantic import SecretStr

from voicebot.engines.llm.clients import as_http, client_options, errors_of
from voicebot.engines.llm.completions import ChatCompletions, GuardedChatModel, SdkService
from voicebot.engines.llm.models import Models, none_listed
from voicebot.engines.llm.request_fields import GROQ_FIELDS, RequestFields

ADDRESS = "https://api.groq.com"
PATH = "/openai/v1"
"""The SDK adds this to the address."""

ERRORS = errors_of("groq", groq, httpx)


class Groq(SdkService):
    """The service and its LangChain `model`. `base_url` is that of a gateway, with or without `/openai/v1`."""

    name = "groq"

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str | None = None,
        models: Models,
        temperature: float = 0.7,
        timeout_s: float = 30.0,
    ) -> None:
        address = as_http(base_url or ADDRESS).rstrip("/").removesuffix(PATH)
        sdk = groq.AsyncGroq(api_key=api_key, base_url=address, **client_options(groq, httpx, timeout_s))
        super().__init__(sdk, models, ERRORS)
        completions = _GroqCompletions(
            sdk,
            f"{PATH}/chat/completions",
            groq.AsyncStream,
            ERRORS,
            self.models,
            RequestFields(GROQ_FIELDS),
        )
        # With clients given, the model makes none of its own.
        self.model: BaseChatModel = _GroqChat(
            client=completions,
            async_client=completions,
            api_key=SecretStr(api_key),
            model=models.current,
            temperature=temperature,
        )

    async def probe(self) -> None:
        """Chooses the model. Raises EngineError if the service has none of ours."""
        if not await self.choose_model():
            raise none_listed(self.name, self.models)


class _GroqCompletions(ChatCompletions):
    async def create(self, **params: Any) -> AsyncIterator[Any]:
        return _with_names(await super().create(**params))


async def _with_names(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Yields the chunks in the form that langchain-groq needs: with a name, which may be None, in each tool call.

    Groq sends each tool call whole, but gateways split it, and only the first part has the name.
    """
    async for chunk in chunks:
        for choice in chunk["choices"]:
            for call in choice["delta"].get("tool_calls") or ():
                call["function"].setdefault("name", None)
        yield chunk


class _GroqChat(GuardedChatModel, ChatGroq):
    errors = ERRORS
