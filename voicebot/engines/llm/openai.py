"""OpenAI, and all servers that speak its chat completions (Ollama, llama.cpp, vLLM), through langchain-openai."""

from __future__ import annotations

from urllib.parse import urlsplit

from voicebot.engines.llm.clients import NO_KEY, OPENAI_ADDRESS, as_http
from voicebot.engines.llm.compatible import CompatibleChat, CompatibleService, errors_for
from voicebot.engines.llm.models import Models, none_listed
from voicebot.engines.llm.request_fields import OPENAI_FIELDS


class OpenAI(CompatibleService):
    """The service and its LangChain `model`. With a `base_url`, which usually ends in `/v1`, no key is needed."""

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
            raise ValueError("OpenAI needs a key")
        address = as_http(base_url or OPENAI_ADDRESS)
        self._is_openai = (urlsplit(address).hostname or "").endswith("openai.com")
        super().__init__(
            _OpenAIChat,
            api_key=api_key or NO_KEY,
            address=address,
            models=models,
            fields=OPENAI_FIELDS,
            temperature=temperature,
            timeout_s=timeout_s,
            counts_tokens=self._is_openai,
        )

    async def probe(self) -> None:
        """Chooses the model. Raises EngineError if OpenAI has none of ours.

        Other servers may accept names that they do not list, as llama.cpp accepts any. For these the first name stays.
        """
        if not await self.choose_model() and self._is_openai:
            raise none_listed(self.name, self.models)


class _OpenAIChat(CompatibleChat):
    errors = errors_for("openai")
