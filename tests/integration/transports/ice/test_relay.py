"""A real relay, coturn: its reachable URL is found, and a conversation runs over the relay alone."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import aioice.ice
import pytest
from aioice.turn import create_turn_endpoint
from aiortc import RTCPeerConnection
from pydantic import SecretStr

from tests.simulators.turn_credentials import API_TOKEN, HF_TOKEN, KEY_ID, TurnCredentialsSimulator
from tests.support.coturn import SECRET, Coturn, running_coturn
from tests.support.engines import ScriptedAgent
from tests.support.rtc_bot import answered, quick
from tests.support.rtc_client import RtcClient
from voicebot.settings import config
from voicebot.transports.webrtc.ice import credentials
from voicebot.transports.webrtc.ice.credentials import IceServer
from voicebot.transports.webrtc.ice.relay import RelayProbe, probe_relay
from voicebot.transports.webrtc.ice.servers import IceServers


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with running_coturn(tmp_path_factory.mktemp("coturn")) as relay:
        yield relay


async def probe(urls: list[str], login: tuple[str, str], timeout_s: float = 2.5) -> RelayProbe:
    username, credential = login
    return await probe_relay([IceServer(urls=tuple(urls), username=username, credential=credential)], timeout_s)


async def test_the_relay_is_reached_over_udp_or_over_tcp_where_udp_is_blocked(coturn: Coturn) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        silent = f"turn:127.0.0.1:{deaf.getsockname()[1]}?transport=udp"
        tcp, udp = coturn.url("tcp"), coturn.url("udp")
        both = await probe([tcp, udp], coturn.login(600))
        assert both.url == udp, "over TCP a lost packet would delay the others"
        blocked = await probe([silent, tcp], coturn.login(600), 0.5)
        assert blocked.url == tcp
        none = await probe([silent], coturn.login(600), 0.1)
        assert none.url is None
        assert none.problem == "no answer within 0.1 s"


@contextmanager
def black_holes() -> Iterator[list[str]]:
    """Yields addresses of a relay that never answer, as behind a firewall that drops UDP and other ports."""
    with ExitStack() as stack:
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        silent = stack.enter_context(
            socket.create_server(("127.0.0.1", 0))
        )  # This socket accepts connections, and sends nothing.
        full = stack.enter_context(
            socket.create_server(("127.0.0.1", 0), backlog=0)
        )  # The queue of this socket is full, so that it completes no handshake.
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        udp_port, silent_port, full_port = (each.getsockname()[1] for each in (udp, silent, full))
        yield [
            f"turn:127.0.0.1:{udp_port}?transport=udp",
            f"turn:127.0.0.1:{full_port}?transport=tcp",
            f"turn:127.0.0.1:{silent_port}?transport=tcp",
            f"turns:127.0.0.1:{silent_port}?transport=tcp",
        ]


async def test_the_relay_is_found_within_five_seconds_where_only_tls_gets_through(
    coturn: Coturn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Hugging Face Space drops UDP and other TCP ports."""
    monkeypatch.setenv("SSL_CERT_FILE", str(coturn.certificate))
    with black_holes() as blocked:
        started_s = time.monotonic()
        found = await probe([*blocked, coturn.tls_url], coturn.login(600))
        assert found.url == coturn.tls_url
        assert time.monotonic() - started_s < 5, "the URLs are tried at the same time"


LOGINS: dict[str, dict[str, Any]] = {
    "hf": {"hf_token": SecretStr(HF_TOKEN)},
    "cloudflare": {"cloudflare_turn_key_id": KEY_ID, "cloudflare_turn_key_api_token": SecretStr(API_TOKEN)},
    "static": {"turn_secret": SecretStr(SECRET)},
}


