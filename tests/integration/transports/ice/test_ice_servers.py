"""TURN credentials from a service on a real socket are fetched once for all visitors, and renewed in time."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from tests.simulators.faults import Fault, Planned
from tests.simulators.turn_credentials import API_TOKEN, HF_TOKEN, KEY_ID, TURN, TurnCredentialsSimulator
from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import serving
from voicebot.settings import config
from voicebot.transports.webrtc.ice import credentials
from voicebot.transports.webrtc.ice import servers as ice
from voicebot.transports.webrtc.ice.credentials import IceServer
from voicebot.transports.webrtc.ice.relay import RelayProbe
from voicebot.transports.webrtc.ice.servers import IceServers

SERVICES: dict[str, dict[str, Any]] = {
    "cloudflare": {"cloudflare_turn_key_id": KEY_ID, "cloudflare_turn_key_api_token": SecretStr(API_TOKEN)},
    "hf": {"hf_token": SecretStr(HF_TOKEN), "turn_provider": "hf"},
}


class ScriptedProbe:
    """Replaces `probe_relay`, since the simulated services name relays of the outside world."""

    def __init__(self, *probes: RelayProbe) -> None:
        self._probes = probes or (RelayProbe(TURN[0]),)
        self.count = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, _: Iterable[IceServer]) -> RelayProbe:
        await self.may_answer.wait()
        self.count += 1
        return self._probes[min(self.count, len(self._probes)) - 1]


@asynccontextmanager
async def ice_of(
    service: TurnCredentialsSimulator,
    monkeypatch: pytest.MonkeyPatch,
    name: str = "cloudflare",
    probe: ScriptedProbe | None = None,
    **settings: Any,
) -> AsyncIterator[IceServers]:
    monkeypatch.setattr(credentials, "CLOUDFLARE_URL", service.url)
    monkeypatch.setattr(credentials, "HUGGING_FACE_URL", service.url)
    monkeypatch.setattr(ice, "probe_relay", probe or ScriptedProbe())
    servers = IceServers(config.load(**SERVICES[name], **settings))
    servers.start()
    try:
        yield servers
    finally:
        await servers.close()


def users(servers: list[IceServer]) -> list[str]:
    """Returns the user names for the relays."""
    return [server.username or "" for server in servers if server.is_relay]


async def until_ready(servers: IceServers, ready: bool = True) -> None:
    async with asyncio.timeout(5):
        while servers.health["ready"] != ready:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("name", SERVICES)
async def test_each_provider_gives_relays_with_credentials_and_a_stun_server(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with TurnCredentialsSimulator() as service, ice_of(service, monkeypatch, name) as servers:
        given = await servers.for_page()
        assert service.ttls == [7_200]
        relays = [url for server in given if server.is_relay for url in server.urls]
        assert relays == [url for url in TURN if ":53?" not in url]
        assert set(users(given)) == {"user1"}
        assert {server.credential for server in given if server.is_relay} == {"credential1"}
        assert any(not server.is_relay for server in given), "the page gets the STUN server of the provider"
        assert servers.health["ready"]
        assert servers.health["provider"] == name


async def test_visitors_who_come_at_once_share_one_request_for_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    async with TurnCredentialsSimulator() as service, ice_of(service, monkeypatch) as servers:
        given = await asyncio.gather(*(servers.for_page() for _ in range(20)))
        assert all(users(each) == ["user1"] for each in given)
        await servers.for_server()
        assert len(service.requests) == 1


async def test_credentials_live_twice_as_long_as_a_long_session(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        TurnCredentialsSimulator() as service,
        ice_of(service, monkeypatch, session_minutes=180) as servers,
    ):
        await servers.for_page()
        assert service.ttls == [2 * 180 * 60]
        assert servers.valid_s == pytest.approx(180 * 60 - ice.CONNECT_S, abs=5)


async def test_credentials_are_renewed_in_the_background_before_a_session_could_outlive_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ice, "LIFETIME_S", 1)
    monkeypatch.setattr(ice, "CONNECT_S", 0.3)
    async with (
        TurnCredentialsSimulator() as service,
        ice_of(service, monkeypatch, session_minutes=0.005) as servers,
    ):
        assert users(await servers.for_page()) == ["user1"]
        service.faults.plan(Fault.HANG)
        await service.requested(2)
        async with asyncio.timeout(0.2):
            assert users(await servers.for_page()) == ["user1"], (
                "the credentials last for a whole session, so no visitor waits"
            )


async def test_old_credentials_are_used_until_just_before_expiry_while_the_provider_is_down(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ice, "LIFETIME_S", 1)
    monkeypatch.setattr(ice, "CONNECT_S", 0.2)
    monkeypatch.setattr(ice, "RETRY_S", 0.05)
    monkeypatch.setattr(ice, "MAX_RETRY_S", 0.05)
    async with (
        TurnCredentialsSimulator() as service,
        ice_of(service, monkeypatch, session_minutes=0.005) as servers,
    ):
        await servers.for_page()
        service.faults.always(Fault.SERVER_ERROR)
        await service.requested(3)
        assert users(await servers.for_page()) == ["user1"]
        assert not servers.health["ready"]
        assert "status 500" in servers.health["problem"]
        async with asyncio.timeout(5):
            while users(await servers.for_page()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        service.faults.always(None)
        await until_ready(servers)
        assert users(await servers.for_page()) == ["user2"]
    assert caplog.text.count("issued no credentials") == 1


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (Fault.UNAUTHORIZED, "does not accept CLOUDFLARE_TURN_KEY_ID and CLOUDFLARE_TURN_KEY_API_TOKEN (401)"),
        (Fault.FORBIDDEN, "(403)"),
        (Fault.RATE_LIMITED, "status 429"),
        (Fault.SERVER_ERROR, "status 500"),
        (Fault.REFUSE, "can't be reached"),
        (Planned(Fault.GARBAGE, after=0), "can't be reached"),
        (Fault.HANG, "no answer within 0.2 s"),
    ],
)
async def test_a_provider_fault_costs_only_the_relay_and_is_retried_later(
    fault: Fault | Planned, problem: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usual_timeout_s = credentials.REQUEST_TIMEOUT_S
    if fault is Fault.HANG:
        monkeypatch.setattr(credentials, "REQUEST_TIMEOUT_S", 0.2)
    monkeypatch.setattr(ice, "RETRY_S", 1.0)
    caplog.set_level(logging.DEBUG)
    stun = "stun:stun.example:3478"
    async with TurnCredentialsSimulator() as service:
        service.faults.plan(fault)
        async with ice_of(service, monkeypatch, stun_url=stun) as servers:
            assert [server.urls for server in await servers.for_page()] == [(stun,)]
            assert [server.urls for server in await servers.for_server()] == [(stun,)]
            assert problem in servers.health["problem"]
            assert problem in caplog.text
            assert len(service.requests) == 1, "the next visitor does not wait for the provider again"
            monkeypatch.setattr(credentials, "REQUEST_TIMEOUT_S", usual_timeout_s)
            await until_ready(servers)
            assert users(await servers.for_page()) == ["user1"]
    assert API_TOKEN not in caplog.text
    assert "credential1" not in caplog.text


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"iceServers": "<html>"}, "lists no ICE servers"),
        ({"iceServers": [{"urls": ["stun:a:1"]}]}, "names no TURN server with credentials"),
        ([1, 2], "lists no ICE servers"),
    ],
)
async def test_an_answer_without_usable_servers_is_reported_as_a_problem(
    answer: Any, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with TurnCredentialsSimulator() as service:
        service.answer_with = answer
        async with ice_of(service, monkeypatch) as servers:
            assert await servers.for_page() == []
            assert problem in servers.health["problem"]


async def test_a_visitor_waits_only_briefly_for_a_provider_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ice, "WAIT_S", 0.05)
    async with TurnCredentialsSimulator() as service:
        service.faults.plan(Fault.HANG)
        async with ice_of(service, monkeypatch) as servers:
            async with asyncio.timeout(credentials.REQUEST_TIMEOUT_S / 2):
                assert await servers.for_page() == []
            await service.requested(1)


async def test_a_visitor_who_leaves_does_not_cancel_the_request_that_others_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with TurnCredentialsSimulator() as service, ice_of(service, monkeypatch) as servers:
        first = asyncio.create_task(servers.for_page())
        await service.requested(1)
        first.cancel()
        assert users(await servers.for_page()) == ["user1"]
        assert len(service.requests) == 1


@pytest.mark.parametrize(("url", "stun"), [(TURN[0], True), (TURN[-1], False)])
async def test_the_server_uses_the_open_relay_url_and_stun_only_over_udp(
    url: str, stun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = ScriptedProbe(RelayProbe(url))
    async with TurnCredentialsSimulator() as service, ice_of(service, monkeypatch, probe=probe) as servers:
        ours = await servers.for_server()
        assert [(server.urls, server.username) for server in ours if server.is_relay] == [((url,), "user1")]
        assert any(not server.is_relay for server in ours) == stun


async def test_the_first_visitor_waits_until_the_open_relay_url_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = ScriptedProbe(RelayProbe(TURN[-1]))
    probe.may_answer.clear()
    async with TurnCredentialsSimulator() as service, ice_of(service, monkeypatch, probe=probe) as servers:
        visitor = asyncio.create_task(servers.for_server())
        await service.requested(1)
        await asyncio.wait([visitor], timeout=0.1)
        assert not visitor.done()
        probe.may_answer.set()
        assert [server.urls for server in await visitor if server.is_relay] == [(TURN[-1],)]


async def test_a_visitor_does_not_wait_for_ever_for_the_open_relay_url(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = ScriptedProbe()
    probe.may_answer.clear()
    async with TurnCredentialsSimulator() as service, ice_of(service, monkeypatch, probe=probe) as servers:
        assert users(await servers.for_page()) == ["user1"]
        monkeypatch.setattr(ice, "WAIT_S", 0.1)
        async with asyncio.timeout(5):
            assert users(await servers.for_server()) == ["user1"]


async def test_a_relay_that_the_server_cannot_reach_is_given_only_to_visitors_and_is_probed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probe = ScriptedProbe(RelayProbe(None, "no answer within 3 s"), RelayProbe(TURN[0]))
    monkeypatch.setattr(ice, "MAX_RETRY_S", 0.2)
    async with TurnCredentialsSimulator() as service, ice_of(service, monkeypatch, probe=probe) as servers:
        assert users(await servers.for_server()) == []
        assert users(await servers.for_page()) == ["user1"], "the visitor may reach the relay"
        assert servers.health == {
            "provider": "cloudflare",
            "ready": False,
            "relay": None,
            "problem": "no answer within 3 s",
        }
        await until_ready(servers)
        assert users(await servers.for_server()) == ["user1"]
        assert len(service.requests) == 1


async def test_missing_turn_settings_are_reported_only_on_a_space(caplog: pytest.LogCaptureFixture) -> None:
    servers = IceServers(config.load())
    servers.start()
    assert await servers.for_page() == await servers.for_server() == []
    assert servers.valid_s is None
    assert servers.health == {"provider": "none", "ready": False, "relay": None, "problem": None}
    assert caplog.text == ""
    assert servers.notice is None
    on_a_space = IceServers(config.load(space_id="me/bot"))
    on_a_space.start()
    assert "no relay is set" in caplog.text
    assert "No sound can reach or leave this Space" in str(on_a_space.notice)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"stun_url": "stun:a:1"}, [{"urls": ["stun:a:1"]}]),
        (
            {"turn_url": "turn:b:2", "turn_username": "u", "turn_credential": SecretStr("c")},
            [{"urls": ["turn:b:2"], "username": "u", "credential": "c"}],
        ),
        (
            {"stun_url": "stun:a:1", "turn_url": "turn:b:2", "turn_username": "u", "turn_credential": SecretStr("c")},
            [{"urls": ["stun:a:1"]}, {"urls": ["turn:b:2"], "username": "u", "credential": "c"}],
        ),
    ],
)
async def test_configured_stun_and_turn_servers_are_given_to_the_page(
    given: dict[str, Any], expected: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ice, "probe_relay", ScriptedProbe())
    servers = IceServers(config.load(**given))
    servers.start()
    assert [server.as_json() for server in await servers.for_page()] == expected
    await servers.close()


async def test_the_page_gets_the_ice_servers_and_no_provider_key_leaves_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with TurnCredentialsSimulator() as service:
        monkeypatch.setattr(credentials, "CLOUDFLARE_URL", service.url)
        monkeypatch.setattr(ice, "probe_relay", ScriptedProbe())
        settings = config.load(**SERVICES["cloudflare"])
        async with serving(scripted(ScriptedStt(), ScriptedAgent(), ToneTts()), settings) as server:
            page_config = await server.get("/webrtc/config")
            assert [each.get("username") for each in page_config["iceServers"]] == [None, "user1"]
            assert 60 <= page_config["iceValidS"] <= ice.LIFETIME_S
            health = await server.get("/health")
            assert health["turn"]["ready"]
            for answer in (page_config, health):
                assert API_TOKEN not in json.dumps(answer)
                assert KEY_ID not in json.dumps(answer)
            assert "credential1" not in json.dumps(health)
