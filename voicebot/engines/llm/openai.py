"""The models of OpenAI and of all services that speak its chat completions (Ollama, llama.cpp, vLLM).

Through langchain-openai.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

import httpx2
import openai
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from voicebot.engines.llm.completions import Completions, answer
from voicebot.engines.llm.connection import CONNECT_S, KEEP_S, NO_KEY, OPENAI_ADDRESS, as_http, tls
from voicebot.engines.llm.failures import ClientErrors
from voicebot.personas.languages import LANGUAGE_NAMES

ERRORS = ClientErrors(
    "openai",
    timeout=(openai.APITimeoutError, httpx2.TimeoutException),
    answered=(openai.APIStatusError,),
    unreachable=(openai.APIConnectionError,),
    told=(openai.APIError,),
    # What comes in mid-stream is not checked by the SDK: anything may be missing in it or have another type.
    broken=(httpx2.HTTPError, ValueError, LookupError, TypeError, AttributeError),
)


class OpenAI:
    """The service and its `model`. With a `base_url`, which mostly ends in `/v1`, no key is needed.

    Nothing but that address is asked for anything: history is not counted in tokens by tiktoken, which would download
    its tables.
    """

    name = "openai"
    languages = frozenset(LANGUAGE_NAMES)

    def __init__(
        self,
        api_key: str | None,
        *,
        base_url: str | None = None,
        model: str = "gpt-4o-mini",
        temperature: float = 0.7,
        timeout_s: float = 30.0,
    ) -> None:
        if api_key is None and base_url is None:
            raise ValueError("OpenAI itself needs a key")
        address = as_http(base_url or OPENAI_ADDRESS)
        self._sdk = openai.AsyncOpenAI(
            api_key=api_key or NO_KEY,
            base_url=address,
            max_retries=0,
            timeout=httpx2.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
            http_client=openai.DefaultAsyncHttpxClient(verify=tls(), limits=httpx2.Limits(keepalive_expiry=KEEP_S)),
        )
        completions = Completions(self._sdk.post, "/chat/completions", openai.AsyncStream, ERRORS)
        # Given its clients, it makes none of its own. Compatible services have no Responses API.
        self.model: BaseChatModel = _Chat(
            client=completions,
            async_client=completions,
            api_key=SecretStr(api_key or NO_KEY),
            base_url=address,
            model=model,
            temperature=temperature,
            use_responses_api=False,
            stream_chunk_timeout=None,
        )

    async def start(self) -> None:
        """Nothing to open: the first request connects."""

    async def close(self) -> None:
        await self._sdk.close()

    async def probe(self) -> None:
        """Ask which models there are: costs nothing, and needs the key.

        Whether ours is among them is not looked at: llama.cpp takes any name, Ollama short ones.
        """
        with ERRORS.as_engine_errors():
            await self._sdk.models.list()


class _Chat(ChatOpenAI):
    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        ask = partial(super()._astream, messages, *args, **kwargs)
        async with aclosing(answer(ask, ERRORS)) as chunks:
            async for chunk in chunks:
                yield chunk
