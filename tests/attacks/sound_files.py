"""Attacks by uploaded utterances that are not honest recordings, and burden the decoder."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import random
import struct
from collections.abc import Iterator
from functools import cache

import av
import numpy as np

from tests.attacks.attack import EVERYWHERE, attack
from tests.attacks.target import Target, message
from tests.support.ws_client import recording

RATES_HZ = (120_000_001, 192_000_000, 2**32 - 1, 1, 0, 7_999, 192_001)
CHANNELS = (0, 9, 255, 65_535)
ANSWER_S = 3.0
"""The time that the attacker waits for the result of a recording."""


def wav(
    rate_hz: int = 16_000,
    channels: int = 1,
    *,
    bits: int = 16,
    tag: int = 1,
    data: bytes = bytes(2_000),
    size: int = -1,
) -> bytes:
    """Returns a WAV file with this header, true or not."""
    block = max(1, channels * bits // 8) & 0xFFFF
    form = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * block & 0xFFFFFFFF, block, bits)
    size = len(data) if size < 0 else size
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


@cache
def silence(
    container: str, codec: str, rate_hz: int, seconds: int, layout: str = "mono", bit_rate: int = 8_000
) -> bytes:
    """Returns long silence in few bytes."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate_hz, layout=layout)
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = bit_rate
        stream.options = {"compression_level": "0"}  # Silence needs no search for the best encoding.
        frame = av.AudioFrame.from_ndarray(np.zeros((1, rate_hz), np.int16), format="s16", layout="mono")
        frame.sample_rate = rate_hz
        for second in range(seconds):
            frame.pts = second * rate_hz
            for packet in stream.encode(frame):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    return out.getvalue()


def matroska_with_rate(rate_hz: float) -> bytes:
    """Returns PCM in a Matroska file (which FFmpeg's WebM demuxer reads) with a changed sampling frequency."""
    content = silence("matroska", "pcm_s16le", 16_000, 1)
    honest = struct.pack(">d", 16_000.0)
    assert honest in content
    return content.replace(honest, struct.pack(">d", rate_hz))


def absurd() -> Iterator[bytes]:
    """Yields files of a few kilobytes, with claims that no microphone would make."""
    for rate_hz in RATES_HZ:
        yield wav(rate_hz)
        yield wav(rate_hz, 2)
    for channels in CHANNELS:
        yield wav(48_000, channels)
        yield wav(192_000_000, channels)
    for frequency in (1.0, 0.0, -1.0, 120e6, 192e6, 1e18, float("nan"), float("inf")):
        yield matroska_with_rate(frequency)
    for tag in (2, 3, 6, 0x11, 0x31, 0x55, 0xFFFE):
        yield wav(120_000_001, 2, tag=tag)
    yield wav(bits=0)
    yield wav(bits=64)


def bombs() -> Iterator[bytes]:
    """Yields files that are small to send but large to decode, files that break off, and files that are not audio."""
    dice = random.Random(1)
    yield silence("webm", "libopus", 48_000, 300, bit_rate=500)
    yield silence("mp3", "libmp3lame", 8_000, 300)
    yield wav(8_000, data=bytes(3_000_000))
    yield wav(size=2**32 - 1)
    for container in ("wav", "webm", "mp3"):
        honest = base64.b64decode(recording(container))
        for part in (0.1, 0.5, 0.9):
            yield honest[: round(len(honest) * part)]
        noise = bytearray(honest)
        for _ in range(len(noise) // 20):
            noise[dice.randrange(12, len(noise))] = dice.randrange(256)
        yield bytes(noise)
        yield honest[:64] + dice.randbytes(3_500_000)
    yield b"ID3\x04\x00\x00" + bytes((0x01, 0x7F, 0x7F, 0x7F)) + bytes(3_000_000)
    yield b"\x1a\x45\xdf\xa3" + b"\x01" + bytes(7) + b"\x1a\x45\xdf\xa3\x84" * 50_000


async def uploads(on: Target, address: str, files: list[str]) -> None:
    """Uploads the files in turn in one session, and looks at each result."""
    async with on.websocket(address) as socket:
        while True:
            for content in files:
                await socket.send(message("speech_start"))
                await socket.send(content)
                try:
                    async with asyncio.timeout(ANSWER_S):
                        while (event := json.loads(await socket.recv())["event"]) not in ("error", "asr.final"):
                            pass
                    on.counts[event] += 1
                except TimeoutError:
                    on.counts["no answer"] += 1


def messages(files: Iterator[bytes]) -> list[str]:
    return [message("speech_end", audio=base64.b64encode(content).decode()) for content in files]


@cache
def absurd_messages() -> list[str]:
    return messages(absurd())


@cache
def bomb_messages() -> list[str]:
    return messages(bombs())


@attack("D1", locks=EVERYWHERE, seconds=6, prepare=absurd_messages)
async def absurd_rates(on: Target) -> None:
    """Uploads recordings of some kB that claim 120 MHz, 192 MHz, 1 Hz or 0, 255 channels, or a wrong codec."""
    await on.from_each(lambda address: uploads(on, address, absurd_messages()))


@attack("D1", addresses=4, places=("other",), in_suite=False)
async def absurd_rates_from_four(on: Target) -> None:
    """Uploads the same from four addresses at once, each with the worst first."""
    files = messages(iter([wav(192_000_000), wav(120_000_001, 2), matroska_with_rate(192e6), wav(192_000_000, 255)]))
    await on.from_each(lambda address: uploads(on, address, files))


@attack("D1", seconds=6, prepare=bomb_messages)
async def silence_bombs(on: Target) -> None:
    """Uploads minutes of silence in a tiny file, files that break off or lie about their length, and 3.5 MB of
    noise."""
    await on.from_each(lambda address: uploads(on, address, bomb_messages()))


@attack("D12", addresses=1, asks_question=True)
async def thirty_utterances(on: Target) -> None:
    """Uploads thirty utterances of 20 s at once from one client. The words of others must still be recognised."""
    dice = np.random.default_rng(1)
    length_s = (
        20 if on.seconds > 1 else 5
    )  # The recogniser works on after the attack, which takes too long for the suite.
    speechlike = (dice.normal(0, 3_000, length_s * 16_000)).astype("<i2").tobytes()
    upload = message("speech_end", audio=base64.b64encode(wav(data=speechlike)).decode())

    async def visit(address: str) -> None:
        async with on.websocket(address) as socket:
            for _ in range(30):
                await socket.send(message("speech_start"))
                await socket.send(upload)
            async for raw in socket:
                on.counts[json.loads(raw)["event"]] += 1

    await on.from_each(visit)
