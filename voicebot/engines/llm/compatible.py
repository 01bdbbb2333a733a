"""The base of all services that speak OpenAI's chat completions: OpenAI's SDK below LangChain's model."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from voicebot.engines.llm.clients import client_options, errors_of
from voicebot.engines.llm.completions import ChatCompletions, GuardedChatModel, SdkService
from voicebot.engines.llm.failures import ClientErrors
from voicebot.engines.llm.models import Models
from voicebot.engines.llm.request_fields import ModelFields, RequestFields

PATH = "/chat/completions"


def errors_for(engine: str) -> ClientErrors:
    """Returns the errors of OpenAI's SDK, to be reported in the name of `engine`."""
    return errors_of(engine, openai, httpx2)


class CompatibleChat(GuardedChatModel, ChatOpenAI):
    """LangChain's model for OpenAI. Each engine has a subclass whose `errors` bear the engine's name."""


class CompatibleService(SdkService):
    """The service at `address`, which usually ends in `/v1`, and its LangChain `model`.

    No other address is contacted: tiktoken, for example, would download its tables to count tokens. `fields` knows what
    a request to a model holds beside the conversation. `counts_tokens` requests the token usage, a field that not every
    server knows. `http` holds further options of the HTTP client.
    """

    def __init__(
        self,
        chat: type[CompatibleChat],
        *,
        api_key: str,
        address: str,
        models: Models,
        fields: ModelFields,
        temperature: float,
        timeout_s: float,
        counts_tokens: bool = False,
        **http: Any,
    ) -> None:
        sdk = openai.AsyncOpenAI(api_key=api_key, base_url=address, **client_options(openai, httpx2, timeout_s, **http))
        super().__init__(sdk, models, chat.errors)
        completions = self._completions(RequestFields(fields))
        # With clients given, the model makes none of its own. Compatible services have no Responses API.
        self.model: BaseChatModel = chat(
            client=completions,
            async_client=completions,
            api_key=SecretStr(api_key),
            base_url=address,
            model=models.current,
            temperature=temperature,
            use_responses_api=False,
            stream_usage=counts_tokens,
            stream_chunk_timeout=None,
        )

    def _completions(self, fields: RequestFields) -> ChatCompletions:
        return ChatCompletions(self._sdk, PATH, openai.AsyncStream, self._errors, self.models, fields)
