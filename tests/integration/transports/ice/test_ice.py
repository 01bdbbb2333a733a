"""TURN credentials from a service on a real socket: fetched once for all, renewed in time, and missed without harm."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from tests.simulators.faults import Fault, Planned
from tests.simulators.turn_credentials import (
    ACCOUNT_SID,
    API_TOKEN,
    AUTH_TOKEN,
    HF_TOKEN,
    KEY_ID,
    TURN,
    TurnCredentialsSimulator,
)
from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import serving
from voicebot.settings import config
from voicebot.transports.webrtc.ice import servers as ice
from voicebot.transports.webrtc.ice.relay import Relay
from voicebot.transports.webrtc.ice.server import IceServer
from voicebot.transports.webrtc.ice.servers import MAX_RETRY_S, RETRY_S, IceServers

SERVICES: dict[str, dict[str, Any]] = {
    "cloudflare": {"cloudflare_turn_key_id": KEY_ID, "cloudflare_turn_key_api_token": SecretStr(API_TOKEN)},
    "twilio": {"twilio_account_sid": ACCOUNT_SID, "twilio_auth_token": SecretStr(AUTH_TOKEN)},
    "hf": {"hf_token": SecretStr(HF_TOKEN), "turn_provider": "hf"},
}


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def no_relay_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have names of the outside world; `test_relay` looks for a real one."""

    async def find_relay(_: Any) -> Relay:
        return Relay(IceServer((TURN[0],)))

    monkeypatch.setattr(ice, "find_relay", find_relay)


@asynccontextmanager
async def ice_of(
    service: TurnCredentialsSimulator, name: str = "cloudflare", clock: Watch | None = None, **settings: Any
) -> AsyncIterator[IceServers]:
    given: dict[str, Any] = SERVICES[name] | {"turn_api_url": service.url, "turn_ttl_s": 7_200} | settings
    servers = IceServers(config.load(**given), clock or Watch())
    try:
        yield servers
    finally:
        await servers.close()


def users(servers: list[IceServer]) -> list[str]:
    """Of the relays."""
    return [server.username or "" for server in servers if server.is_relay]


@pytest.mark.parametrize("name", SERVICES)
async def test_each_provider_gives_relays_with_credentials_and_a_stun_server(name: str) -> None:
    async with TurnCredentialsSimulator() as service, ice_of(service, name) as servers:
        given = await servers.for_page()
        assert service.ttls == [7_200]
        relays = [url for server in given if server.is_relay for url in server.urls]
        assert relays == [url for url in TURN if ":53?" not in url]
        assert set(users(given)) == {"user1"}
        assert {server.credential for server in given if server.is_relay} == {"credential1"}
        assert any(not server.is_relay for server in given), "its STUN server"
        assert servers.health["ready"]
        assert servers.health["provider"] == name


async def test_visitors_who_come_at_once_share_one_request_for_credentials() -> None:
    async with TurnCredentialsSimulator() as service, ice_of(service) as servers:
        given = await asyncio.gather(*(servers.for_page() for _ in range(20)))
        assert all(users(each) == ["user1"] for each in given)
        await servers.for_server()
        assert len(service.requests) == 1


async def test_credentials_are_renewed_in_the_background_before_a_session_could_outlive_them() -> None:
    clock = Watch()
    async with (
        TurnCredentialsSimulator() as service,
        ice_of(service, clock=clock, session_minutes=30) as servers,
    ):
        await servers.for_page()
        # 1,860 s are needed; the next are fetched a tenth of that earlier
        clock.now_s += 7_200 - 1_860 - 200
        assert users(await servers.for_page()) == ["user1"]
        assert servers.valid_s == 200
        assert len(service.requests) == 1
        clock.now_s += 100
        service.faults.plan(Fault.HANG)
        async with asyncio.timeout(1):
            assert users(await servers.for_page()) == ["user1"], "good enough for a whole session: nobody waits"
        await service.requested(2)


async def test_a_visitor_waits_for_new_credentials_when_a_session_could_outlive_the_old() -> None:
    clock = Watch()
    async with TurnCredentialsSimulator() as service, ice_of(service, clock=clock, session_minutes=30) as servers:
        await servers.for_page()
        clock.now_s += 7_200 - 1_860 + 1
        assert users(await servers.for_page()) == ["user2"]


async def test_short_lived_credentials_are_replaced_after_a_quarter_of_their_life() -> None:
    clock = Watch()
    async with TurnCredentialsSimulator() as service, ice_of(service, clock=clock, turn_ttl_s=400) as servers:
        await servers.for_page()
        clock.now_s += 60
        assert users(await servers.for_page()) == ["user1"]
        clock.now_s += 41
        assert users(await servers.for_page()) == ["user2"]


