"""A model on a server of one's own that was found by itself: Ollama or llama.cpp.

Before each request the server is asked who it is: what has taken its place at its port is sent nothing that was said.
Where Ollama has put the model out of memory, it is loaded first. That goes on when the user who waits for it is served
by another engine meanwhile, as Ollama gives up loading when nobody waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import httpx
import openai

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.compatible import PATH, CompatibleChat, CompatibleService, errors_for
from voicebot.engines.llm.completions import Completions
from voicebot.engines.llm.connection import NO_KEY
from voicebot.engines.llm.local_servers import NAME, Kind, LocalServer, Thinking, find, is_loaded, new_client, place
from voicebot.engines.llm.models import Models
from voicebot.engines.llm.request_fields import OPENAI_FIELDS, Fields, RequestFields

logger = logging.getLogger(__name__)

FIND_S = 3.0
"""How long a probe looks for a server: a machine that is at work on an answer takes its time."""

CHECK_S = 1.0
"""How long a server that was found may take to say that it is still there, before each request."""

LOAD_S = 300.0
"""How long a model may take to load: 40 GB from a hard disk do."""

KEEP_LOADED = "30m"
"""How long Ollama keeps a model that was loaded ahead, in its own notation. Unasked it keeps one for 5 minutes, and
after an answer it does so again."""

FIRST_TOKEN_S = 15.0
"""How long the first token may take: a cold model is loaded and reads the whole conversation before it. That takes
longer than a service does, but a user who hears nothing for some 15 s has gone."""

ANSWER_S = 120.0
"""How long a whole answer may take: a slow machine makes three words a second."""


class Local(CompatibleService):
    """The server that is found at one of the `addresses`, and its `model`.

    `wanted` are names of models; empty: the server's own choice. With `is_warmed` the model is to be warmed when a
    probe finds it cold.
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
        self.is_cold = False
        self._warm: LocalServer | None = None
        """The server whose model has read how a conversation begins."""
        self._server: LocalServer | None = None
        self._client: httpx.AsyncClient | None = None
        self._loading: asyncio.Task[None] | None = None
        self._unloadable: set[str] = set()
        """Models that the server could not load, mostly as they do not fit into memory."""
        super().__init__(
            _Chat,
            api_key=NO_KEY,
            address=_api(self._addresses[0]),
            models=Models(("",)),
            fields=self,
            temperature=temperature,
            timeout_s=timeout_s,
            trust_env=False,
            follow_redirects=False,
        )

    async def close(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        await super().close()

    async def probe(self) -> None:
        """Find the server and choose its model. Raises EngineError if there is none, or it still loads its model."""
        server = await self._find()
        self.is_cold = self._is_warmed and not (await self._is_loaded(server) and server == self._warm)

    def warmed(self) -> None:
        self._warm = self._server
        self.is_cold = False

    async def ready(self) -> None:
        """Returns once the server is sure to be the one that was found, with its model in memory.

        Raises EngineError.
        """
        server = self._server
        if server is None or server.model.name in self._unloadable:
            server = await self._find()
        if not await self._is_loaded(server):
            # Whoever waits may go, and the model is loaded all the same.
            await asyncio.shield(self._load(server))

    async def _find(self) -> LocalServer:
        try:
            found = await find(self._http, self._addresses, self._wanted, FIND_S, self._unloadable)
        except EngineError as error:
            self._server = None
            if error.fault is Fault.MISSING:
                self._unloadable.clear()  # there may be room for them the next time
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
                self._server = None  # another one may take its place, elsewhere too
            raise

    def _load(self, server: LocalServer) -> asyncio.Task[None]:
        """Have Ollama load the model: one request for all who wait for it."""
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._have_loaded(server), name="loading of a local model")
            self._loading.add_done_callback(_tell)
        return self._loading

    async def _have_loaded(self, server: LocalServer) -> None:
        assert server.kind is Kind.OLLAMA, "llama.cpp has its model loaded before it answers"
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
        logger.info("%s has loaded %s in %.1f s", server.kind, name, asyncio.get_running_loop().time() - begun_s)

    @property
    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = new_client(self._addresses)
        return self._client

    def _completions(self, fields: RequestFields) -> Completions:
        return _CheckedCompletions(self, self._sdk, fields)

    def fields_of(self, model: str) -> Fields:
        """Returns what a request needs, or must do without, as the model does not use tools or would reason first."""
        found = None if self._server is None else self._server.model
        if found is None or found.name != model:
            return OPENAI_FIELDS.fields_of(model)
        tools: dict[str, Any] = {} if found.uses_tools else {"tools": None}
        if "reasoning_effort" in (usual := OPENAI_FIELDS.fields_of(model)):  # gpt-oss reasons a little at least
            return {**tools, "reasoning_effort": usual["reasoning_effort"]}
        match found.thinking:
            case Thinking.EFFORT:
                return {**tools, "reasoning_effort": "none"}
            case Thinking.TEMPLATE:
                # A field of the body that the SDK does not know.
                return {**tools, "chat_template_kwargs": {"enable_thinking": False}}
            case Thinking.NONE:
                return tools


class _CheckedCompletions(Completions):
    """Requests that are sent only when the server is sure to be the one that was found."""

    def __init__(self, service: Local, sdk: Any, fields: RequestFields) -> None:
        super().__init__(sdk, PATH, openai.AsyncStream, ERRORS, service.models, fields)
        self._service = service

    async def create(self, **params: Any) -> Any:
        await self._service.ready()
        return await super().create(**params)


ERRORS = errors_for(NAME)


class _Chat(CompatibleChat):
    errors = ERRORS


def _api(address: str) -> str:
    return f"{address}/v1"


def _tell(loading: asyncio.Task[None]) -> None:
    """The failure of a model that was loaded ahead is told to nobody else."""
    if not loading.cancelled() and (error := loading.exception()) is not None:
        logger.warning("%s", error)
