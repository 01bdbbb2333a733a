"""Attacks by connections that are opened but not used normally."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from tests.attacks.attack import attack
from tests.attacks.target import Target, message, shrink_receive_buffer

FEW_FILES = 256
"""The limit on open files under which the app is started. An operator's shell or container may have no more."""


async def keep(on: Target, count: int, work: Callable[[str], Awaitable[None]]) -> None:
    """Keeps this number of connections open over all addresses, and replaces each that ends after a moment."""

    async def keep_on(address: str) -> None:
        async for _ in on.every(1.0):
            with on.counting_refusals():
                await work(address)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(keep_on(on.addresses[number % len(on.addresses)]))


async def idle(on: Target, address: str) -> None:
    """Connects and sends nothing."""
    reader, writer = await on.connected(address)
    on.counts["sockets"] += 1
    try:
        await reader.read()
        on.counts["closed"] += 1
    finally:
        writer.close()


@attack("D7", open_files=FEW_FILES)
async def idle_sockets(on: Target) -> None:
    """Opens three hundred idle sockets from one address, with 256 open files allowed."""
    await keep(on, 300, lambda address: idle(on, address))


@attack("D7", addresses=100, open_files=FEW_FILES, places=("other",))
async def idle_sockets_from_many(on: Target) -> None:
    """Opens three hundred idle sockets from a hundred addresses."""
    await keep(on, 300, lambda address: idle(on, address))


@attack("D7", addresses=20, places=("other",))
async def thousand_idle_sockets(on: Target) -> None:
    """Opens a thousand idle sockets from twenty addresses."""
    await keep(on, 1_000, lambda address: idle(on, address))


@attack("D7", addresses=2)
async def slow_headers(on: Target) -> None:
    """Sends a hundred requests whose headers come line by line and never end."""

    async def drip(address: str) -> None:
        reader, writer = await on.connected(address)
        on.counts["sockets"] += 1
        try:
            ended = asyncio.create_task(reader.read())
            writer.write(f"GET / HTTP/1.1\r\nHost: {on.host}\r\n".encode())
            number = 0
            while not ended.done():
                writer.write(f"X-{number}: {'x' * 200}\r\n".encode())
                await writer.drain()
                number += 1
                await asyncio.wait([ended], timeout=0.3)
            on.counts[ended.result()[9:12].decode("latin-1") or "closed"] += 1
        finally:
            writer.close()

    await keep(on, 100, drip)


@attack("D7", addresses=2)
async def slow_bodies(on: Target) -> None:
    """Sends a hundred requests whose bodies of 900 kB come a byte at a time."""

    async def drip(address: str) -> None:
        reader, writer = await on.connected(address)
        on.counts["sockets"] += 1
        try:
            ended = asyncio.create_task(reader.read(64))
            writer.write(on.head("POST", "/webrtc/offer", "Content-Length: 900000", "Content-Type: application/json"))
            while not ended.done():
                writer.write(b"{")
                await writer.drain()
                await asyncio.wait([ended], timeout=0.3)
            on.counts[ended.result()[9:12].decode("latin-1") or "closed"] += 1
        finally:
            writer.close()

    await keep(on, 100, drip)


@attack("D7", addresses=2)
async def readers_who_do_not_read(on: Target) -> None:
    """Requests the page, fifty times at once on one connection, and reads nothing."""

    async def ask(address: str) -> None:
        _, writer = await on.connected(address)
        shrink_receive_buffer(writer)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        on.counts["sockets"] += 1
        try:
            async with asyncio.timeout(10):
                while True:
                    writer.write(on.head("GET", "/") * 50)
                    await writer.drain()
                    await asyncio.sleep(0.5)
        finally:
            writer.transport.abort()

    await keep(on, 20, ask)


@attack("D7", addresses=2, seconds=6)
async def listeners_who_do_not_read(on: Target) -> None:
    """Opens sessions over `/ws` that ask for long stories and read nothing."""

    async def ask(address: str) -> None:
        async with on.websocket(address) as socket:
            socket.transport.pause_reading()
            async for _ in on.every(0.3):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await socket.send(message("text", text="tell me a long story"))

    await on.from_each(ask)
