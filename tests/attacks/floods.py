"""Attacks by more requests than honest users send."""

from __future__ import annotations

import asyncio
import itertools
import secrets

from tests.attacks.attack import EVERYWHERE, attack
from tests.attacks.gradio_routes import routes
from tests.attacks.target import Target

JSON = {"Content-Type": "application/json"}
OWN_POSTS = ("/webrtc/offer", "/preflight", "/conversations")


async def requests(on: Target, interval_s: float, *asked: tuple[str, str]) -> None:
    """Sends requests in turn from each address, every `interval_s`."""
    turn = itertools.cycle(asked)

    async def visit(address: str) -> None:
        async with on.http(address) as http:
            async for _ in on.every(interval_s):
                await on.request(http, *next(turn))

    await on.from_each(visit)


@attack("D25", addresses=4)
async def preflights(on: Target) -> None:
    """Requests the check of all engines two hundred times a second."""
    await requests(on, 0.02, ("POST", "/preflight"))


@attack("D25", addresses=4)
async def pages(on: Target) -> None:
    """Requests the page, the metrics and the configuration two hundred times a second."""
    await requests(on, 0.02, ("GET", "/"), ("GET", "/metrics"), ("GET", "/webrtc/config"), ("GET", "/health"))


@attack("D25", addresses=4)
async def guessed_names(on: Target) -> None:
    """Guesses the names of recordings and conversations two hundred times a second."""

    async def guess(address: str) -> None:
        async with on.http(address) as http:
            async for number in on.every(0.02):
                method = ("GET", "DELETE", "HEAD")[number % 3]
                kinds = (f"/recordings/{secrets.token_hex(16)}.zip", f"/conversations/{secrets.token_hex(16)}")
                path = kinds[number % 2] if method != "HEAD" else kinds[0]
                response = await on.request(http, method, path)
                on.expect(response is None or response.status_code != 200, "a guessed name was answered")

    await on.from_each(guess)


@attack("D25", addresses=4, locks=EVERYWHERE, admits_newcomers=False)
async def websocket_loops(on: Target) -> None:
    """Opens sessions over `/ws`, and closes or breaks them at once."""

    async def visit(address: str) -> None:
        async for number in on.every(0.1):
            with on.counting_refusals():
                async with on.websocket(address) as socket:
                    if number % 2:
                        socket.transport.abort()

    await on.from_each(visit)


@attack("D25", addresses=2, admits_newcomers=False)
async def webrtc_loops(on: Target) -> None:
    """Opens sessions over WebRTC, and leaves as soon as they are connected, with or without a goodbye."""

    async def visit(address: str) -> None:
        async for number in on.every(0.3):
            with on.counting_refusals():
                async with on.peer(address) as peer:
                    on.counts["sessions"] += 1
                    if number % 2:
                        peer.send({"type": "bye"})
                        await asyncio.sleep(0.05)

    await on.from_each(visit)


@attack("D25", addresses=4)
async def deep_json(on: Target) -> None:
    """Sends deep, wide and broken JSON to every route that takes a POST, our own and Gradio's."""
    posts = [*OWN_POSTS, *(path for method, path in routes() if method == "POST")]
    bodies = (b"[" * 9_900, b'{"a":' * 9_900, b"[" + b"1," * 400_000 + b"1]", b'"' + b"\\u0041" * 150_000 + b'"', b"{")
    turn = itertools.cycle((path, body) for body in bodies for path in posts)

    async def visit(address: str) -> None:
        async with on.http(address) as http:
            async for _ in on.every(0.05):
                path, body = next(turn)
                response = await on.request(http, "POST", path, content=body, headers=JSON)
                refused = response is None or response.status_code >= 400 or path == "/preflight"
                on.expect(refused, f"POST {path} took a shapeless body")

    await on.from_each(visit)
