"""Simulates ElevenLabs' text-to-speech over HTTP.

Sources: "Stream speech" and "List models" in its API reference, "Error messages" in its documentation, and the help
centre's "API - Error Code 400 or 401" for the form of a refusal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

from tests.simulators.faults import Fault, Planned
from tests.simulators.http_simulator import HttpSimulator
from tests.simulators.http_wire import Exchange
from tests.simulators.voices import tone_of
from voicebot.audio.sound import Audio

KEY = "sk_0123456789abcdef0123456789abcdef0123456789abcdef"
_FLASH = "en ja zh de hi fr ko pt it es id nl tr fil pl sv bg ro ar cs el fi hr ms sk da ta uk ru hu no vi"
FLASH_LANGUAGES = frozenset(_FLASH.split())

_PIECE_BYTES = 4_093
"""An odd piece size splits samples between two pieces. The service's own pieces have any size."""

_FAULTS = {
    Fault.UNAUTHORIZED: ("invalid_api_key", "Invalid API key"),
    Fault.PAYMENT_REQUIRED: ("payment_required", "Your last invoice is not paid"),
    Fault.FORBIDDEN: ("only_for_creator+", "This voice needs a Creator subscription"),
    Fault.RATE_LIMITED: ("too_many_concurrent_requests", "Too many concurrent requests"),
    Fault.SERVER_ERROR: ("internal_server_error", "Something went wrong"),
}


class ElevenLabsSimulator(HttpSimulator):
    """A server that answers with the audio that `speak` makes of a text, at any rate.

    A `restricted` key may speak, but nothing else. If `refuse_with` is set, every request to speak is answered with
    that status and body.
    """

    def __init__(
        self, speak: Callable[[str], Audio] = tone_of, *, key: str = KEY, restricted: bool = False, port: int = 0
    ) -> None:
        super().__init__(port)
        self._speak = speak
        self._key = key
        self._restricted = restricted
        self.refuse_with: tuple[int, bytes] | None = None

    async def answer(self, exchange: Exchange) -> None:
        request = exchange.request
        planned = self.faults.next()
        if planned is not None and planned.fault is Fault.NO_CREDIT:
            if request.method == "POST":  # Listing the models is free, so it works without credit.
                await _refuse(exchange, 401, "quota_exceeded", "You have 3 credits remaining")
                return
        elif planned is not None and await self.failed(exchange, planned, _detail):
            return
        path = urlsplit(request.target).path.split("/")
        if request.headers.get("xi-api-key") != self._key:
            await _refuse(exchange, 401, "invalid_api_key", "Invalid API key")
        elif request.method == "POST" and path[:3] == ["", "v1", "text-to-speech"] and path[4:] == ["stream"]:
            await self._synthesize(exchange, planned)
        elif self._restricted:
            await _refuse(exchange, 401, "missing_permissions", "The API key is missing the permission models_read")
        elif request.method == "GET" and path == ["", "v1", "models"]:
            models = [{"model_id": "eleven_flash_v2_5", "can_do_text_to_speech": True}]
            await exchange.respond(200, [("content-type", "application/json")], json.dumps(models).encode())
        else:
            await _refuse(exchange, 404, "not_found", "Not Found")

    async def _synthesize(self, exchange: Exchange, planned: Planned | None) -> None:
        query = parse_qs(urlsplit(exchange.request.target).query)
        asked = json.loads(exchange.request.body)
        codec, _, rate = query.get("output_format", ["mp3_44100_128"])[0].partition("_")
        language = asked.get("language_code")
        if self.refuse_with is not None:
            status, body = self.refuse_with
            await exchange.respond(status, [("content-type", "application/json")], body)
        elif codec != "pcm":
            await _refuse(exchange, 400, "invalid_output_format", "This simulator has only PCM")
        elif asked.get("model_id") == "eleven_flash_v2_5" and language not in FLASH_LANGUAGES | {None}:
            await _refuse(exchange, 400, "unsupported_language", "The model does not support this language_code")
        else:
            exchange.start(200, [("content-type", "audio/pcm"), ("request-id", f"r{exchange.request.number}")])
            sound = self._speak(asked["text"]).resampled(int(rate))
            await self.pieces(exchange, _torn(sound.to_bytes()), planned)


def _torn(pcm: bytes) -> Iterator[bytes]:
    for start in range(0, len(pcm), _PIECE_BYTES):
        yield pcm[start : start + _PIECE_BYTES]


def _detail(fault: Fault) -> tuple[str, bytes]:
    code, message = _FAULTS[fault]
    return "application/json", json.dumps({"detail": {"status": code, "message": message}}).encode()


async def _refuse(exchange: Exchange, status: int, code: str, message: str) -> None:
    body = json.dumps({"detail": {"status": code, "message": message}}).encode()
    await exchange.respond(status, [("content-type", "application/json")], body)
