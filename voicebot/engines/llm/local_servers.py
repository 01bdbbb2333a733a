"""Finds a local model server, Ollama or llama.cpp, and a model of it that can hold a conversation.

A server is recognised by its answers to GET requests (and by Ollama's description of a model), not by its port: another
program that listens there never receives anything that the user said. Sources: docs/api.md of Ollama
(github.com/ollama/ollama); tools/server/README.md and server-http.cpp of llama.cpp (github.com/ggml-org/llama.cpp).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import httpx

from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.llm.clients import tls

NAME = "local"
"""The name of the engine that uses these servers."""

OLLAMA_ADDRESS, LLAMA_CPP_ADDRESS = "http://127.0.0.1:11434", "http://127.0.0.1:8080"
"""The default addresses of the two servers."""

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""A longer answer cannot come from these servers (Ollama describes a model in about 10 kB)."""

MAX_DESCRIBED = 8
"""At most this many of Ollama's models are examined to find one that can hold a conversation."""

_NOT_FOR_CHAT = re.compile(r"embed|rerank|minilm|(^|[^a-z0-9])(bge|gte|e5)([^a-z0-9]|$)", re.IGNORECASE)
"""Names of embedding and reranking models. Servers older than Ollama 0.6.4 (2025) do not list the capabilities of a
model, and a llama.cpp server gives every model a chat template."""

_ENCODERS = frozenset({"bert", "nomic-bert", "xlm-roberta"})
"""Families of models that only encode text."""

Json = Mapping[str, Any]


class LocalServerKind(StrEnum):
    OLLAMA = "Ollama"
    LLAMA_CPP = "llama.cpp"


class Thinking(StrEnum):
    """How reasoning is turned off in a model."""

    NONE = "none"
    """The model does not reason."""
    EFFORT = "effort"
    """The field `reasoning_effort` turns it off, on Ollama."""
    TEMPLATE = "template"
    """An argument of the chat template turns it off, on llama.cpp."""


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model that can hold a conversation. `context_tokens` is its context length, if the server states it."""

    name: str
    uses_tools: bool = False
    thinking: Thinking = Thinking.NONE
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A recognised server, its address without a path, and the chosen model."""

    kind: LocalServerKind
    address: str
    model: LocalModel


@dataclass(frozen=True, slots=True)
class _HttpAnswer:
    status: int
    server: str
    body: bytes

    @property
    def json(self) -> Json:
        """The JSON object in the body, or an empty one."""
        try:
            found = json.loads(self.body)
        except ValueError:  # invalid JSON or UTF-8
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def is_ollama(self) -> bool:
        return self.status == 200 and self.body.strip() == b"Ollama is running"

    @property
    def is_llama_cpp(self) -> bool:
        """Whether the server header or, behind a proxy that replaces it, the list of models names llama.cpp."""
        owners = [model.get("owned_by") for model in _objects(self.json.get("data"))]
        return self.server.lower() == "llama.cpp" or "llamacpp" in owners


def new_client(addresses: Sequence[str]) -> httpx.AsyncClient:
    """Returns a client for local servers, which uses no proxy and follows no redirects."""
    # Loading certificates takes 50 ms, so they are loaded only if an address needs them.
    encrypted = any(address.startswith("https:") for address in addresses)
    return httpx.AsyncClient(trust_env=False, follow_redirects=False, verify=tls() if encrypted else False)