async def test_old_credentials_are_used_until_just_before_expiry_while_the_provider_is_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Watch()
    async with TurnCredentialsSimulator() as service, ice_of(service, clock=clock) as servers:
        await servers.for_page()
        service.faults.always(Fault.SERVER_ERROR)
        clock.now_s += 7_200 - 120
        assert users(await servers.for_page()) == ["user1"]
        assert not servers.health["ready"]
        assert "status 500" in servers.health["problem"]
        clock.now_s += 61
        assert users(await servers.for_page()) == []
        service.faults.always(None)
        clock.now_s += 3 * RETRY_S
        assert users(await servers.for_page()) == ["user2"]
        assert servers.health["ready"]
    assert caplog.text.count("gives no credentials") == 1


async def test_a_provider_that_was_down_for_long_is_asked_again_after_the_longest_retry_time() -> None:
    clock = Watch()
    async with TurnCredentialsSimulator() as service, ice_of(service, clock=clock) as servers:
        service.faults.always(Fault.SERVER_ERROR)
        for _ in range(100):
            assert users(await servers.for_page()) == []
            clock.now_s += MAX_RETRY_S
        assert users(await servers.for_page()) == []
        service.faults.always(None)
        clock.now_s += MAX_RETRY_S - 1
        assert users(await servers.for_page()) == []
        clock.now_s += 1
        assert users(await servers.for_page()) == ["user1"]


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (Fault.UNAUTHORIZED, "does not accept CLOUDFLARE_TURN_KEY_ID and CLOUDFLARE_TURN_KEY_API_TOKEN (401)"),
        (Fault.FORBIDDEN, "(403)"),
        (Fault.RATE_LIMITED, "status 429"),
        (Fault.SERVER_ERROR, "status 500"),
        (Fault.REFUSE, "can't be reached"),
        (Fault.HANG, "no answer within 0.2 s"),
    ],
)
async def test_a_provider_fault_costs_only_the_relay_and_is_retried_later(
    fault: Fault, problem: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if fault is Fault.HANG:
        monkeypatch.setattr(ice, "FETCH_S", 0.2)
    caplog.set_level(logging.DEBUG)
    clock = Watch()
    stun = "stun:stun.example:3478"
    async with TurnCredentialsSimulator() as service, ice_of(service, clock=clock, stun_url=stun) as servers:
        service.faults.plan(fault)
        assert [server.urls for server in await servers.for_page()] == [(stun,)]
        assert problem in servers.health["problem"]
        assert problem in caplog.text
        await servers.for_page()
        assert len(service.requests) == 1, "the next visitor does not wait for it again"
        clock.now_s += RETRY_S
        assert users(await servers.for_page()) == ["user1"]
    assert API_TOKEN not in caplog.text
    assert "credential1" not in caplog.text


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("<html>", "lists no ICE servers"),
        ({"iceServers": []}, "lists no ICE servers"),
        ({"iceServers": [{"urls": ["stun:a:1"]}]}, "names no TURN server with credentials"),
        ([1, 2], "is no JSON object"),
    ],
)
async def test_an_answer_without_usable_servers_is_reported_as_a_problem(answer: Any, problem: str) -> None:
    async with TurnCredentialsSimulator() as service, ice_of(service) as servers:
        service.answer_with = {"iceServers": answer} if answer == "<html>" else answer
        assert await servers.for_page() == []
        assert problem in servers.health["problem"]


async def test_a_garbled_answer_gives_no_servers_and_is_reported_as_a_problem() -> None:
    async with TurnCredentialsSimulator() as service, ice_of(service) as servers:
        service.faults.plan(Planned(Fault.GARBAGE, after=0))
        assert await servers.for_page() == []
        assert "can't be reached" in servers.health["problem"]


async def test_a_visitor_waits_only_briefly_for_a_provider_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ice, "WAIT_S", 0.05)
    async with TurnCredentialsSimulator() as service, ice_of(service) as servers:
        service.faults.plan(Fault.HANG)
        began_s = time.monotonic()
        async with asyncio.timeout(ice.FETCH_S / 2):
            assert await servers.for_page() == []
        assert time.monotonic() - began_s > 0.04
        await service.requested(1)


async def test_a_visitor_who_leaves_does_not_cancel_the_request_that_others_share() -> None:
    async with TurnCredentialsSimulator() as service, ice_of(service) as servers:
        first = asyncio.create_task(servers.for_page())
        await service.requested(1)
        first.cancel()
        assert users(await servers.for_page()) == ["user1"]
        assert len(service.requests) == 1


