"""The models of OpenAI and of all services that speak its chat completions (Ollama, llama.cpp, vLLM).

Through langchain-openai.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx2
import openai
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from voicebot.engines.llm.completions import Answering, Completions, SdkService, client_options, errors_of
from voicebot.engines.llm.connection import NO_KEY, OPENAI_ADDRESS, as_http
from voicebot.engines.llm.models import Models, none_listed
from voicebot.engines.llm.request_fields import RequestFields, openai_fields

ERRORS = errors_of("openai", openai, httpx2)


class OpenAI(SdkService):
    """The service and its `model`. With a `base_url`, which mostly ends in `/v1`, no key is needed.

    Nothing but that address is asked for anything: history is not counted in tokens by tiktoken, which would download
    its tables.
    """

    name = "openai"

    def __init__(
        self,
        api_key: str | None,
        *,
        base_url: str | None = None,
        models: Models,
        temperature: float = 0.7,
        timeout_s: float = 30.0,
    ) -> None:
        if api_key is None and base_url is None:
            raise ValueError("OpenAI itself needs a key")
        address = as_http(base_url or OPENAI_ADDRESS)
        sdk = openai.AsyncOpenAI(
            api_key=api_key or NO_KEY, base_url=address, **client_options(openai, httpx2, timeout_s)
        )
        super().__init__(sdk, models, ERRORS)
        self._is_openai = (urlsplit(address).hostname or "").endswith("openai.com")
        completions = Completions(
            sdk.post, "/chat/completions", openai.AsyncStream, ERRORS, self.models, RequestFields(openai_fields)
        )
        # Given its clients, it makes none of its own. Compatible services have no Responses API.
        self.model: BaseChatModel = _Chat(
            client=completions,
            async_client=completions,
            api_key=SecretStr(api_key or NO_KEY),
            base_url=address,
            model=models.current,
            temperature=temperature,
            use_responses_api=False,
            # Servers of one's own may not know the field.
            stream_usage=self._is_openai,
            stream_chunk_timeout=None,
        )

    async def probe(self) -> None:
        """Choose the model. Raises EngineError if OpenAI has none of ours.

        A server of one's own may take names that it does not list, as llama.cpp takes any: there the first one stays.
        """
        if not await self.choose_model() and self._is_openai:
            raise none_listed(self.name, self.models)


class _Chat(Answering, ChatOpenAI):
    errors = ERRORS
