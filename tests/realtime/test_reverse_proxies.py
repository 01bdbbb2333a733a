"""The app behind nginx and Caddy, with the configuration files of deploy/ and the settings that they name."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.support.engines import ScriptedAgent
from tests.support.live_server import LiveServer
from tests.support.reverse_proxies import DEPLOY, HOST, ReverseProxy, running_proxy
from tests.support.rtc_bot import answered, quick
from tests.support.rtc_client import OfferRefusedError, RtcClient
from voicebot.session.session import Session

PROXIES = ("nginx", "caddy")
EVIL = {"Origin": "https://evil.example"}


def named_settings(file: str) -> dict[str, Any]:
    """Returns the settings that a configuration file asks for in its first lines."""
    (line,) = re.findall(r"^# The bot needs: (.*)$", (DEPLOY / file).read_text("utf-8"), re.MULTILINE)
    return {name.lower(): value for name, value in (pair.split("=") for pair in line.split())}


SETTINGS: dict[str, dict[str, Any]] = {"nginx": named_settings("nginx.conf"), "caddy": named_settings("Caddyfile")}


class _Transport(httpx.AsyncHTTPTransport):
    """Finds the proxy's host name at 127.0.0.1."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sni_hostname"] = request.url.host
        request.url = request.url.copy_with(host="127.0.0.1")
        return await super().handle_async_request(request)


class Visitor:
    """A client that knows only the public address, and has an address of its own on this machine."""

    def __init__(self, proxy: ReverseProxy, path: str = "/", address: str = "127.0.0.1", host: str = HOST) -> None:
        self.proxy = proxy
        self.origin = f"https://{host}:{proxy.port}"
        self.url = self.origin + path
        self._address = address

    def http(self, timeout_s: float = 5.0) -> httpx.AsyncClient:
        transport = _Transport(verify=self.proxy.tls, local_address=self._address)
        headers = {"Origin": self.origin}
        return httpx.AsyncClient(transport=transport, base_url=self.url, headers=headers, timeout=timeout_s)

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async with self.http() as http:
            return await http.request(method, path, **options)

    @asynccontextmanager
    async def socket(self, **headers: str) -> AsyncIterator[ClientConnection]:
        async with connect(
            f"wss{self.url.removeprefix('https')}ws",
            host="127.0.0.1",
            local_addr=(self._address, 0),
            ssl=self.proxy.tls,
            additional_headers={"Origin": self.origin, **headers},
            proxy=None,
            max_size=None,
        ) as socket:
            yield socket

    async def first_events(self, **headers: str) -> list[str]:
        """Opens a session and returns the events up to the one that says whether it may go on."""
        events: list[str] = []
        async with self.socket(**headers) as socket:
            while not {"connected", "error"}.intersection(events):
                events.append(json.loads(await socket.recv())["event"])
        return events


class RtcVisitor(RtcClient):
    """A WebRTC client that sends its offer through the proxy."""

    def __init__(self, visitor: Visitor) -> None:
        super().__init__(visitor.url)
        self._visitor = visitor

    def http_client(self, timeout_s: float) -> httpx.AsyncClient:
        return self._visitor.http(timeout_s)


@asynccontextmanager
async def behind(
    program: str, *, under_path: bool = False, **settings: Any
) -> AsyncIterator[tuple[LiveServer, ReverseProxy]]:
    agent = ScriptedAgent(scripts=[["Hello there."], ["Hello there."]])
    async with quick(agent, **{**SETTINGS[program], **settings}) as server:
        port = int(server.url.rsplit(":", 1)[1])
        with running_proxy(program, port, under_path=under_path) as proxy:
            yield server, proxy


async def next_event(socket: ClientConnection, event: str) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = json.loads(await socket.recv())
        if message["event"] == event:
            return message


@pytest.mark.parametrize("path", ["/", "/bot/"])
@pytest.mark.parametrize("program", PROXIES)
async def test_the_page_a_websocket_and_the_voice_work_through_the_proxy(program: str, path: str) -> None:
    async with behind(program, under_path=path != "/") as (_, proxy):
        visitor = Visitor(proxy, path)
        page = await visitor.ask("GET", "")
        assert page.status_code == 200
        parts = re.findall(r'(?:src|href)="\./((?:assets|static)/[^"]+)"', page.text)
        assert {part.split("/")[0] for part in parts} == {"assets", "static"}
        async with visitor.http() as http:
            for part in (*parts, "theme.css", "webrtc/config"):
                assert (await http.get(part)).status_code == 200, part
        assert (await visitor.ask("POST", "preflight")).status_code == 200

        async with visitor.socket() as socket:
            await next_event(socket, "connected")
            await socket.send(json.dumps({"type": "text", "text": "hello"}))
            assert (await next_event(socket, "llm.final"))["text"] == "Hello there."
            assert (await next_event(socket, "play_audio"))["audio"]

        async with RtcVisitor(visitor) as client:
            client.send({"type": "text", "text": "hello"})
            await client.wait_for_message(answered(1))
            assert client.heard.recorded().level_dbfs > -40


