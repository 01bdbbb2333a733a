"""Deepgram's live recognition as an engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from voicebot.engines.protocols import DEFAULT_STYLE, Style
from voicebot.engines.stt.deepgram.flux import Flux
from voicebot.engines.stt.deepgram.nova import Nova
from voicebot.engines.stt.deepgram.protocol import ENGINE, ListenService
from voicebot.engines.stt.deepgram.sdk import client, tls_context
from voicebot.engines.stt.deepgram.transcriber import ConnectionPolicy, DeepgramTranscriber

_NOVA_3 = (
    "af ar be bg bn bs ca cs da de el en es et fa fi fr gu he hi hr hu hy id it ja ka kn ko lt lv mk mr ms ne nl no pa "
    "pl pt ro ru sk sl sr sv ta te th tl tr uk ur vi zh"
)
_NOVA_2 = "bg ca cs da de el en es et fi fr hi hu id it ja ko lt lv ms nl no pl pt ro ru sk sv th tr uk vi zh"
_FLUX_MULTI = "de en es fr hi it ja nl pt ru"
"""From developers.deepgram.com/docs/models-languages-overview with the changelog's later additions (to August 2026),
and for Flux from /docs/flux/language-prompting."""


def languages_of(model: str) -> frozenset[str]:
    """Returns the two-letter codes of a model's languages. A model of an unknown name may know any of them."""
    match model.removesuffix("-general"):
        case "nova-3":
            codes = _NOVA_3
        case "nova-2":
            codes = _NOVA_2
        case "flux-general-multi":
            codes = _FLUX_MULTI
        case _ if model.startswith(("flux-", "nova-", "enhanced-", "base-")):
            codes = "en"
        case _:
            codes = f"{_NOVA_3} {_NOVA_2}"
    return frozenset(codes.split())


class Deepgram:
    """Deepgram over a WebSocket: listen v2 for models whose name begins with "flux", else listen v1.

    `base_url` is for a self-hosted service or a gateway, and begins with http, https, ws or wss; None means Deepgram's
    own service.
    """

    name = ENGINE

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str | None = None,
        model: str = "nova-3",
        policy: ConnectionPolicy | None = None,
    ) -> None:
        self.languages = languages_of(model)
        self._policy = policy or ConnectionPolicy()
        self._http = httpx.AsyncClient(verify=tls_context())
        self._sdk = client(api_key, base_url, self._http)
        self._model = model
        self._services: dict[str, ListenService] = {}
        """By language. Each remembers which parameters work; the page's few languages bound their number."""

    async def start(self) -> None:
        """Does nothing: each session opens a connection of its own."""

    async def close(self) -> None:
        await self._http.aclose()

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        """Opens a connection and closes it. That costs nothing, and works with a self-hosted service as well."""
        async with self._service(style.language).connect():
            pass

    def _service(self, language: str) -> ListenService:
        if language not in self._services:
            protocol = Flux if self._model.startswith("flux") else Nova
            self._services[language] = protocol(self._sdk, self._model, language, self._policy.open_timeout_s)
        return self._services[language]

    @asynccontextmanager
    async def session(self, style: Style = DEFAULT_STYLE) -> AsyncIterator[DeepgramTranscriber]:
        transcriber = DeepgramTranscriber(self._service(style.language), self._policy)
        connecting = asyncio.create_task(transcriber.keep_connected(), name="deepgram connection")
        try:
            yield transcriber
        finally:
            connecting.cancel()
            await asyncio.wait([connecting])
        if not connecting.cancelled():
            connecting.result()