async def find(
    client: httpx.AsyncClient, addresses: Sequence[str], wanted: Sequence[str], limit_s: float, skipped: Collection[str]
) -> LocalServer:
    """Returns the first server, in the order of the addresses, that has a model for conversations.

    All addresses are tried at once. `wanted` holds names of models in the order of preference; if it is empty, the
    server's models decide. Models in `skipped` are not chosen. Raises EngineError, which says what was found instead.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + limit_s
    looks = [asyncio.create_task(look(client, address, wanted, skipped)) for address in addresses]
    errors: list[EngineError] = []
    try:
        for task, address in zip(looks, addresses, strict=True):
            try:
                async with asyncio.timeout_at(deadline_s):
                    return await task
            except TimeoutError:
                message = f"what is at {place(address)} did not answer within {limit_s * 1000:.0f} ms"
                errors.append(EngineError(NAME, message, fault=Fault.TIMEOUT))
            except EngineError as error:
                errors.append(error)
    finally:
        for task in looks:
            task.cancel()
        await asyncio.gather(*looks, return_exceptions=True)
    specific = [error for error in errors if error.fault is not Fault.UNREACHABLE]
    if specific:
        raise specific[0]
    places = " or ".join(map(place, addresses))
    raise EngineError(NAME, f"there is no Ollama or llama.cpp server at {places}", fault=Fault.UNREACHABLE)


async def look(client: httpx.AsyncClient, address: str, wanted: Sequence[str], skipped: Collection[str]) -> LocalServer:
    """Returns the server at this address. Raises EngineError if there is none, or it has no model for conversations."""
    home, models = await asyncio.gather(_get(client, address, "/"), _get(client, address, "/v1/models"))
    if home.is_llama_cpp or models.is_llama_cpp:
        return LocalServer(LocalServerKind.LLAMA_CPP, address, await _llama_cpp_model(client, address, models, wanted))
    if home.is_ollama:
        version, tags, running = await asyncio.gather(
            *(_get(client, address, path) for path in ("/api/version", "/api/tags", "/api/ps"))
        )
        if isinstance(version.json.get("version"), str):
            _must_be_ready(LocalServerKind.OLLAMA, address, tags)
            listed, loaded = _objects(tags.json.get("models")), _objects(running.json.get("models"))
            model = await _ollama_model(client, address, listed, [_name(each) for each in loaded], wanted, skipped)
            return LocalServer(LocalServerKind.OLLAMA, address, model)
    raise EngineError(NAME, f"what answers at {place(address)} is neither Ollama nor llama.cpp", fault=Fault.BROKEN)


async def is_loaded(client: httpx.AsyncClient, server: LocalServer) -> bool:
    """Returns True if the model is in memory. Raises EngineError if the server is gone or replaced."""
    if server.kind is LocalServerKind.LLAMA_CPP:
        models = await _get(client, server.address, "/v1/models")
        if not models.is_llama_cpp:
            raise _replaced(server)
        _must_be_ready(server.kind, server.address, models)
        if _llama_cpp_name(models) != server.model.name:
            raise _replaced(server)
        return True
    home, running = await asyncio.gather(_get(client, server.address, "/"), _get(client, server.address, "/api/ps"))
    if not home.is_ollama:
        raise _replaced(server)
    return server.model.name in [_name(each) for each in _objects(running.json.get("models"))]


def place(address: str) -> str:
    """Returns the host and port of an address."""
    return urlsplit(address).netloc.rpartition("@")[2]


def _replaced(server: LocalServer) -> EngineError:
    return EngineError(
        NAME, f"{server.kind} is no longer what answers at {place(server.address)}", fault=Fault.UNREACHABLE
    )


# llama.cpp ------------------------------------------------------------------------------------------------------------


async def _llama_cpp_model(
    client: httpx.AsyncClient, address: str, models: _HttpAnswer, wanted: Sequence[str]
) -> LocalModel:
    _must_be_ready(LocalServerKind.LLAMA_CPP, address, models)
    props = await _get(client, address, "/props")
    if props.status == 401:
        message = f"llama.cpp at {place(address)} wants a key: set OPENAI_BASE_URL and OPENAI_API_KEY"
        raise EngineError(NAME, message, fault=Fault.DENIED)
    _must_be_ready(LocalServerKind.LLAMA_CPP, address, props)
    if len(_objects(models.json.get("data"))) > 1:
        message = f"llama.cpp at {place(address)} has several models: set OPENAI_BASE_URL and OPENAI_MODEL"
        raise EngineError(NAME, message, fault=Fault.MISSING)
    name = _llama_cpp_name(models)
    template = props.json.get("chat_template")
    is_wanted = not wanted or {name, name.removesuffix(".gguf")} & set(wanted)
    if not (isinstance(template, str) and template) or _NOT_FOR_CHAT.search(name) or not is_wanted:
        raise _no_model(LocalServerKind.LLAMA_CPP, address, wanted, [name])
    abilities = _object(props.json.get("chat_template_caps"))
    return LocalModel(
        name,
        uses_tools=bool(abilities.get("supports_tools", "tools" in template)),
        thinking=Thinking.TEMPLATE if "enable_thinking" in template else Thinking.NONE,
        context_tokens=_number(_object(props.json.get("default_generation_settings")).get("n_ctx")),
    )


def _llama_cpp_name(models: _HttpAnswer) -> str:
    """Returns the name of the model. A server without a configured name lists the path of the file."""
    listed = _objects(models.json.get("data"))
    name = str(listed[0].get("id") or "") if listed else ""
    return re.split(r"[/\\]", name)[-1] or "model"


def _must_be_ready(kind: LocalServerKind, address: str, answer: _HttpAnswer) -> None:
    """Raises EngineError if the server cannot answer now."""
    if kind is LocalServerKind.LLAMA_CPP and answer.status == 503:
        raise EngineError(NAME, f"{kind} at {place(address)} is still loading its model", fault=Fault.SERVER)
    if answer.status != 200:
        message = f"{kind} at {place(address)} failed (HTTP {answer.status})"
        raise EngineError(NAME, message, fault=Fault.of_status(answer.status))


# Ollama ---------------------------------------------------------------------------------------------------------------


async def _ollama_model(
    client: httpx.AsyncClient,
    address: str,
    listed: Sequence[Json],
    loaded: Sequence[str],
    wanted: Sequence[str],
    skipped: Collection[str],
) -> LocalModel:
    """Returns the first wanted model; without wishes, one that is in memory, or else the one that was pulled last."""
    usable = [each for each in listed if _may_chat(each) and not _is_elsewhere(each) and _name(each) not in skipped]
    usable.sort(key=_pulled_at, reverse=True)
    names = [_name(each) for each in usable]
    if wanted:
        names = [name for each in wanted for name in names if name in (each, f"{each}:latest")]
    else:
        names.sort(key=lambda name: name not in loaded)
    for name in names[:MAX_DESCRIBED]:
        description = (await _post(client, address, "/api/show", {"model": name})).json
        abilities = description.get("capabilities")
        template = str(description.get("template"))
        if not isinstance(abilities, list):
            abilities = ["completion", *(["tools"] if ".Tools" in template else [])]
        # Only the description shows that a model is an alias of one in Ollama's cloud.
        if "completion" in abilities and not _is_elsewhere(description):
            return LocalModel(
                name,
                uses_tools="tools" in abilities,
                thinking=Thinking.EFFORT if "thinking" in abilities else Thinking.NONE,
            )
    raise _no_model(LocalServerKind.OLLAMA, address, wanted, [_name(each) for each in listed])


def _may_chat(model: Json) -> bool:
    details = _object(model.get("details"))
    families = details.get("families")
    named = map(str, [details.get("family"), *(families if isinstance(families, list) else ())])
    return bool(_name(model)) and not _NOT_FOR_CHAT.search(_name(model)) and _ENCODERS.isdisjoint(named)


def _is_elsewhere(model: Json) -> bool:
    """Returns True if Ollama forwards requests for this model to another host, such as ollama.com."""
    return bool(model.get("remote_host") or model.get("remote_model"))


def _pulled_at(model: Json) -> datetime:
    try:
        moment = datetime.fromisoformat(str(model.get("modified_at")))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _name(model: Json) -> str:
    return str(model.get("name") or model.get("model") or "")


def _no_model(kind: LocalServerKind, address: str, wanted: Sequence[str], listed: Sequence[str]) -> EngineError:
    what = f"no model {' or '.join(wanted)} to talk with" if wanted else "no model to talk with"
    has = f", only {', '.join(listed[:MAX_DESCRIBED])}" if listed else ""
    return EngineError(NAME, f"{kind} at {place(address)} has {what}{has}", fault=Fault.MISSING)


# Requests -------------------------------------------------------------------------------------------------------------


async def _get(client: httpx.AsyncClient, address: str, path: str) -> _HttpAnswer:
    return await _ask(client, client.build_request("GET", f"{address}{path}"))


async def _post(client: httpx.AsyncClient, address: str, path: str, body: Json) -> _HttpAnswer:
    return await _ask(client, client.build_request("POST", f"{address}{path}", json=body))


async def _ask(client: httpx.AsyncClient, request: httpx.Request) -> _HttpAnswer:
    where = place(str(request.url))
    try:
        response = await client.send(request, stream=True)
        try:
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise EngineError(NAME, f"what answers at {where} is neither Ollama nor llama.cpp")
            return _HttpAnswer(response.status_code, response.headers.get("server", ""), bytes(body))
        finally:
            await response.aclose()
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise EngineError(NAME, f"there is no server at {where}", fault=Fault.UNREACHABLE) from error
    except httpx.TimeoutException as error:
        raise EngineError(NAME, f"what is at {where} does not answer in time", fault=Fault.TIMEOUT) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise EngineError(NAME, f"what answers at {where} is no web server", fault=Fault.BROKEN) from error


def _objects(value: object) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
