"""Through a real relay, coturn: the way to it is found, and a conversation goes over it and nothing else."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import aioice.ice
import pytest
from pydantic import SecretStr

from tests.live.test_webrtc import answered, quick
from tests.simulators.turn_credentials import API_TOKEN, KEY_ID, TurnCredentialsSimulator
from tests.support.coturn import SECRET, Coturn, running_coturn
from tests.support.engines import ScriptedAgent
from tests.support.rtc_client import RtcClient
from voicebot.transports.turn.relay import find_relay
from voicebot.transports.turn.server import IceServer


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with running_coturn(tmp_path_factory.mktemp("coturn")) as relay:
        yield relay


async def test_the_best_way_that_is_open_is_found(coturn: Coturn) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        silent = f"turn:127.0.0.1:{deaf.getsockname()[1]}?transport=udp"
        tcp, udp = coturn.url("tcp"), coturn.url("udp")
        both = await find_relay([IceServer((tcp, udp), *coturn.login(600))], 1)
        assert both.server is not None
        assert both.server.urls == (udp,), "over TCP a lost packet would delay the others"
        blocked = await find_relay([IceServer((silent, tcp), *coturn.login(600))], 0.5)
        assert blocked.server is not None
        assert blocked.server.urls == (tcp,)
        none = await find_relay([IceServer((silent,), *coturn.login(600))], 0.1)
        assert none.server is None
        assert none.problem == "no answer within 0.1 s"


async def test_where_only_tls_is_let_through_the_relay_is_found_within_a_second_more(
    coturn: Coturn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a Hugging Face Space: UDP and other TCP ports swallow everything."""
    monkeypatch.setenv("SSL_CERT_FILE", str(coturn.certificate))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.create_server(("127.0.0.1", 0)) as tcp,  # it accepts, and never says anything
    ):
        udp.bind(("127.0.0.1", 0))
        blocked = (
            f"turn:127.0.0.1:{udp.getsockname()[1]}?transport=udp",
            f"turn:127.0.0.1:{tcp.getsockname()[1]}?transport=tcp",
        )
        started_s = time.monotonic()
        found = await find_relay([IceServer((*blocked, coturn.tls_url), *coturn.login(600))], 30)
        assert found.server is not None
        assert found.server.urls == (coturn.tls_url,)
        assert time.monotonic() - started_s < 5, "the blocked ways are not waited for to their end"


async def test_why_there_is_none(coturn: Coturn) -> None:
    wrong = await find_relay([IceServer((coturn.url(),), "1999999999:voicebot", "guessed")])
    assert wrong.server is None
    assert "does not accept the credentials" in str(wrong.problem)
    expired = await find_relay([IceServer((coturn.url(),), *coturn.login(-60))])
    assert "does not accept the credentials" in str(expired.problem)
    nobody = await find_relay([IceServer(("turn:127.0.0.1:1?transport=tcp",), "u", "c")])
    assert "can't be reached" in str(nobody.problem)
    nowhere = await find_relay([IceServer(("turn:127.0.0.1:99999", "turn:127.0.0.1:99999?transport=tcp"), "u", "c")])
    assert "can't be reached" in str(nowhere.problem)
    stun = await find_relay([IceServer(("stun:127.0.0.1:3478",))])
    assert stun.problem == "it has no address that can be used"


def used(peer: Any) -> list[str]:
    """The kinds of the local addresses that a connection has settled on."""
    transports = {sender.transport.transport for sender in peer.getSenders()}
    return [pair.local_candidate.type for each in transports for pair in each._connection._nominated.values()]


@pytest.mark.parametrize("own", [False, True], ids=["service", "own relay"])
async def test_a_conversation_over_the_relay_alone(coturn: Coturn, own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither side has an address that the other could reach; the login is good for ten minutes."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda *_, **__: [])
    agent = ScriptedAgent(scripts=[["A sentence that is heard."]])
    async with TurnCredentialsSimulator(coturn.login, [coturn.url()]) as service:
        settings: dict[str, Any] = {"turn_url": coturn.url(), "turn_secret": SecretStr(SECRET)}
        if not own:
            keys = {"cloudflare_turn_key_id": KEY_ID, "cloudflare_turn_key_api_token": SecretStr(API_TOKEN)}
            settings = {**keys, "turn_api_url": service.url}
        async with quick(agent, turn_ttl_s=600, **settings) as server:
            told = await server.get("/webrtc/config")
            ours = [each for each in told["iceServers"] if "credential" in each]
            async with RtcClient(server.url, ice_servers=ours) as client:
                client.send({"type": "text", "text": "hello"})
                await client.wait_for_message(answered(1))
                assert client.heard.recorded().level_dbfs > -40
                (peer,) = server.connections.pcs.values()
                assert used(client._peer) == used(peer) == ["relay"]
            assert service.ttls == ([] if own else [600])
