"""Deepgram's live recognition as a stage of the bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from voicebot.engines.protocols import DEFAULT_STYLE, Style
from voicebot.engines.stt.deepgram.flux import Flux
from voicebot.engines.stt.deepgram.languages import languages_of
from voicebot.engines.stt.deepgram.nova import Nova
from voicebot.engines.stt.deepgram.sdk import client
from voicebot.engines.stt.deepgram.service import ENGINE, Service
from voicebot.engines.stt.deepgram.transcriber import DeepgramTranscriber, Patience
from voicebot.engines.stt.deepgram.websocket import tls


class Deepgram:
    """Deepgram over a WebSocket: listen v1, or v2 for models whose name begins with "flux".

    `base_url`, for a self-hosted service or a gateway, begins with http, https, ws or wss; None is Deepgram's own.
    `answer_timeout_s` is how long the words of what was said may take once they are asked for (Deepgram: 0.25 s, 0.33 s
    at the 99th percentile), `keep_alive_s` how long a connection is silent before it is told to stay (Deepgram closes
    it after 10 s, and recommends 3 to 5). While somebody speaks a connection is tried to be opened `attempts` times in
    a row, and may break `drops` times in an utterance; the third attempt comes after `backoff_s`.
    """

    name = ENGINE

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str | None = None,
        model: str = "nova-3",
        open_timeout_s: float = 3.0,
        answer_timeout_s: float = 4.0,
        keep_alive_s: float = 4.0,
        attempts: int = 4,
        drops: int = 8,
        backoff_s: float = 0.1,
    ) -> None:
        self.languages = languages_of(model)
        self._endpointing_delays = Patience(answer_timeout_s, keep_alive_s, attempts, drops, backoff_s)
        self._http = httpx.AsyncClient(verify=tls())
        self._sdk = client(api_key, base_url, self._http)
        self._model = model
        self._open_timeout_s = open_timeout_s
        self._services: dict[str, Service] = {}
        """By language. Each remembers which parameters the service takes; there are no more than the page offers."""

    async def start(self) -> None:
        """Each session opens its own connection."""

    async def close(self) -> None:
        await self._http.aclose()

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        """Opens a connection, which a self-hosted service takes as well, and closes it: no sound, no cost."""
        async with self._service(style.language).line():
            pass

    def _service(self, language: str) -> Service:
        if language not in self._services:
            protocol = Flux if self._model.startswith("flux") else Nova
            self._services[language] = protocol(self._sdk, self._model, language, self._open_timeout_s)
        return self._services[language]

    @asynccontextmanager
    async def session(self, style: Style = DEFAULT_STYLE) -> AsyncIterator[DeepgramTranscriber]:
        transcriber = DeepgramTranscriber(self._service(style.language), self._endpointing_delays)
        keeping = asyncio.create_task(transcriber.keep(), name="deepgram connection")
        try:
            yield transcriber
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])
        if not keeping.cancelled():
            keeping.result()
