"""Attacks by password guesses, which must not lock out a user who knows the password."""

from __future__ import annotations

import secrets

from tests.attacks.attack import attack
from tests.attacks.peer import authorization
from tests.attacks.target import Target


@attack("D10", locks=("locked",), slow_login=True)
async def wrong_passwords(on: Target) -> None:
    """Tries thirty wrong passwords a second. Users at the same address must still get in with the right one."""
    async with on.http() as http:
        async for number in on.every(0.03):
            path = ("/", "/webrtc/config", "/metrics", "/webrtc/offer")[number % 4]
            headers = authorization(("guest", secrets.token_hex(4)))
            response = await on.request(http, "POST" if path.endswith("offer") else "GET", path, headers=headers)
            on.expect(response is None or response.status_code != 200, f"{path} was given without the password")


@attack("D10", locks=("locked",), slow_login=True)
async def bearers(on: Target) -> None:
    """Sends bearer tokens, broken headers and passwords of 8 kB. None counts as a guess at a user's password."""
    headers = (
        {"Authorization": "Bearer " + secrets.token_hex(16)},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + "QUFB" * 2_000},
        {"Authorization": ""},
        {"Authorization": "Digest x", "Cookie": "session=x; voicebot=x"},
    )
    async with on.http() as http:
        async for number in on.every(0.02):
            response = await on.request(http, "GET", "/", headers=headers[number % len(headers)])
            on.expect(response is None or response.status_code != 200, "the page was given without the password")


@attack("D10", locks=("locked",), addresses=60, places=("other",))
async def wrong_passwords_from_many(on: Target) -> None:
    """Tries wrong passwords from sixty addresses, each twice a second."""

    async def guess(address: str) -> None:
        async with on.http(address) as http:
            async for _ in on.every(0.5):
                await on.request(http, "GET", "/", headers=authorization(("guest", secrets.token_hex(4))))

    await on.from_each(guess)
