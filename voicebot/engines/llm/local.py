"""A model on a local server, Ollama or llama.cpp, that the bot finds by itself.

The server is checked before each request: a program that has taken its port gets nothing that the user said. If Ollama
has unloaded the model, it is loaded first. Loading continues while another engine serves the user, because Ollama stops
loading when its client disconnects.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import httpx
import openai

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.clients import NO_KEY
from voicebot.engines.llm.compatible import PATH, CompatibleChat, CompatibleService, errors_for
from voicebot.engines.llm.completions import ChatCompletions
from voicebot.engines.llm.local_servers import (
    NAME,
    LocalServer,
    LocalServerKind,
    Thinking,
    find,
    is_loaded,
    new_client,
    place,
)
from voicebot.engines.llm.models import Models
from voicebot.engines.llm.request_fields import OPENAI_FIELDS, Fields, RequestFields

logger = logging.getLogger(__name__)

FIND_S = 3.0
"""How long a probe looks for a server. A machine that is busy with an answer responds slowly."""

CHECK_S = 1.0
"""How long the check before each request may take."""

LOAD_S = 300.0
"""How long a model may take to load. 40 GB from a hard disk take this long."""

KEEP_LOADED = "30m"
"""How long Ollama keeps a model that was loaded ahead, in its own notation. Its default is 5 minutes, which also apply
after each answer."""

FIRST_TOKEN_S = 15.0
"""How long the first token may take, before which a cold model is loaded and reads the whole conversation. Users who
hear nothing for longer than about 15 s have left."""

ANSWER_S = 120.0
"""How long a whole answer may take. A slow machine generates three words a second."""


class Local(CompatibleService):
    """The server at one of the `addresses`, and its LangChain `model`.

    `wanted` holds names of models in the order of preference; if it is empty, the server's models decide. With
    `is_warmed`, a probe sets `is_cold` while the model has to be warmed.
    """

    name = NAME

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        wanted: Sequence[str] = (),
        is_warmed: bool = False,
        temperature: float = 0.7,
        timeout_s: float = ANSWER_S,
    ) -> None:
        self._addresses = tuple(addresses)
        self._wanted = tuple(wanted)
        self._is_warmed = is_warmed
        self.answer_s = timeout_s
        self.is_cold = False
        self._warm: LocalServer | None = None
        """The server whose model has already read the beginning of a conversation."""
        self._server: LocalServer | None = None
        self._client: httpx.AsyncClient | None = None
        self._loading: asyncio.Task[None] | None = None
        self._unloadable: set[str] = set()
        """Models that the server could not load, usually because they do not fit into memory."""
        super().__init__(
            _LocalChat,
            api_key=NO_KEY,
            address=_api(self._addresses[0]),
            models=Models(("",)),
            fields=self,
            temperature=temperature,
            timeout_s=timeout_s,
            trust_env=False,
            follow_redirects=False,
        )

    @property
    def first_output_s(self) -> float:
        return FIRST_TOKEN_S

    async def close(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        await super().close()

    async def probe(self) -> None:
        """Finds the server and chooses its model. Raises EngineError if there is none that is ready."""
        server = await self._find()
        self.is_cold = self._is_warmed and not (await self._is_loaded(server) and server == self._warm)

    def warmed(self) -> None:
        """Records that the current server's model is warm."""
        self._warm = self._server
        self.is_cold = False

    async def ready(self) -> None:
        """Waits until the server is verified as the one that was found and has its model in memory.

        Raises EngineError.
        """
        server = self._server
        if server is None or server.model.name in self._unloadable:
            server = await self._find()
        if not await self._is_loaded(server):
            # The model is loaded even if the user who waits for it leaves.
            await asyncio.shield(self._load(server))

    async def _find(self) -> LocalServer:
        try:
            found = await find(self._http, self._addresses, self._wanted, FIND_S, self._unloadable)
        except EngineError as error:
            self._server = None
            if error.fault is Fault.MISSING:
                self._unloadable.clear()  # next time they may fit into memory
            raise
        self._server = found
        self._sdk.base_url = _api(found.address)
        self.models.offer(found.model.name)
        if found.model.context_tokens is not None:
            self.models.limits.fits(found.model.context_tokens)
        return found

    async def _is_loaded(self, server: LocalServer) -> bool:
        try:
            async with asyncio.timeout(CHECK_S):
                return await is_loaded(self._http, server)
        except TimeoutError:
            message = f"{server.kind} at {place(server.address)} does not answer in time"
            raise EngineError(NAME, message, fault=Fault.TIMEOUT) from None
        except EngineError as error:
            if error.fault is Fault.UNREACHABLE:
                self._server = None  # the next request looks for another server
            raise

    def _load(self, server: LocalServer) -> asyncio.Task[None]:
        """Returns the task in which Ollama loads the model. All sessions share it."""
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._request_load(server), name="loading of a local model")
            self._loading.add_done_callback(_log_failure)
        return self._loading

    async def _request_load(self, server: LocalServer) -> None:
        assert server.kind is LocalServerKind.OLLAMA, "llama.cpp loads its model before it answers"
        name = server.model.name
        body = {"model": name, "keep_alive": KEEP_LOADED, "stream": False}
        failure = EngineError(NAME, f"{server.kind} could not load the model {name}", fault=Fault.SERVER)
        begun_s = asyncio.get_running_loop().time()
        try:
            response = await self._http.post(f"{server.address}/api/generate", json=body, timeout=LOAD_S)
        except httpx.HTTPError as error:
            raise failure from error
        if response.status_code != 200:
            self._unloadable.add(name)
            raise failure
        logger.info("%s loaded %s in %.1f s.", server.kind, name, asyncio.get_running_loop().time() - begun_s)

    @property
    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = new_client(self._addresses)
        return self._client

    def _completions(self, fields: RequestFields) -> ChatCompletions:
        return _VerifiedCompletions(self, self._sdk, fields)

    def fields_of(self, model: str) -> Fields:
        """Returns the fields that turn off reasoning, and tools for a model that cannot use them."""
        found = None if self._server is None else self._server.model
        if found is None or found.name != model:
            return OPENAI_FIELDS.fields_of(model)
        tools: dict[str, Any] = {} if found.uses_tools else {"tools": None}
        if "reasoning_effort" in (usual := OPENAI_FIELDS.fields_of(model)):  # gpt-oss cannot be kept from reasoning
            return {**tools, "reasoning_effort": usual["reasoning_effort"]}
        match found.thinking:
            case Thinking.EFFORT:
                return {**tools, "reasoning_effort": "none"}
            case Thinking.TEMPLATE:
                # The SDK does not know this field.
                return {**tools, "chat_template_kwargs": {"enable_thinking": False}}
            case Thinking.NONE:
                return tools


class _VerifiedCompletions(ChatCompletions):
    """Sends requests only after the server has been verified."""

    def __init__(self, service: Local, sdk: Any, fields: RequestFields) -> None:
        super().__init__(sdk, PATH, openai.AsyncStream, ERRORS, service.models, fields)
        self._service = service

    async def create(self, **params: Any) -> Any:
        await self._service.ready()
        return await super().create(**params)


ERRORS = errors_for(NAME)


class _LocalChat(CompatibleChat):
    errors = ERRORS


def _api(address: str) -> str:
    return f"{address}/v1"


def _log_failure(loading: asyncio.Task[None]) -> None:
    """Logs a failed load, because no caller may be left who sees the error."""
    if not loading.cancelled() and (error := loading.exception()) is not None:
        logger.warning("%s", error)