@pytest.mark.parametrize("provider", LOGINS)
async def test_a_starting_space_finds_the_one_open_relay_address_of_each_provider(
    provider: str, coturn: Coturn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(coturn.certificate))
    url = coturn.tls_url
    with black_holes() as blocked:
        async with TurnCredentialsSimulator(coturn.login, [*blocked, url]) as service:
            monkeypatch.setattr(credentials, "CLOUDFLARE_URL", service.url)
            monkeypatch.setattr(credentials, "HUGGING_FACE_URL", service.url)
            settings: dict[str, Any] = LOGINS[provider] | {"space_id": "me/bot"}
            if provider == "static":
                settings["turn_url"] = url
            servers = IceServers(config.load(**settings))
            servers.start()
            try:
                async with asyncio.timeout(5):
                    ours = await servers.for_server()
                assert [server.urls for server in ours] == [(url,)]
                assert servers.health == {"provider": provider, "ready": True, "relay": url, "problem": None}
            finally:
                await servers.close()


async def test_a_relay_that_cannot_be_used_is_reported_with_the_reason(coturn: Coturn) -> None:
    wrong = await probe([coturn.url()], ("1999999999:voicebot", "guessed"))
    assert wrong.url is None
    assert "does not accept the credentials" in str(wrong.problem)
    expired = await probe([coturn.url()], coturn.login(-60))
    assert "does not accept the credentials" in str(expired.problem)
    nobody = await probe(["turn:127.0.0.1:1?transport=tcp"], ("u", "c"))
    assert "can't be reached" in str(nobody.problem)
    nowhere = await probe(["turn:127.0.0.1:99999", "turn:127.0.0.1:99999?transport=tcp"], ("u", "c"))
    assert "can't be reached" in str(nowhere.problem)
    stun = await probe_relay([IceServer(urls=("stun:127.0.0.1:3478",))])
    assert stun.problem == "it has no URL that can be used"


class _Refusals(asyncio.DatagramProtocol):
    """Keeps the first error of a TURN connection."""

    def __init__(self) -> None:
        self.first: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    def error_received(self, exc: Exception) -> None:
        if not self.first.done():
            self.first.set_result(exc)


@pytest.mark.parametrize("peer", ["10.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1", "127.0.0.2"])
async def test_the_relay_forwards_nothing_into_its_own_network(peer: str, coturn: Coturn) -> None:
    """A visitor has a login of the relay, and could reach other machines of the operator through it."""
    username, credential = coturn.login(600)
    transport, refusals = await create_turn_endpoint(_Refusals, ("127.0.0.1", coturn.port), username, credential)
    try:
        transport.sendto(b"GET / HTTP/1.0\r\n\r\n", (peer, 80))
        error = await asyncio.wait_for(refusals.first, 5)
    finally:
        transport.close()
        await asyncio.sleep(0)
    assert "(403 - Forbidden IP)" in str(error)


def candidate_types(peer: RTCPeerConnection) -> set[str]:
    """Returns the kinds of addresses that a connection has offered."""
    return set(re.findall(r"^a=candidate:.* typ (\w+)", peer.localDescription.sdp, re.MULTILINE))


@pytest.mark.parametrize(("own", "tls"), [(False, False), (True, False), (False, True)])
async def test_a_conversation_runs_over_the_relay_alone(
    coturn: Coturn, own: bool, tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither side has an address that the other could reach."""
    monkeypatch.setenv("SSL_CERT_FILE", str(coturn.certificate))
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda *_, **__: [])
    url = coturn.tls_url if tls else coturn.url()
    agent = ScriptedAgent(scripts=[["A sentence that is heard."]])
    async with TurnCredentialsSimulator(coturn.login, [url]) as service:
        monkeypatch.setattr(credentials, "CLOUDFLARE_URL", service.url)
        settings: dict[str, Any] = {"turn_url": url, "turn_secret": SecretStr(SECRET)}
        if not own:
            settings = {"cloudflare_turn_key_id": KEY_ID, "cloudflare_turn_key_api_token": SecretStr(API_TOKEN)}
        async with quick(agent, **settings) as server:
            page_config = await server.get("/webrtc/config")
            ours = [each for each in page_config["iceServers"] if "credential" in each]
            async with RtcClient(server.url, ice_servers=ours) as client:
                client.send({"type": "text", "text": "hello"})
                await client.wait_for_message(answered(1))
                assert client.heard.recorded().level_dbfs > -40
                (peer,) = (each.rtc for each in server.webrtc.peers)
                assert candidate_types(client.peer) == candidate_types(peer) == {"relay"}
            assert service.ttls == ([] if own else [7_200])
