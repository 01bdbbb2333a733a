"""Attacks by messages on `/ws` that no microphone and no user sends."""

from __future__ import annotations

import asyncio
import contextlib
import json

import numpy as np
from websockets.frames import Opcode

from tests.attacks.attack import EVERYWHERE, attack
from tests.attacks.target import Target, frame, message, read_and_discard

BATCH = 64
"""The number of tiny frames that are sent in one write."""


async def send_repeatedly(on: Target, address: str, pieces: list[bytes], pause_s: float = 0.0, query: str = "") -> None:
    """Opens a session that writes the pieces over and over, as fast as the app reads them."""
    async with on.bare_websocket(address, query) as (reader, writer):
        reading = asyncio.create_task(read_and_discard(reader))
        try:
            while not reading.done():
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    on.counts["bytes"] += len(piece)
                    await asyncio.sleep(pause_s)
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await reading


def noise(size: int) -> bytes:
    return np.random.default_rng(1).normal(0, 4_000, size // 2).astype("<i2").tobytes()


@attack("D4", locks=EVERYWHERE)
async def fast_sound(on: Target) -> None:
    """Sends live audio at 8 kHz in frames of 64 kB, each four seconds long, as fast as they are read."""
    pieces = [frame(Opcode.BINARY, noise(64_000))]
    await on.from_each(lambda address: send_repeatedly(on, address, pieces, 0.002, "?rate=8000"))


@attack("D4", addresses=4, places=("other",), in_suite=False)
async def fast_sound_from_four(on: Target) -> None:
    """Sends live audio at ten times its speed in frames of 20 ms, and at 48 kHz, from four addresses."""
    pieces = [frame(Opcode.BINARY, noise(1_920)) * 5]
    await on.from_each(lambda address: send_repeatedly(on, address, pieces, 0.01, "?rate=48000"))


@attack("D4")
async def tiny_frames(on: Target) -> None:
    """Sends binary frames of two bytes, and of one, as fast as they are read."""
    pieces = [frame(Opcode.BINARY, b"\x00\x01") * BATCH, frame(Opcode.BINARY, b"\x01") * BATCH]
    await on.from_each(lambda address: send_repeatedly(on, address, pieces, 0.001))


@attack("D4", addresses=2)
async def pings(on: Target) -> None:
    """Sends pings of 0 and 125 bytes, and unsolicited pongs, as fast as they are read."""
    pieces = [frame(Opcode.PING, b"") * BATCH, frame(Opcode.PING, bytes(125)) * BATCH, frame(Opcode.PONG, b"") * BATCH]
    await on.from_each(lambda address: send_repeatedly(on, address, pieces, 0.001))


@attack("D4", addresses=2)
async def fragments(on: Target) -> None:
    """Sends a text message that never ends, in fragments of one byte and of none."""
    begin = frame(Opcode.TEXT, b"{", fin=False)
    more = [frame(Opcode.CONT, b" ", fin=False) * BATCH, frame(Opcode.CONT, b"", fin=False) * BATCH]
    await on.from_each(lambda address: send_repeatedly(on, address, [begin, *more * 2_000], 0.001))


@attack("D4", addresses=4)
async def huge_messages(on: Target) -> None:
    """Sends messages of 60 MB in fragments of 256 kB, and a frame that announces 2 GB."""
    piece = frame(Opcode.CONT, bytes(262_144), fin=False)
    fragmented = [frame(Opcode.TEXT, b'{"type":"text","text":"', fin=False), *[piece] * 240]
    announced = [b"\x82\xff" + (2**31).to_bytes(8, "big") + bytes(4), *[bytes(262_144)] * 100]
    addresses = iter(range(10**9))
    await on.from_each(
        lambda address: send_repeatedly(on, address, (fragmented, announced)[next(addresses) % 2], 0.005)
    )


@attack("D4", addresses=2)
async def json_flood(on: Target) -> None:
    """Sends invalid JSON, deep JSON, huge numbers, unknown types and half characters, as fast as they are read."""
    texts = [
        b"no json",
        b"[" * 30_000,
        b'{"a":' * 10_000,
        b'{"type":"text","text":"' + b"x" * 60_000 + b'"}',
        b'{"type":"clip_played","sequence":' + b"9" * 60_000 + b"}",
        b'{"type":"text","text":"\\ud800"}',
        b'{"type":"configure","persona":"' + b"y" * 60_000 + b'"}',
        json.dumps({"type": "x" * 60_000}).encode(),
        b'{"type":"speech_end","audio":' + b"[" * 500_000,
    ]
    await on.from_each(
        lambda address: send_repeatedly(on, address, [frame(Opcode.TEXT, text) for text in texts], 0.001)
    )


@attack("D4", addresses=3)
async def small_talk(on: Target) -> None:
    """Sends typed questions, interruptions and `clear` at just the rate allowed, in sessions that all stay."""

    async def talk(address: str) -> None:
        async with on.websocket(address) as socket:
            reading = asyncio.create_task(_count(on, socket))
            try:
                async for number in on.every(0.11):
                    kind = ("text", "interrupt", "clear", "speech_start")[number % 4]
                    await socket.send(message(kind, text="tell me a long story") if kind == "text" else message(kind))
            finally:
                reading.cancel()

    await on.from_each(talk)


async def _count(on: Target, socket: object) -> None:
    with on.counting_refusals():
        async for raw in socket:  # type: ignore[attr-defined]
            on.counts[json.loads(raw)["event"]] += 1
