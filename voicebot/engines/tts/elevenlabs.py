"""Cloud text-to-speech: ElevenLabs' streaming endpoint, as PCM, over plain httpx.

Not through the official SDK (elevenlabs 2.78): it is 38 MB and 2,884 modules for one POST, and takes 1.0 s to import
(httpx 0.2 s, and the application has that anyway). It calls httpx itself, so that cancellation, the connection pool and
Retry-After are no better there; its errors hold all headers and the body in their text, its debug log would show the
key (`xi-api-key` is not among what it hides), and it cuts the stream anew into pieces of 1 KiB.

What was said before (`previous_text`) would help the melody of a sentence, but the engine speaks for all sessions, and
does not know which of them a sentence belongs to.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import cast
from urllib.parse import quote

import httpx

from voicebot.audio.sound import Audio
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import DEFAULT_STYLE, Style
from voicebot.engines.tts.elevenlabs_errors import MISSING_PERMISSIONS, code_of, failure
from voicebot.engines.tts.elevenlabs_models import languages_of, takes_language
from voicebot.languages.loader import language_of
from voicebot.speech_text.speakable import has_words

_URL = "https://api.elevenlabs.io"

_RATE_HZ = 24_000
"""Every plan may have it; 44.1 kHz needs a higher one (API reference, `output_format`)."""

_VOICE = "EXAVITQu4vr4xnSDxMaL"
"""Sarah, a voice that every account has. It is the usual voice of languages whose file names no other.

ElevenLabs calls its default ("premade") voices "optimized for multilingual use" and "available long-term"
(elevenlabs.io/docs/capabilities/voices): the language comes with the request, not from the voice.
"""

_OTHERS = {
    "EXAVITQu4vr4xnSDxMaL": "Sarah, soft",
    "FGY2WhTYpPnrIDTdsKH5": "Laura, upbeat",
    "JBFqnCBsd6RMkjVDRZzb": "George, warm",
    "cjVigY5qzO86Huf0OWal": "Eric, friendly",
}
"""Default voices that a user may choose among."""

_KEEP_ALIVE_S = 60.0
"""How long an idle connection is kept, so that the next sentence needs no handshake: longer than most turns."""


class ElevenLabs:
    """ElevenLabs' voices, at 24 kHz. It fails once nothing has come for `timeout_s`.

    `voice` is the usual voice in all languages; without it each language has one.
    """

    name = "elevenlabs"

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str | None = None,
        voice: str | None = None,
        model: str = "eleven_flash_v2_5",
        timeout_s: float = 10.0,
    ) -> None:
        self._api_key = api_key
        self._base_url = base_url or _URL
        self._voice = voice
        self._model = model
        self._timeout_s = timeout_s
        self._client: httpx.AsyncClient | None = None

    def voices(self, language: str) -> dict[str, str]:
        return _OTHERS

    @property
    def languages(self) -> frozenset[str]:
        return languages_of(self._model)

    async def start(self) -> None:
        # A header can't hold just anything, and httpcore's log would quote what it can't.
        if not (self._api_key.isascii() and self._api_key.isprintable()):
            raise EngineError(self.name, "the key has characters that no key has", fault=Fault.DENIED)
        if self._client is None:
            self._client = httpx.AsyncClient(
                base_url=self._base_url,
                headers={"xi-api-key": self._api_key, "accept-encoding": "identity"},
                timeout=self._timeout_s,
                limits=httpx.Limits(keepalive_expiry=_KEEP_ALIVE_S),
            )

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        """Asks for the list of models: it costs nothing, and leaves a connection open for the first sentence.

        A key that may do nothing but speak is told so; it is a valid one then.
        """
        with self._faults():
            response = await self._started().get("/v1/models")
        if response.status_code != 200 and code_of(response.content) != MISSING_PERMISSIONS:
            raise failure(self.name, response.status_code, response.headers, response.content)

    async def synthesize(self, text: str, style: Style = DEFAULT_STYLE) -> AsyncGenerator[Audio]:
        if not has_words(text):
            return
        path, body = self._request(text, style)
        query = {"output_format": f"pcm_{_RATE_HZ}"}
        with self._faults():
            async with self._started().stream("POST", path, params=query, json=body) as response:
                await self._check(response)
                rest, silent = b"", True
                async with aclosing(cast(AsyncGenerator[bytes], response.aiter_raw())) as chunks:
                    async for chunk in chunks:
                        # A chunk may end within a sample.
                        data = rest + chunk
                        whole = len(data) // 2 * 2
                        rest = data[whole:]
                        if whole:
                            silent = False
                            yield Audio.from_bytes(data[:whole], _RATE_HZ)
                if silent:
                    raise EngineError(self.name, "there is no sound in its answer")

    def _request(self, text: str, style: Style) -> tuple[str, dict[str, str]]:
        """Returns the path and the body of the request for a text."""
        voice = style.voice or self._voice or language_of(style.language).voices.elevenlabs or _VOICE
        body = {"text": text.encode(errors="replace").decode(), "model_id": self._model}  # no JSON has lone surrogates
        if takes_language(self._model):
            body["language_code"] = style.language
        return f"/v1/text-to-speech/{quote(voice, safe='')}/stream", body

    def _started(self) -> httpx.AsyncClient:
        if self._client is None:
            raise EngineError(self.name, "it is not started")
        return self._client

    async def _check(self, response: httpx.Response) -> None:
        if response.status_code != 200:
            raise failure(self.name, response.status_code, response.headers, await response.aread())
        if response.headers.get("content-type", "").startswith(("text/", "application/json")):
            raise EngineError(self.name, "its answer is no sound")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """What can go wrong on the way, as EngineError. No causes: httpx's own can quote a header."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError):
            raise EngineError(self.name, "no connection", fault=Fault.UNREACHABLE) from None
        except httpx.TimeoutException:
            message = f"no answer within {self._timeout_s:g} s"
            raise EngineError(self.name, message, fault=Fault.TIMEOUT) from None
        except httpx.HTTPError:
            raise EngineError(self.name, "the connection broke") from None
