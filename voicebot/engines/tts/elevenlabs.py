"""Cloud text-to-speech with ElevenLabs' streaming endpoint, as PCM, over plain httpx.

The official SDK (elevenlabs 2.78) is not used. It has 38 MB and 2,884 modules for one POST and takes 1.0 s to import;
httpx takes 0.2 s and is in the application anyway. The SDK calls httpx itself, so its cancellation, connection pool and
Retry-After are no better. Its errors contain all headers and the body, its debug log shows the key (it does not hide
`xi-api-key`), and it cuts the stream into pieces of 1 KiB.

The request does not name the sentence before (`previous_text`), although that would improve the melody: the engine
serves all sessions and does not know which session a sentence belongs to.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import cast
from urllib.parse import quote

import httpx

from voicebot.audio.sound import Audio
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import DEFAULT_STYLE, Style
from voicebot.engines.retry_after import retry_after_s
from voicebot.engines.tts.http_errors import http_errors
from voicebot.languages.loader import language_of
from voicebot.runtime.characters import whole_characters
from voicebot.speech_text.speakable import has_words

_URL = "https://api.elevenlabs.io"

_RATE_HZ = 24_000
"""Every plan includes this rate; 44.1 kHz needs a higher plan (API reference, `output_format`)."""

_VOICE = "EXAVITQu4vr4xnSDxMaL"
"""Voices that every account has: Sarah, and Eric, the voice for Spanish in LiveKit's table of voices.

ElevenLabs calls its default ("premade") voices "optimized for multilingual use" and "available long-term"
(elevenlabs.io/docs/capabilities/voices). The request names the language; the voice does not decide on it.
"""

_OTHERS = {
    "EXAVITQu4vr4xnSDxMaL": "Sarah, soft",
    "FGY2WhTYpPnrIDTdsKH5": "Laura, upbeat",
    "JBFqnCBsd6RMkjVDRZzb": "George, warm",
    "cjVigY5qzO86Huf0OWal": "Eric, friendly",
}
"""Default voices that a user may choose."""

_KEEP_ALIVE_S = 60.0
"""How long an idle connection stays open, so that the next sentence needs no handshake. Most turns are shorter."""

_MULTILINGUAL_V2 = "ar bg cs da de el en es fi fr hi hr id it ja ko ms nl pl pt ro ru sk sv ta tr uk zh"
_V2_5 = f"{_MULTILINGUAL_V2} hu no vi"
_V3 = (
    f"{_V2_5} af as az be bn bs ca cy et fa ga gl gu ha he hy is jv ka kk kn ky lb ln lt lv mk ml mr ne ny pa ps sd "
    "sl so sr sw te th ur"
)
"""Languages of the models. Sources: "Models" in ElevenLabs' documentation, and "What models do you offer" in its help
centre."""

_MISSING_PERMISSIONS = "missing_permissions"

_MEANINGS: dict[str, tuple[Fault, str]] = {
    "invalid_api_key": (Fault.DENIED, "the key is not accepted"),
    _MISSING_PERMISSIONS: (Fault.DENIED, "the key may not be used for speech"),
    "quota_exceeded": (Fault.UNPAID, "the account's quota is used up"),
    "detected_unusual_activity": (Fault.DENIED, "the account is blocked for unusual activity"),
    "only_for_creator+": (Fault.DENIED, "the account's plan does not have this voice"),
    "voice_not_found": (Fault.REJECTED, "there is no such voice"),
    "model_not_found": (Fault.REJECTED, "there is no such model"),
    "max_character_limit_exceeded": (Fault.REJECTED, "the text is too long"),
    "too_many_concurrent_requests": (Fault.LIMITED, "too many requests at once"),
    "concurrent_limit_exceeded": (Fault.LIMITED, "too many requests at once"),
    "rate_limit_exceeded": (Fault.LIMITED, "too many requests"),
    "system_busy": (Fault.LIMITED, "the service is busy"),
}
"""What the codes in a refusal mean. Source: "Error messages" in ElevenLabs' documentation. The HTTP status alone says
less: the same code has come with status 400 and with 401."""

_CODE = re.compile(r"[a-z0-9_+]{1,60}")


class ElevenLabs:
    """Speaks with ElevenLabs' voices, at 24 kHz. A request fails when nothing has come for `timeout_s`.

    `voice` is the usual voice in all languages. Without it each language has its own usual voice.
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
        return _languages_of(self._model)

    async def start(self) -> None:
        # httpcore's log would quote a header with characters that no header may have.
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
        """Requests the list of models. That costs nothing and leaves a connection open for the first sentence.

        A valid key that may only be used for speech is refused here with a code of its own, which is no failure.
        """
        with http_errors(self.name, self._timeout_s):
            response = await self._started().get("/v1/models")
        if response.status_code != 200 and _code_of(response.content) != _MISSING_PERMISSIONS:
            raise self._refusal(response)

    async def synthesize(self, text: str, style: Style = DEFAULT_STYLE) -> AsyncGenerator[Audio]:
        if not has_words(text):
            return
        path, body = self._request(text, style)
        query = {"output_format": f"pcm_{_RATE_HZ}"}
        with http_errors(self.name, self._timeout_s):
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
        body = {"text": whole_characters(text), "model_id": self._model}
        if _takes_language(self._model):
            body["language_code"] = style.language
        return f"/v1/text-to-speech/{quote(voice, safe='')}/stream", body

    def _started(self) -> httpx.AsyncClient:
        if self._client is None:
            raise EngineError(self.name, "it is not started")
        return self._client

    async def _check(self, response: httpx.Response) -> None:
        if response.status_code != 200:
            await response.aread()
            raise self._refusal(response)
        if response.headers.get("content-type", "").startswith(("text/", "application/json")):
            raise EngineError(self.name, "its answer is no sound")

    def _refusal(self, response: httpx.Response) -> EngineError:
        """Returns the error for a response whose status is not 200 and whose body has been read."""
        code = _code_of(response.content)
        unknown = f"the service answered with status {response.status_code}" + (f" ({code})" if code else "")
        fault, message = _MEANINGS.get(code or "", (Fault.of_status(response.status_code), unknown))
        wait_s = retry_after_s(response.headers.get("retry-after"))
        return EngineError(self.name, message, fault=fault, retry_after_s=wait_s)


def _code_of(body: bytes) -> str | None:
    """Returns the code in a refusal's body (`detail.status` or `detail.code`), or None if there is none."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    detail = answer.get("detail") if isinstance(answer, Mapping) else None
    if not isinstance(detail, Mapping):
        return None
    codes = (detail.get("status"), detail.get("code"))
    return next((code for code in codes if isinstance(code, str) and _CODE.fullmatch(code)), None)


def _languages_of(model: str) -> frozenset[str]:
    """Returns the two-letter codes of the model's languages; for an unknown model those of all models together."""
    if "v2_5" in model:
        return frozenset(_V2_5.split())
    if model.startswith("eleven_multilingual"):
        return frozenset(_MULTILINGUAL_V2.split())
    if model in ("eleven_flash_v2", "eleven_turbo_v2", "eleven_monolingual_v1"):
        return frozenset({"en"})
    return frozenset(_V3.split())


def _takes_language(model: str) -> bool:
    """Returns True if a request may name the language. Other models detect it, and older ones refuse the field.

    Sources: the API reference on `language_code`, and pipecat-ai/pipecat issue 5395 for v3.
    """
    return "v2_5" in model or model.startswith("eleven_v3")
