"""Cloud text-to-speech with the voice of Google Translate. It needs no key, and Google promises nothing.

The package gTTS prepares the text and the requests. This module sends them with httpx, because gTTS itself blocks a
thread for each request, and nothing can end that request before Google answers. It finds the sound in an answer as
`gTTS.stream` does.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from collections.abc import AsyncGenerator, Sequence

import httpx
from gtts import gTTS  # type: ignore[import-untyped]
from gtts.lang import tts_langs  # type: ignore[import-untyped]
from gtts.tokenizer import pre_processors  # type: ignore[import-untyped]

from voicebot.audio.sound import Audio
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.protocols import DEFAULT_STYLE, Style
from voicebot.engines.retry_after import retry_after_s
from voicebot.engines.tts.http_errors import http_errors
from voicebot.engines.tts.mp3 import Mp3Error, decode_mp3
from voicebot.languages.loader import language_of
from voicebot.speech_text.speakable import has_words

_CODES = {"he": "iw", "jv": "jw", "nb": "no", "zh": "zh-CN"}
"""Google's codes for languages that it does not call by their two-letter code (ISO 639-1)."""

_CLAUSE = re.compile(r".+?(?:[.,;:!?…।]+[\"'”’»)\]]*(?:\s+|$)|[。，、！？；：]+|$)", re.DOTALL)
_PRE_PROCESSORS = [pre_processors.end_of_line, pre_processors.abbreviations, pre_processors.word_sub]
"""gTTS's own except `tone_marks`, which separates a question mark from the quotation mark after it."""

_SOUND = re.compile(rb'%b","\[\\"(.*)\\"]' % gTTS.GOOGLE_TTS_RPC.encode())
"""Base64 of an MP3 file in an answer."""

_MOST_BYTES = 2_000_000
"""The longest answer that is read, which bounds memory and decoding. A request of 100 characters gets about 50 kB."""

_KEEP_ALIVE_S = 60.0
"""How long an idle connection stays open, so that the next sentence needs no handshake."""

logging.getLogger("gtts").setLevel(logging.INFO)  # its DEBUG messages hold the text


class Gtts:
    """Speaks with Google Translate's voice, at 24 kHz. Each answer must come within `timeout_s`.

    A long text takes several requests. They follow one another without a wait for the playback.
    """

    name = "gtts"

    def __init__(self, *, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s
        self._client: httpx.AsyncClient | None = None

    def voices(self, language: str) -> dict[str, str]:
        return language_of(language).voices.gtts_accents

    @property
    def languages(self) -> frozenset[str]:
        return frozenset(code for code in tts_langs() if len(code) == 2) | frozenset(_CODES)

    async def start(self) -> None:
        if self._client is None:
            self._client = httpx.AsyncClient(
                headers=gTTS.GOOGLE_TTS_HEADERS,
                timeout=self._timeout_s,
                limits=httpx.Limits(keepalive_expiry=_KEEP_ALIVE_S),
                follow_redirects=True,
                verify=False,  # as gTTS does, so that it works behind proxies that decrypt the traffic
            )

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        """Requests the sound of a digit. Google has no other request that shows whether it serves us."""
        async for _ in self.synthesize("1", style):
            pass

    async def synthesize(self, text: str, style: Style = DEFAULT_STYLE) -> AsyncGenerator[Audio]:
        if self._client is None:
            raise EngineError(self.name, "it is not started")
        if not has_words(text):
            return  # Google answers without sound, as it does for an unknown language
        language = _CODES.get(style.language, style.language)
        usual_domain = language_of(style.language).voices.gtts
        url = f"https://translate.google.{style.voice or usual_domain}/_/TranslateWebserverUi/data/batchexecute"
        requests: list[asyncio.Task[bytes]] = []
        for body in request_bodies(text, language):
            sending = self._request(self._client, url, body, requests[-1] if requests else None)
            requests.append(asyncio.create_task(sending, name="gtts request"))
        try:
            for request in requests:
                for piece in decode_mp3(await request):
                    yield piece
                    await asyncio.sleep(0)  # other tasks get a turn: decoding a whole answer takes 5 ms or more
        except Mp3Error as error:
            raise EngineError(self.name, f"its sound can't be used: {error}") from error
        finally:
            for request in requests:
                request.cancel()
            await asyncio.gather(*requests, return_exceptions=True)

    async def _request(
        self, client: httpx.AsyncClient, url: str, body: str, previous: asyncio.Task[bytes] | None
    ) -> bytes:
        """Returns the MP3 file for one request, which begins once the `previous` one has succeeded."""
        if previous is not None:
            await previous
        answer = bytearray()
        with http_errors(self.name, self._timeout_s):
            async with asyncio.timeout(self._timeout_s), client.stream("POST", url, content=body) as response:
                if response.status_code >= 400:
                    raise self._refusal(response)
                async for chunk in response.aiter_bytes():
                    answer += chunk
                    if len(answer) > _MOST_BYTES:
                        raise EngineError(self.name, "its answer is too long")
        sound = _SOUND.search(answer)
        if sound is None:
            raise EngineError(self.name, "there is no sound in its answer")
        try:
            return base64.b64decode(sound[1])
        except ValueError:
            raise EngineError(self.name, "its answer makes no sense") from None

    def _refusal(self, response: httpx.Response) -> EngineError:
        status = response.status_code
        return EngineError(
            self.name,
            "too many requests" if status == 429 else f"the service answered with status {status}",
            fault=Fault.of_status(status),
            retry_after_s=retry_after_s(response.headers.get("Retry-After")),
        )


def request_bodies(text: str, language: str) -> Sequence[str]:
    """Returns the body of each request that a text takes; none if nothing in the text can be spoken."""
    try:
        bodies: list[str] = gTTS(
            text, lang=language, lang_check=False, pre_processor_funcs=_PRE_PROCESSORS, tokenizer_func=split_text
        ).get_bodies()
    except AssertionError:
        return ()
    return bodies


def split_text(text: str) -> list[str]:
    """Splits a long text at the ends of clauses, with as many clauses in each part as fit into a request.

    gTTS itself splits at every comma. After a short first clause the listener would wait for the second request.
    """
    parts = [""]
    for clause in _CLAUSE.findall(text):
        if len(parts[-1]) + len(clause.rstrip()) > gTTS.GOOGLE_TTS_MAX_CHARS:
            parts.append("")
        parts[-1] += clause
    return [part for part in parts if has_words(part)]
