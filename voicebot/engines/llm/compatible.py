"""What the services that speak OpenAI's chat completions share: OpenAI's SDK, and LangChain's model on top of it."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from voicebot.engines.llm.completions import Answering, Completions, SdkService, client_options, errors_of
from voicebot.engines.llm.failures import ClientErrors
from voicebot.engines.llm.models import Models
from voicebot.engines.llm.request_fields import ModelFields, RequestFields

PATH = "/chat/completions"


def errors_for(engine: str) -> ClientErrors:
    """The errors of OpenAI's SDK, reported in the name of `engine`."""
    return errors_of(engine, openai, httpx2)


class CompatibleChat(Answering, ChatOpenAI):
    """LangChain's model. Each engine has a subclass whose `errors` bear its name."""


class CompatibleService(SdkService):
    """The service at `address`, which mostly ends in `/v1`, and its `model`.

    Nothing but that address is asked for anything: history is not counted in tokens by tiktoken, which would download
    its tables. `fields` knows what a request to a model holds beside the conversation. With `counts_tokens` the service
    is asked for the usage, a field that not every server knows. `http` are further options of the HTTP client.
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
        # Given its clients, it makes none of its own. Compatible services have no Responses API.
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

    def _completions(self, fields: RequestFields) -> Completions:
        return Completions(self._sdk, PATH, openai.AsyncStream, self._errors, self.models, fields)
