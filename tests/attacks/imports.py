"""Attacks by imports of conversations: their cost in disk, and whether others can import meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from functools import cache

from tests.attacks.attack import EVERYWHERE, attack
from tests.attacks.target import Target

JSON = {"Content-Type": "application/json"}


@cache
def transcript(messages: int, chars: int, seed: str = "a") -> bytes:
    """Returns a transcript in the format of the bot, with text that compresses well."""
    said = [{"role": "user" if each % 2 == 0 else "assistant", "text": seed * chars} for each in range(messages)]
    return json.dumps({"format": "voicebot.transcript", "version": 1, "messages": said}).encode()


async def import_repeatedly(on: Target, content: bytes, interval_s: float) -> None:
    """Imports the content from each address, every `interval_s`."""

    async def visit(address: str) -> None:
        async with on.http(address) as http:
            async for _ in on.every(interval_s):
                await on.request(http, "POST", "/conversations", content=content, headers=JSON)

    await on.from_each(visit)


@attack("D6", locks=EVERYWHERE)
async def imports(on: Target) -> None:
    """Imports transcripts with the longest text allowed, as often as one address may."""
    await import_repeatedly(on, transcript(4, 99_000), 0.05)


@attack("D6", addresses=120, places=("other",))
async def imports_from_many(on: Target) -> None:
    """Imports such transcripts from 120 addresses, each once a second, and small ones too."""
    turn = itertools.count()
    contents = (transcript(4, 99_000), transcript(20, 5_000), transcript(2, 500))

    async def visit(address: str) -> None:
        async with on.http(address) as http:
            await asyncio.sleep(secrets.randbelow(1_000) / 1_000)
            async for _ in on.every(1.5):
                content = contents[next(turn) % len(contents)]
                await on.request(http, "POST", "/conversations", content=content, headers=JSON)

    await on.from_each(visit)


@attack("D6")
async def hostile_imports(on: Target) -> None:
    """Imports zips, 100,000 empty objects, and lists nested 900,000 deep."""
    parts = b'{"format":"voicebot.transcript","version":1,"messages":[' + b",".join([b"{}"] * 100_000) + b"]}"
    deep = b'{"messages":' + b"[" * 900_000
    contents = itertools.cycle([parts, deep, b"PK\x03\x04" + bytes(900_000)])
    async with on.http() as http:
        async for _ in on.every(0.1):
            await on.request(http, "POST", "/conversations", content=next(contents), headers=JSON)


async def _send_slowly(on: Target, address: str, path: str, bytes_in_all: int) -> None:
    """Sends a request whose body comes a byte at a time."""
    reader, writer = await on.connected(address)
    try:
        writer.write(on.head("POST", path, f"Content-Length: {bytes_in_all}", "Content-Type: application/json"))
        on.counts["requests"] += 1
        answer = asyncio.create_task(reader.readline())
        while not answer.done():
            writer.write(b"P")
            await writer.drain()
            await asyncio.wait([answer], timeout=0.3)
        on.counts[answer.result().decode("latin-1")[9:12] or "closed"] += 1
    finally:
        writer.close()


@attack("D13")
async def slow_imports(on: Target) -> None:
    """Sends twenty imports of one client a byte at a time. Others must be able to import meanwhile."""

    async def keep_on() -> None:
        async for _ in on.every(0.2):
            with on.counting_refusals():
                await _send_slowly(on, on.address, "/conversations", 1_000_000)

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(keep_on())
        if on.bystander != on.address:
            await asyncio.sleep(on.seconds / 2)
            async with on.http(on.bystander, on.honest_login) as http:
                honest = await http.post("/conversations", content=transcript(2, 40, "b"), headers=JSON, timeout=10)
                on.expect(honest.status_code == 200, f"an honest import gave {honest.status_code} meanwhile")


@attack("D23", addresses=2)
async def large_uploads(on: Target) -> None:
    """Sends bodies of 100 MB at 50 MB/s to the import, and of 20 MB to other routes, announced or in chunks."""
    piece = secrets.token_bytes(500_000)

    async def visit(address: str) -> None:
        paths = itertools.cycle(("/conversations", "/webrtc/offer", "/conversations", "/preflight"))

        async def pieces(count: int) -> object:
            for _ in range(count):
                yield piece
                on.counts["MB"] += 0.5  # type: ignore[assignment]
                await asyncio.sleep(0.01)

        async with on.http(address) as http:
            async for number in on.every(0.05):
                count = 200 if number % 2 == 0 else 40
                headers = {"Content-Length": str(count * len(piece))} if number % 4 < 2 else {}
                await on.request(http, "POST", next(paths), content=pieces(count), headers=headers)

    await on.from_each(visit)
