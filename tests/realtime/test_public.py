"""Through the reverse proxies that the world comes through: a share link's, a Space's, and one's own."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.support.engines import ScriptedAgent
from tests.support.live_server import LiveServer
from tests.support.public_proxy import PublicProxy
from tests.support.rtc_bot import quick

SHARE = "07ff8706ab.gradio.live"
SPACE = "me-voice-bot.hf.space"
EVIL = {"Origin": "https://evil.example"}
ON_A_SPACE: dict[str, Any] = {"space_id": "me/voice-bot", "space_host": SPACE}
LOGIN: dict[str, Any] = {"app_username": "ann", "app_password": SecretStr("horse")}


class Visitor:
    """Somebody who knows only the public name."""

    def __init__(self, host: str, port: int, **headers: str) -> None:
        self.host, self._port = host, port
        self._headers = {"Origin": f"https://{host}", **headers}

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**self._headers, **options.pop("headers", {}), "Host": self.host}
        async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{self._port}") as http:
            return await http.request(method, path, headers=headers, **options)

    @asynccontextmanager
    async def talk(self, **headers: str) -> AsyncIterator[ClientConnection]:
        url, extra = f"ws://{self.host}/ws", {**self._headers, **headers}
        async with connect(
            url, host="127.0.0.1", port=self._port, additional_headers=extra, proxy=None, max_size=None
        ) as socket:
            yield socket

    async def ws_status(self, **headers: str) -> int:
        try:
            async with self.talk(**headers):
                return 101
        except InvalidStatus as refusal:
            return refusal.response.status_code


async def said(socket: ClientConnection, event: str) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = json.loads(await socket.recv())
        if message["event"] == event:
            return message


@asynccontextmanager
async def behind(
    sets: dict[str, str], visitor: str = "198.51.100.7", **settings: Any
) -> AsyncIterator[tuple[LiveServer, int]]:
    """The server, and the port of a proxy before it."""
    async with (
        quick(ScriptedAgent(scripts=[["Hello there."]]), **settings) as server,
        PublicProxy(server.url, visitor=visitor, sets=sets).running() as proxy,
    ):
        yield server, proxy.port


async def page_is_whole(visitor: Visitor, **options: Any) -> httpx.Response:
    """The page loads with its parts, which have no host in their addresses: the browser has the public one."""
    page = await visitor.ask("GET", "/", **options)
    assert page.status_code == 200
    assert "Voice Bot" in page.text
    assert visitor.host not in page.text
    parts = re.findall(r'(?:src|href)="\./((?:assets|static)/[^"]+)"', page.text)
    assert {part.split("/")[0] for part in parts} == {"assets", "static"}
    for part in (*parts, "theme.css"):
        assert (await visitor.ask("GET", f"/{part}", **options)).status_code == 200
    return page


# A share link: frp leaves Host as it came, and adds to X-Forwarded-For (huggingface/frp, pkg/util/vhost/http.go) ------


async def test_the_page_and_the_websocket_are_served_through_a_share_link() -> None:
    async with behind({"X-Forwarded-Proto": "https"}, allowed_hosts=SHARE) as (server, port):
        visitor = Visitor(SHARE, port)
        await page_is_whole(visitor)
        assert (await visitor.ask("POST", "/preflight")).status_code == 200
        assert (await visitor.ask("POST", "/preflight", headers=EVIL)).status_code == 403
        assert await visitor.ws_status(**EVIL) == 403
        async with visitor.talk() as socket:
            await said(socket, "connected")
            await socket.send(json.dumps({"type": "text", "text": "hello"}))
            assert (await said(socket, "llm.final"))["text"] == "Hello there."
            clip = await said(socket, "play_audio")
            assert clip["audio"]
            assert server.services.admission.sessions == 1


async def test_the_login_is_required_through_a_share_link() -> None:
    async with behind({"X-Forwarded-Proto": "https"}, **LOGIN) as (_, port):
        visitor = Visitor(SHARE, port)
        for path in ("/", "/config", "/webrtc/config"):
            assert (await visitor.ask("GET", path)).status_code == 401
        assert await visitor.ws_status() == 401
        right = httpx.BasicAuth("ann", "horse")
        await page_is_whole(visitor, auth=right)
        login = {"Authorization": f"Basic {b64encode(b'ann:horse').decode()}"}
        assert await visitor.ws_status(**login) == 101
        assert await visitor.ws_status(**login, **EVIL) == 403


@pytest.mark.parametrize("settings", [{}, {"trusted_proxies": 1}, {"allowed_origins": "https://other.example"}])
async def test_requests_for_an_unknown_host_are_refused_with_421(settings: dict[str, Any]) -> None:
    """A page that lets its own name point to this machine would see no more than this."""
    async with behind({}, **settings) as (server, port):
        visitor = Visitor("rebound.example", port, **{"X-Forwarded-Host": "127.0.0.1", "Forwarded": "host=localhost"})
        for method, path in (("GET", "/"), ("GET", "/health"), ("GET", "/metrics"), ("POST", "/webrtc/offer")):
            refused = await visitor.ask(method, path)
            assert refused.status_code == 421, path
            assert "ALLOWED_HOSTS" in refused.json()["error"]
        assert await visitor.ws_status() == 421
        assert server.services.admission.sessions == 0


# A Space --------------------------------------------------------------------------------------------------------------

EDGE = {"X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"}


async def test_a_space_serves_the_page_and_the_websocket_without_further_settings() -> None:
    async with behind(EDGE, **ON_A_SPACE) as (_, port):
        visitor = Visitor(SPACE, port)
        page = await page_is_whole(visitor)
        assert "https://huggingface.co" in page.headers["content-security-policy"], "its page may show us in a frame"
        assert "microphone=(self)" in page.headers["permissions-policy"]
        assert "x-frame-options" not in page.headers
        assert (await visitor.ask("POST", "/preflight")).status_code == 200
        assert await visitor.ws_status() == 101
        assert await visitor.ws_status(**EVIL) == 403


async def test_no_other_origin_may_frame_the_page_except_on_a_space() -> None:
    async with behind({"X-Forwarded-Proto": "https"}, allowed_hosts=SHARE) as (_, port):
        visitor = Visitor(SHARE, port)
        for answer in (await visitor.ask("GET", "/"), await visitor.ask("POST", "/preflight", headers=EVIL)):
            policy = [each.strip() for each in answer.headers["content-security-policy"].split(";")]
            assert [each for each in policy if each.startswith("frame-ancestors")] == ["frame-ancestors 'self'"]


async def test_a_space_refuses_a_foreign_origin_with_a_forged_forwarded_host() -> None:
    """The edge would let its browser ask with any header."""
    async with behind(EDGE, **ON_A_SPACE) as (_, port):
        liar = Visitor(SPACE, port, **EVIL, **{"X-Forwarded-Host": "evil.example"})
        assert (await liar.ask("POST", "/preflight")).status_code == 403
        assert (await liar.ask("POST", "/webrtc/offer", json={})).status_code == 403


async def test_a_space_that_sees_an_internal_host_name_accepts_only_its_own_origin() -> None:
    async with behind(EDGE | {"Host": "10.112.58.9:7860"}, **ON_A_SPACE) as (_, port):
        visitor = Visitor(SPACE, port)
        assert (await visitor.ask("POST", "/preflight")).status_code == 200
        assert (await visitor.ask("POST", "/preflight", headers=EVIL)).status_code == 403


async def test_a_space_limits_each_visitor_and_ignores_a_forged_forwarded_for() -> None:
    async with (
        behind(EDGE, "198.51.100.7", **ON_A_SPACE, max_sessions_per_address=1) as (server, port),
        PublicProxy(server.url, visitor="203.0.113.9", sets=EDGE).running() as elsewhere,
    ):
        ann, bob = Visitor(SPACE, port), Visitor(SPACE, elsewhere.port)
        liar = Visitor(SPACE, port, **{"X-Forwarded-For": "192.0.2.1"})
        async with ann.talk() as socket:
            await said(socket, "connected")
            async with bob.talk() as other:
                await said(other, "connected")
            async with liar.talk() as refused:
                assert "which is all you may" in (await said(refused, "error"))["message"]


# One's own, which puts another name into Host -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "status"),
    [({"trusted_proxies": 1}, 200), ({"allowed_origins": "https://bot.example"}, 200), ({}, 403)],
)
async def test_a_proxy_that_rewrites_the_host_is_accepted_only_if_configured(
    settings: dict[str, Any], status: int
) -> None:
    sets = {"Host": "127.0.0.1:9999", "X-Forwarded-Host": "bot.example", "X-Forwarded-Proto": "https"}
    async with behind(sets, **settings) as (_, port):
        visitor = Visitor("bot.example", port)
        assert (await visitor.ask("POST", "/preflight")).status_code == status
        assert await visitor.ws_status() == (101 if status == 200 else 403)
