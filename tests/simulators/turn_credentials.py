"""Simulates the services that issue TURN credentials.

Sources: "Generate Credentials" in Cloudflare's Realtime documentation, and FastRTC's `credentials.py` for Hugging
Face's service, which passes Cloudflare's answers on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.simulators.faults import Fault
from tests.simulators.http_simulator import HttpSimulator
from tests.simulators.http_wire import Exchange

KEY_ID, API_TOKEN = "cf-key-id", "cf-api-token-secret"
HF_TOKEN = "hf_secret_token"

STUN = ["stun:stun.cloudflare.com:3478", "stun:stun.cloudflare.com:53"]
TURN = [
    "turn:turn.cloudflare.com:3478?transport=udp",
    "turn:turn.cloudflare.com:53?transport=udp",
    "turn:turn.cloudflare.com:3478?transport=tcp",
    "turn:turn.cloudflare.com:80?transport=tcp",
    "turns:turn.cloudflare.com:5349?transport=tcp",
    "turns:turn.cloudflare.com:443?transport=tcp",
]

Login = Callable[[int], tuple[str, str]]
"""Returns the user name and the credential that are valid for a number of seconds."""


class TurnCredentialsSimulator(HttpSimulator):
    """Both services at one address. `login` makes the credentials; `urls` are those of a relay that really runs.

    `ttls` has the lifetimes that clients requested. `answer_with` replaces the JSON of the next answers.
    """

    def __init__(self, login: Login | None = None, urls: list[str] | None = None) -> None:
        super().__init__()
        self._login = login or self._counted
        self._urls, self._stun = (TURN, STUN) if urls is None else (urls, [])
        self.ttls: list[int] = []
        self.answer_with: Any = None

    def _counted(self, _: int) -> tuple[str, str]:
        return f"user{len(self.ttls)}", f"credential{len(self.ttls)}"

    async def answer(self, exchange: Exchange) -> None:
        planned = self.faults.next()
        if planned is not None and await self.failed(exchange, planned, _told):
            return
        request = exchange.request
        path = urlsplit(request.target).path
        if request.method == "POST" and path == f"/v1/turn/keys/{KEY_ID}/credentials/generate-ice-servers":
            await self._cloudflare(exchange, json.loads(request.body)["ttl"], API_TOKEN, 201)
        elif request.method == "GET" and path == "/credentials":
            ttl = int(parse_qs(urlsplit(request.target).query)["ttl"][0])
            await self._cloudflare(exchange, ttl, HF_TOKEN, 200)
        else:
            await _respond(exchange, 404, {"error": "not found"})

    async def _cloudflare(self, exchange: Exchange, ttl: int, token: str, status: int) -> None:
        if exchange.request.headers.get("authorization") != f"Bearer {token}":
            await _respond(exchange, 401, {"success": False, "errors": [{"message": "Unauthorized"}]})
            return
        self.ttls.append(ttl)
        username, credential = self._login(ttl)
        relay = {"urls": self._urls, "username": username, "credential": credential}
        await _respond(exchange, status, self.answer_with or {"iceServers": [{"urls": self._stun}, relay]})


def _told(fault: Fault) -> tuple[str, bytes]:
    return "application/json", json.dumps({"success": False, "errors": [{"message": fault.name}]}).encode()


async def _respond(exchange: Exchange, status: int, body: Any) -> None:
    await exchange.respond(status, [("content-type", "application/json")], json.dumps(body).encode())
