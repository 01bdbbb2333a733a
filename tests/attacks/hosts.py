"""Attacks by host names that a foreign site lets point to this machine (DNS rebinding)."""

from __future__ import annotations

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.attacks.attack import attack
from tests.attacks.target import Target

FOREIGN = ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:80", "192.0.2.7", "[::2]")


@attack("D21", locks=("unlocked",))
async def rebinding(on: Target) -> None:
    """Sends requests for a foreign Host and Origin to an unlocked bot on loopback, which must refuse all of them."""
    async with on.http() as http:
        for name in FOREIGN:
            headers = {"Host": name, "Origin": f"http://{name}"}
            for method, path in (
                ("GET", "/"),
                ("GET", "/webrtc/config"),
                ("POST", "/preflight"),
                ("POST", "/webrtc/offer"),
            ):
                response = await on.request(http, method, path, headers=headers)
                refused = response is not None and response.status_code in (400, 403, 421)
                on.expect(refused, f"{method} {path} for {name} gave {response and response.status_code}")
        for name in ("localhost", "127.0.0.1"):
            response = await on.request(http, "GET", "/", headers={"Host": f"{name}:{on.port}"})
            on.expect(response is not None and response.status_code == 200, f"the page for {name} was refused")
    for name in FOREIGN[:3]:
        try:
            async with connect(
                f"ws://{name}/ws",
                host=on.host,
                port=on.port,
                proxy=None,
                origin=f"http://{name}",  # type: ignore[arg-type]
                local_addr=(on.address, 0),
            ):
                on.expect(False, f"/ws for {name} was opened")
        except InvalidStatus as refused:
            on.counts[str(refused.response.status_code)] += 1