@pytest.mark.parametrize("path", ["/", "/bot/"])
@pytest.mark.parametrize("program", PROXIES)
async def test_somebody_invited_speaks_through_the_proxy(program: str, path: str) -> None:
    async with behind(program, under_path=path != "/") as (server, proxy):
        visitor, desk = Visitor(proxy, path), Visitor(proxy, path, "127.0.0.2")
        server.services.invitations.base_url = visitor.url  # as PUBLIC_URL
        async with visitor.socket() as socket:
            await next_event(socket, "connected")
            (session,) = server.sessions("ws")
            assert isinstance(session, Session)
            say_url = server.services.invitations.invite(session.conversation_key)
            assert say_url.startswith(f"{visitor.url}say/")
            assert (await desk.ask("POST", say_url, json={"text": "Your table is booked."})).status_code == 202
            assert (await next_event(socket, "play_audio"))["text"] == "Your table is booked."
            assert (await desk.ask("DELETE", say_url)).status_code == 204
            assert (await desk.ask("POST", say_url, json={"text": "Hello."})).status_code == 404


@pytest.mark.parametrize("program", PROXIES)
async def test_each_visitor_counts_with_an_address_that_cannot_be_forged(program: str) -> None:
    async with behind(program, max_sessions_per_address=1) as (_, proxy):
        ann, bob = Visitor(proxy), Visitor(proxy, address="127.0.0.2")
        async with ann.socket() as socket:
            await next_event(socket, "connected")
            assert "error" in await ann.first_events()
            assert "error" in await ann.first_events(**{"X-Forwarded-For": "192.0.2.1"})
            assert "connected" in await bob.first_events()
    async with behind(program, max_sessions_per_address=1, trusted_proxies=0) as (_, proxy):
        ann, bob = Visitor(proxy), Visitor(proxy, address="127.0.0.2")
        async with ann.socket() as socket:
            await next_event(socket, "connected")
            assert "error" in await bob.first_events(), "all count as one"


@pytest.mark.parametrize("program", PROXIES)
async def test_other_sites_and_other_host_names_are_refused_through_the_proxy(program: str) -> None:
    async with behind(program) as (_, proxy):
        visitor = Visitor(proxy)
        assert (await visitor.ask("POST", "preflight", headers=EVIL)).status_code == 403
        assert (await visitor.ask("POST", "webrtc/offer", headers=EVIL, json={})).status_code == 403
        with pytest.raises(InvalidStatus) as refused:
            async with visitor.socket(**EVIL):
                pass
        assert refused.value.response.status_code == 403
    # The proxy answers to the name, but the bot was not told of it.
    async with behind(program, allowed_hosts="other.example.org") as (_, proxy):
        for method, path in (("GET", ""), ("GET", "health"), ("POST", "webrtc/offer")):
            assert (await Visitor(proxy).ask(method, path)).status_code == 421
        with pytest.raises(OfferRefusedError) as rtc_refused:
            async with RtcVisitor(Visitor(proxy)):
                pass
        assert rtc_refused.value.status == 421


@pytest.mark.parametrize("program", PROXIES)
async def test_a_body_that_is_too_long_gets_the_answer_of_the_bot(program: str) -> None:
    async with behind(program) as (_, proxy):
        long = await Visitor(proxy).ask("POST", "conversations", content=b"{" + b" " * 1_100_000 + b"}")
        assert long.status_code == 413
        assert "bytes are allowed" in long.json()["error"]
        allowed = await Visitor(proxy).ask("POST", "conversations", content=b" " * 1_000_000)
        assert allowed.status_code == 422, "it comes through, and is no transcript"


@pytest.mark.parametrize("program", PROXIES)
async def test_plain_http_is_redirected_to_https(program: str) -> None:
    async with behind(program) as (_, proxy), httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"http://127.0.0.1:{proxy.http_port}/health", headers={"Host": HOST})
        assert answer.status_code in (301, 308)
        assert answer.headers["location"].startswith(f"https://{HOST}")
