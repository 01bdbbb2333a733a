"""OpenAI Realtime as a text model: its websocket through the openai SDK, in place of chat completions.

Each response has a connection of its own, which is told the whole conversation and then closed; the next one is opened
meanwhile, so that nobody waits for its handshakes. Why not one connection for a conversation:
- The service keeps what it said. We keep what was heard, and edit that: telling it anew is always right, and costs no
  token more, as each response reads the whole conversation anyway (and the service caches its beginning).
- Nothing of one conversation can come up in another, and an interrupted response is gone with its connection.
- A chat model that keeps nothing between requests can be called by several sessions, and by the graph again after a
  tool, without anybody having to know whose connection is whose.
"""

from __future__ import annotations

import httpx2
import openai
from langchain_core.language_models import BaseChatModel

from voicebot.engines.errors import EngineError
from voicebot.engines.llm.completions import errors_of
from voicebot.engines.llm.connection import CONNECT_S, NO_KEY, OPENAI_ADDRESS, as_http, tls
from voicebot.engines.llm.models import Models, listed_by, none_listed
from voicebot.engines.llm.realtime.events import NAME
from voicebot.engines.llm.realtime.lines import Lines
from voicebot.engines.llm.realtime.model import RealtimeModel
from voicebot.languages.loader import language_names

ERRORS = errors_of(NAME, openai, httpx2)

LIST_S = 2.0
"""How long the list of models is waited for."""


class Realtime:
    """The service and its `model`. With a `base_url`, which ends in `/v1`, no key is needed.

    There is no temperature: the protocol has none any more.
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
            raise ValueError("OpenAI itself needs a key")
        address = as_http(base_url or OPENAI_ADDRESS)
        self._sdk = openai.AsyncOpenAI(
            api_key=api_key or NO_KEY, base_url=address, http_client=openai.DefaultAsyncHttpxClient(verify=tls())
        )
        self._is_openai = address == OPENAI_ADDRESS
        self.models = models
        self._lines = Lines(self._sdk, self.models, min(CONNECT_S, timeout_s))
        self.model: BaseChatModel = RealtimeModel(self._lines)

    async def start(self) -> None:
        """Opens a connection ahead, without waiting for it."""
        self._lines.warm()

    async def close(self) -> None:
        await self._lines.close()
        await self._sdk.close()

    async def probe(self) -> None:
        """Choose the model and open a session: costs nothing, and needs the key. It is kept for the next response."""
        await self._choose_model()
        await self._lines.probe()

    async def _choose_model(self) -> None:
        """Raises EngineError if OpenAI has none of ours. What other servers do not list they may have all the same.

        A key may be forbidden to list models, and a server may have no list: only a session proves what works.
        """
        try:
            with ERRORS.as_engine_errors():
                found = self.models.choose(await listed_by(self._sdk.with_options(timeout=LIST_S, max_retries=0)))
        except EngineError:
            return
        if not found and self._is_openai:
            raise none_listed(NAME, self.models)
