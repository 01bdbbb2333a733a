"""OpenAI Realtime as a text model: the openai SDK's websocket instead of chat completions.

Each response has its own connection, which receives the whole conversation and is then closed. The next connection is
opened meanwhile, so that no turn waits for handshakes. One connection for a whole conversation would be worse:
- The service keeps what it said, whereas the bot keeps and edits what the user heard. Sending the conversation anew is
  always right, and costs no more tokens: each response reads all of it anyway, and the service caches its beginning.
- Nothing of one conversation can leak into another, and an interrupted response ends with its connection.
- A chat model that keeps no state can be called by several sessions, and by the graph again after a tool call, without
  any record of which connection belongs to whom.
"""

from __future__ import annotations

import httpx2
import openai
from langchain_core.language_models import BaseChatModel

from voicebot.engines.errors import EngineError
from voicebot.engines.llm.clients import CONNECT_S, NO_KEY, OPENAI_ADDRESS, as_http, errors_of, tls
from voicebot.engines.llm.models import Models, listed_by, none_listed
from voicebot.engines.llm.realtime.connections import RealtimeConnections
from voicebot.engines.llm.realtime.events import NAME
from voicebot.engines.llm.realtime.model import RealtimeModel
from voicebot.languages.loader import language_names

ERRORS = errors_of(NAME, openai, httpx2)

LIST_S = 2.0
"""How long the request for the list of models may take."""


class Realtime:
    """The service and its LangChain `model`. With a `base_url`, which ends in `/v1`, no key is needed.

    The protocol no longer has a temperature.
    """

    name = NAME
    languages = frozenset(language_names())

    def __init__(
        self,
        api_key: str | None,
        *,
        base_url: str | None = None,
        models: Models,
        timeout_s: float = 30.0,
    ) -> None:
        if api_key is None and base_url is None:
            raise ValueError("OpenAI needs a key")
        address = as_http(base_url or OPENAI_ADDRESS)
        self._sdk = openai.AsyncOpenAI(
            api_key=api_key or NO_KEY, base_url=address, http_client=openai.DefaultAsyncHttpxClient(verify=tls())
        )
        self._is_openai = address == OPENAI_ADDRESS
        self.models = models
        self._connections = RealtimeConnections(self._sdk, self.models, min(CONNECT_S, timeout_s))
        self.model: BaseChatModel = RealtimeModel(self._connections)

    async def start(self) -> None:
        """Starts to open a spare connection."""
        self._connections.warm()

    async def close(self) -> None:
        await self._connections.close()
        await self._sdk.close()

    async def probe(self) -> None:
        """Chooses the model and opens a session for the next response, which is free but needs the key."""
        await self._choose_model()
        await self._connections.probe()

    async def _choose_model(self) -> None:
        """Chooses the model. Raises EngineError if OpenAI has none of ours; other servers may have unlisted models.

        A failed request for the list is ignored: a key may not be allowed to list models, and a server may have no
        list. The session that is opened afterwards shows what works.
        """
        try:
            with ERRORS.as_engine_errors():
                found = self.models.choose(await listed_by(self._sdk.with_options(timeout=LIST_S, max_retries=0)))
        except EngineError:
            return
        if not found and self._is_openai:
            raise none_listed(NAME, self.models)
