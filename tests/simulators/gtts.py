"""Simulates Google Translate's voice behind a CONNECT proxy that answers in Google's name.

The protocol is what gTTS 2.5.4 sends and looks for (gtts/tts.py), in the format of Google's batchexecute answers. Set
HTTPS_PROXY to `url` before the engine starts.
"""

from __future__ import annotations

import base64
import io
import json
import ssl
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from urllib.parse import parse_qs

import av
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.simulators.faults import Fault, Planned
from tests.simulators.http_simulator import HttpSimulator
from tests.simulators.http_wire import Exchange, Request
from tests.simulators.voices import tone_of
from voicebot.audio.sound import Audio

PATH = "/_/TranslateWebserverUi/data/batchexecute"
RPC = "jQ1olc"
MAX_CHARS = 100
RATE_HZ, BITS_PER_S = 24_000, 32_000
"""What Google sends: MPEG-2 layer III, one channel, without a tag."""

_PIECE_BYTES = 4_096


@dataclass(frozen=True)
class Spoken:
    """A text that a client has requested."""

    text: str
    language: str
    host: str


def mp3_of(audio: Audio) -> bytes:
    """Returns the sound as Google would send it."""
    return encoded(audio.resampled(RATE_HZ), tagged=False)


def encoded(audio: Audio, *, tagged: bool) -> bytes:
    """Returns an MP3 file made by LAME. A `tagged` file has an ID3 tag and a frame that declares the padding."""
    return _lame(audio.to_bytes(), audio.rate_hz, tagged)


@lru_cache(maxsize=100)
def _lame(pcm: bytes, rate_hz: int, tagged: bool) -> bytes:
    """Encodes the same sound only once, because the time that LAME needs is not part of the service's delay."""
    file = io.BytesIO()
    options = {"write_xing": str(int(tagged)), "id3v2_version": "3" if tagged else "0"}
    with av.open(file, "w", format="mp3", options=options) as container:
        stream = container.add_stream("libmp3lame", rate=rate_hz, layout="mono")
        stream.bit_rate = BITS_PER_S
        samples = Audio.from_bytes(pcm, rate_hz).samples
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16p", layout="mono")
        frame.sample_rate = rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


class GttsSimulator(HttpSimulator):
    """`speak` returns the sound of a text, at any rate; `encode` returns the MP3 file of that sound."""

    def __init__(
        self, speak: Callable[[str], Audio] = tone_of, *, encode: Callable[[Audio], bytes] = mp3_of, port: int = 0
    ) -> None:
        super().__init__(port)
        self._speak = speak
        self._encode = encode
        self.page: bytes | None = None
        """A web page to answer with instead of sound, such as Google's question whether you are a robot."""

    @property
    def spoken(self) -> list[Spoken]:
        return [_asked(request) for request in self.requests]

    async def answer(self, exchange: Exchange) -> None:
        request = exchange.request
        if request.method == "CONNECT":
            await exchange.secure(_certificate())
            return
        planned = self.faults.next()
        if planned is not None and await self.failed(exchange, planned, _sorry):
            return
        if (request.method, request.target) != ("POST", PATH):
            await exchange.respond(404, [("content-type", "text/html")], b"<html>Not found</html>")
        elif self.page is not None:
            await exchange.respond(200, [("content-type", "text/html")], self.page)
        else:
            await self._synthesize(exchange, planned)

    async def _synthesize(self, exchange: Exchange, planned: Planned | None) -> None:
        text = _asked(exchange.request).text
        mp3 = None
        if len(text) <= MAX_CHARS and any(map(str.isalnum, text)):
            mp3 = self._encode(self._speak(text))
        exchange.start(200, [("content-type", "application/json; charset=utf-8")])
        await self.pieces(exchange, _torn(_envelope(mp3)), planned)


def _asked(request: Request) -> Spoken:
    (rpc,) = parse_qs(request.body.decode())["f.req"]
    ((call,),) = json.loads(rpc)
    name, parameters, _, kind = call
    assert (name, kind) == (RPC, "generic")
    text, language, *_ = json.loads(parameters)
    return Spoken(text, language, request.headers["host"])


def _envelope(mp3: bytes | None) -> bytes:
    """Returns Google's format: a guard against scripts, then lines of JSON, each with its length before it."""
    sound = None if mp3 is None else json.dumps([base64.b64encode(mp3).decode()])
    calls = [["wrb.fr", RPC, sound, None, None, None, "generic"], ["di", 42], ["af.httprm", 41, "1", 7]]
    lines = [json.dumps(part, separators=(",", ":")) for part in (calls, [["e", 4, None, None, 131]])]
    return (")]}'\n\n" + "".join(f"{len(line) + 2}\n{line}\n" for line in lines)).encode()


def _torn(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]


def _sorry(fault: Fault) -> tuple[str, bytes]:
    return "text/html", f"<html><title>Error {fault.value}</title>We're sorry…</html>".encode()


@cache
def _certificate() -> ssl.SSLContext:
    """Returns a context with a new certificate that is signed by itself: the engine verifies nothing."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "translate.google.com")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    pem = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"
        file.write_bytes(pem + certificate.public_bytes(encoding))
        context.load_cert_chain(file)
    return context
