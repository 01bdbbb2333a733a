"""Simulates model servers on a user's own machine (Ollama, llama.cpp), and other programs that may use their ports.

Written from docs/api.md, docs/openai.md and server/routes.go of Ollama, and from the answers of llama.cpp's own server
(build 11549 in the package xllamacpp; tools/server/README.md and server-http.cpp).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.chat import ChatSimulator
from tests.simulators.http_connection import HttpConnection, Received


@dataclass(frozen=True, slots=True)
class OllamaModel:
    """A model as Ollama lists and describes it. `capabilities` is None in versions that do not report any.

    `remote_host` is the host to which Ollama forwards requests for the model. With `is_alias`, only the model's
    description names that host.
    """

    name: str
    pulled: str = "2026-05-01"
    capabilities: Sequence[str] | None = ("completion", "tools")
    family: str = "llama"
    template: str = "{{ .Prompt }}"
    remote_host: str = ""
    is_alias: bool = False

    @property
    def listed(self) -> dict[str, Any]:
        listed = {
            "name": self.name,
            "model": self.name,
            "modified_at": f"{self.pulled}T12:00:00.123456789+02:00",
            "size": 2_019_393_189,
            "digest": "a80c4f17acd5",
            "details": {"format": "gguf", "family": self.family, "families": [self.family], "parameter_size": "3.2B"},
        }
        return listed if self.is_alias else listed | self._remote

    @property
    def described(self) -> dict[str, Any]:
        described = {"template": self.template, "details": {"family": self.family}, "model_info": {}} | self._remote
        return described if self.capabilities is None else described | {"capabilities": [*self.capabilities]}

    @property
    def _remote(self) -> dict[str, str]:
        return {"remote_host": self.remote_host, "remote_model": "big"} if self.remote_host else {}


@dataclass
class OllamaSimulator(ChatSimulator):
    """Ollama, which loads models on demand. Loading takes `load_s` and is cancelled when no client waits for it.

    `loaded` has the models in memory; `too_large` has those that do not fit into it.
    """

    library: Sequence[OllamaModel] = ()
    load_s: float = 0.0
    loaded: list[str] = field(default_factory=list)
    too_large: set[str] = field(default_factory=set)
    loads_given_up: int = 0
    version: str | None = "0.12.6"

    def __post_init__(self) -> None:
        self.models = tuple(name for model in self.library for name in (model.name, model.name.removesuffix(":latest")))

    async def respond(self, http: HttpConnection, request: Received) -> bool:
        match request.method, request.path:
            case "GET", "/":
                await http.text(200, "Ollama is running", {"Content-Type": "text/plain; charset=utf-8"})
            case "GET", "/api/version":
                await http.json(200, {"version": self.version})
            case "GET", "/api/tags":
                await http.json(200, {"models": [model.listed for model in self.library]})
            case "GET", "/api/ps":
                await http.json(200, {"models": [{"name": name, "model": name} for name in self.loaded]})
            case "POST", "/api/show":
                await http.json(200, self._model(request.body["model"]).described)
            case "POST", "/api/generate":
                assert not request.body.get("prompt"), "this request may only load a model"
                await self._load(http, request.body["model"])
            case "POST", "/v1/chat/completions":
                model = self._model(request.body["model"])
                if "tools" in request.body and "tools" not in (model.capabilities or ()):
                    await http.json(400, _error(f"registry.ollama.ai/library/{model.name} does not support tools"))
                    return True
                wants_thoughts = request.body.get("reasoning_effort", "none") != "none"
                if wants_thoughts and "thinking" not in (model.capabilities or ()):
                    await http.json(400, _error(f'"{model.name}" does not support thinking'))
                    return True
                await self._in_memory(model.name)
                return False
            case _:
                return False
        return True

    def _model(self, name: str) -> OllamaModel:
        return next(model for model in self.library if model.name in (name, f"{name}:latest"))

    async def _load(self, http: HttpConnection, name: str) -> None:
        if name in self.too_large:
            await http.json(500, {"error": "model requires more system memory (31.7 GiB) than is available (8.1 GiB)"})
            return
        await self._in_memory(name)
        await http.json(200, {"model": name, "response": "", "done": True, "done_reason": "load"})

    async def _in_memory(self, name: str) -> None:
        if name in self.loaded:
            return
        try:
            await asyncio.sleep(self.load_s)
        except asyncio.CancelledError:
            self.loads_given_up += 1
            raise
        self.loaded.append(name)


@dataclass
class LlamaCppSimulator(ChatSimulator):
    """llama.cpp's server with one model. While `loading`, it refuses each request. `wanted_key` is the --api-key."""

    models: tuple[str, ...] = ("/home/somebody/models/Qwen3-4B-Q4_K_M.gguf",)
    template: str = "{% for message in messages %}{{ message.content }}{% endfor %}"
    uses_tools: bool = True
    context_tokens: int = 8_192
    loading: bool = False
    wanted_key: str = ""
    headers: dict[str, str] = field(default_factory=lambda: {"Server": "llama.cpp"})
    owner: str = "llamacpp"

    async def respond(self, http: HttpConnection, request: Received) -> bool:
        is_public = request.path in ("/", "/health", "/v1/health", "/models", "/v1/models")
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.loading:
            await http.json(503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}})
        elif self.wanted_key and key != self.wanted_key and not is_public:
            await http.json(401, {"error": {"message": "Invalid API Key", "type": "authentication_error", "code": 401}})
        elif request.path == "/":
            await http.text(200, "<html><title>llama.cpp</title></html>", {"Content-Type": "text/html"})
        elif request.path == "/health":
            await http.json(200, {"status": "ok"})
        elif request.path == "/v1/models":
            listed = [{"id": name, "object": "model", "created": 0, "owned_by": self.owner} for name in self.models]
            await http.json(200, {"object": "list", "data": listed})
        elif request.path == "/props":
            await http.json(
                200,
                {
                    "default_generation_settings": {"n_ctx": self.context_tokens},
                    "total_slots": 1,
                    "model_path": self.models[0],
                    "chat_template": self.template,
                    "chat_template_caps": {"supports_tools": self.uses_tools, "supports_system_role": True},
                    "build_info": "b11549",
                },
            )
        elif request.path == "/v1/chat/completions":
            request.body["model"] = self.models[0]  # The server has one model and ignores the name in the request.
            return False
        else:
            await http.json(404, {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}})
        return True


@dataclass
class WebAppSimulator(ChatSimulator):
    """Another web app that answers every request in the same way."""

    status: int = 200
    page: str = "<html><title>Jenkins</title></html>"

    async def respond(self, http: HttpConnection, request: Received) -> bool:
        await http.text(self.status, self.page, {"Content-Type": "text/html"})
        return True


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "api_error", "param": None, "code": None}}
