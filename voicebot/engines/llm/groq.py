"""Groq's models, through langchain-groq."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

import groq
import httpx
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_groq import ChatGroq
from pydantic import SecretStr

from voicebot.engines.base import EngineError, Fault
from voicebot.engines.llm.completions import Completions, answer
from voicebot.engines.llm.connection import CONNECT_S, KEEP_S, as_http, tls
from voicebot.engines.llm.failures import ClientErrors
from voicebot.personas.languages import LANGUAGE_NAMES

ADDRESS = "https://api.groq.com"
PATH = "/openai/v1"
"""What the SDK itself adds to the address."""

ERRORS = ClientErrors(
    "groq",
    timeout=(groq.APITimeoutError, httpx.TimeoutException),
    answered=(groq.APIStatusError,),
    unreachable=(groq.APIConnectionError,),
    told=(groq.APIError,),
    # What comes in mid-stream is not checked by the SDK: anything may be missing in it or have another type.
    broken=(httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError),
)


class Groq:
    """The service and its `model`. `base_url` is that of a gateway, with or without `/openai/v1`."""

    name = "groq"
    languages = frozenset(LANGUAGE_NAMES)

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str | None = None,
        model: str = "llama-3.3-70b-versatile",
        temperature: float = 0.7,
        timeout_s: float = 30.0,
    ) -> None:
        address = as_http(base_url or ADDRESS).rstrip("/").removesuffix(PATH)
        self._sdk = groq.AsyncGroq(
            api_key=api_key,
            base_url=address,
            max_retries=0,
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
            http_client=groq.DefaultAsyncHttpxClient(verify=tls(), limits=httpx.Limits(keepalive_expiry=KEEP_S)),
        )
        self._model_name = model
        completions = _Completions(self._sdk.post, f"{PATH}/chat/completions", groq.AsyncStream, ERRORS)
        # Given its clients, it makes none of its own.
        self.model: BaseChatModel = _Chat(
            client=completions,
            async_client=completions,
            api_key=SecretStr(api_key),
            model=model,
            temperature=temperature,
        )

    async def start(self) -> None:
        """Nothing to open: the first request connects."""

    async def close(self) -> None:
        await self._sdk.close()

    async def probe(self) -> None:
        """Ask which models there are: costs nothing, and needs the key."""
        with ERRORS.as_engine_errors():
            known = [model.id for model in (await self._sdk.models.list()).data]
        if self._model_name not in known:
            raise EngineError(self.name, f"there is no model {self._model_name!r}", fault=Fault.REJECTED)


class _Completions(Completions):
    async def create(self, **params: Any) -> AsyncIterator[Any]:
        return _with_names(await super().create(**params))


async def _with_names(pieces: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The pieces as langchain-groq wants them.

    Groq itself sends each tool call whole, but gateways send them in pieces, of which only the first has the name.
    """
    async for piece in pieces:
        for choice in piece["choices"]:
            for call in choice["delta"].get("tool_calls") or ():
                call["function"].setdefault("name", None)
        yield piece


class _Chat(ChatGroq):
    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        ask = partial(super()._astream, messages, *args, **kwargs)
        async with aclosing(answer(ask, ERRORS)) as chunks:
            async for chunk in chunks:
                yield chunk