async def test_the_server_uses_the_open_relay_address_with_fresh_credentials() -> None:
    clock = Watch()
    async with TurnCredentialsSimulator() as service, ice_of(service, clock=clock) as servers:
        await servers.for_page()
        await asyncio.sleep(0)
        clock.now_s += 7_000
        relays = [server for server in await servers.for_server() if server.is_relay]
        assert [(relay.urls, relay.username) for relay in relays] == [((TURN[0],), "user2")]


@pytest.mark.parametrize(("way", "stun"), [(TURN[0], True), (TURN[-1], False)])
async def test_the_server_leaves_out_stun_when_the_relay_is_not_reached_over_udp(
    way: str, stun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find_relay(_: Any) -> Relay:
        return Relay(IceServer((way,)))

    monkeypatch.setattr(ice, "find_relay", find_relay)
    async with TurnCredentialsSimulator() as service, ice_of(service) as servers:
        await servers.for_page()
        await asyncio.sleep(0)
        ours = await servers.for_server()
        assert [server.urls for server in ours if server.is_relay] == [(way,)]
        assert any(not server.is_relay for server in ours) == stun


async def test_the_first_visitor_waits_until_the_open_relay_address_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    known = asyncio.Event()

    async def find_relay(_: Any) -> Relay:
        await known.wait()
        return Relay(IceServer((TURN[-1],)))

    monkeypatch.setattr(ice, "find_relay", find_relay)
    async with TurnCredentialsSimulator() as service, ice_of(service) as servers:
        servers.start()
        visitor = asyncio.create_task(servers.for_server())
        await service.requested(1)
        await asyncio.wait([visitor], timeout=0.1)
        assert not visitor.done()
        known.set()
        assert [server.urls for server in await visitor if server.is_relay] == [(TURN[-1],)]


async def test_a_visitor_does_not_wait_for_ever_for_the_open_relay_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async def find_relay(_: Any) -> Relay:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(ice, "find_relay", find_relay)
    async with TurnCredentialsSimulator() as service, ice_of(service) as servers:
        servers.start()
        assert users(await servers.for_page()) == ["user1"]
        monkeypatch.setattr(ice, "WAIT_S", 0.1)
        began_s = time.monotonic()
        async with asyncio.timeout(5):
            assert users(await servers.for_server()) == ["user1"]
        assert time.monotonic() - began_s > 0.09


async def test_a_relay_that_the_server_cannot_reach_is_given_only_to_visitors(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(_: Any) -> Relay:
        return Relay(None, "no answer within 3 s")

    monkeypatch.setattr(ice, "find_relay", none)
    async with TurnCredentialsSimulator() as service, ice_of(service) as servers:
        assert users(await servers.for_page()) == ["user1"], "the visitor may reach it"
        await asyncio.sleep(0)
        assert users(await servers.for_server()) == []
        assert servers.health == {
            "provider": "cloudflare",
            "ready": False,
            "relay": None,
            "problem": "no answer within 3 s",
        }


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
    assert "No sound gets into this Space" in str(on_a_space.notice)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"stun_url": "stun:a:1"}, [{"urls": ["stun:a:1"]}]),
        (
            {"turn_url": "turn:b:2", "turn_username": "u", "turn_credential": SecretStr("c")},
            [{"urls": ["turn:b:2"], "username": "u", "credential": "c"}],
        ),
        ({"stun_url": "stun:a:1", "turn_url": "turn:b:2"}, [{"urls": ["stun:a:1"]}, {"urls": ["turn:b:2"]}]),
    ],
)
async def test_configured_stun_and_turn_servers_are_given_to_the_page(
    given: dict[str, Any], expected: list[dict[str, Any]]
) -> None:
    assert [server.as_json() for server in await IceServers(config.load(**given)).for_page()] == expected


async def test_the_page_gets_the_ice_servers_and_no_provider_key_leaves_the_server() -> None:
    async with TurnCredentialsSimulator() as service:
        settings = config.load(**SERVICES["cloudflare"], turn_api_url=service.url)
        async with serving(scripted(ScriptedStt(), ScriptedAgent(), ToneTts()), settings) as server:
            told = await server.get("/webrtc/config")
            assert [each.get("username") for each in told["iceServers"]] == [None, "user1"]
            assert 60 <= told["iceValidS"] <= settings.turn_ttl_s
            health = await server.get("/health")
            assert health["turn"]["ready"]
            for answer in (told, health):
                assert API_TOKEN not in json.dumps(answer)
                assert KEY_ID not in json.dumps(answer)
            assert "credential1" not in json.dumps(health)
