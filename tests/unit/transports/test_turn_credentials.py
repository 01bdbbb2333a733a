"""The requests to the services that issue TURN credentials, and their answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import fastrtc.credentials
import httpx
import pytest
from pydantic import SecretStr

from voicebot.settings import config
from voicebot.transports.webrtc.ice.credentials import (
    CredentialsError,
    choose_provider,
    cloudflare_request,
    hugging_face_request,
    parse_relays,
    signed_login,
)

CLOUDFLARE = {"cloudflare_turn_key_id": "key/id", "cloudflare_turn_key_api_token": SecretStr("token")}
HF = {"hf_token": SecretStr("hf_me")}
SPACE = {"space_id": "me/bot"}
STATIC = {"turn_url": "turn:relay.example:3478", "turn_secret": "s"}


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "none"),
        (HF, "none"),
        (HF | SPACE, "hf"),
        (HF | {"turn_provider": "hf"}, "hf"),
        (CLOUDFLARE | HF | SPACE, "cloudflare"),
        (CLOUDFLARE | STATIC, "static"),
        (CLOUDFLARE | STATIC | {"turn_provider": "Cloudflare"}, "cloudflare"),
        (CLOUDFLARE | {"turn_provider": "none"}, "none"),
    ],
)
def test_the_forced_provider_or_else_the_first_one_with_keys_is_chosen(settings: dict[str, Any], name: str) -> None:
    assert choose_provider(config.load(**settings)) == name


Sent = tuple[str, httpx.URL, str | None, bytes]


def sent(request: httpx.Request) -> Sent:
    return request.method, request.url, request.headers.get("authorization"), request.read()


async def sent_by_fastrtc(monkeypatch: pytest.MonkeyPatch, call: Callable[[ModuleType], Awaitable[Any]]) -> Sent:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={})

    real = httpx.AsyncClient
    with monkeypatch.context() as patched:
        patched.setattr(httpx, "AsyncClient", lambda: real(transport=httpx.MockTransport(answer)))
        await call(fastrtc.credentials)
    (request,) = requests
    return sent(request)


async def test_the_cloudflare_and_hugging_face_requests_equal_those_of_fastrtc(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"cloudflare_turn_key_id": "keyid", "cloudflare_turn_key_api_token": SecretStr("token")}
    theirs = await sent_by_fastrtc(
        monkeypatch, lambda module: module.get_cloudflare_turn_credentials_async("keyid", "token", ttl=600)
    )
    assert sent(cloudflare_request(config.load(**keys), 600)) == theirs
    theirs = await sent_by_fastrtc(
        monkeypatch, lambda module: module.get_cloudflare_turn_credentials_async(hf_token="hf_me", ttl=600)
    )
    assert sent(hugging_face_request(config.load(**HF), 600)) == theirs


def test_the_key_id_is_escaped_in_the_request_path() -> None:
    request = cloudflare_request(config.load(**CLOUDFLARE), 600)
    assert "/keys/key%2Fid/credentials/" in str(request.url.raw_path)


RELAY = {"urls": ["turn:t.example:3478?transport=udp"], "username": "u", "credential": "c"}


@pytest.mark.parametrize(
    "answer",
    [
        {"iceServers": [{"urls": ["stun:t.example:3478"]}, RELAY]},
        {"iceServers": [{"urls": "stun:t.example:3478"}, RELAY | {"urls": RELAY["urls"][0]}]},
        {"iceServers": RELAY | {"urls": ["stun:t.example:3478", *RELAY["urls"]]}},
    ],
)
def test_ice_servers_are_read_from_answers_of_every_form(answer: dict[str, Any]) -> None:
    servers = parse_relays(json.dumps(answer).encode())
    assert [url for server in servers for url in server.urls] == ["stun:t.example:3478", *RELAY["urls"]]
    assert servers[-1].as_json()["credential"] == "c"
    assert "'c'" not in repr(servers)
    assert "'u'" not in repr(servers)


def test_server_urls_on_a_port_that_browsers_block_are_left_out() -> None:
    urls = [
        "turn:t.example:3478?transport=udp",
        "turn:t.example:53?transport=udp",
        "turns:t.example:5349?transport=tcp",
    ]
    answer = {"iceServers": [{"urls": ["stun:t.example:53"]}, RELAY | {"urls": urls}]}
    (server,) = parse_relays(json.dumps(answer).encode())
    assert server.urls == (urls[0], urls[2])


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"iceServers": []},
        {"iceServers": "turn:t.example"},
        {"iceServers": [{"urls": 7}]},
        {"iceServers": [{"urls": "stun:t.example:3478"}]},
        {"iceServers": [RELAY | {"credential": None}]},
        {"iceServers": [RELAY | {"credential": {"secret": "hush"}}]},
    ],
)
def test_an_answer_without_a_usable_relay_raises_an_error(answer: Any) -> None:
    with pytest.raises(CredentialsError) as raised:
        parse_relays(json.dumps(answer).encode())
    assert "hush" not in str(raised.value)


def test_a_signed_login_consists_of_an_expiring_user_name_and_its_hmac() -> None:
    """The expected values come from `openssl dgst -sha1 -hmac north -binary | base64` of the user name."""
    assert signed_login("north", 600, now_s=1_000) == ("1600:voicebot", "v0GOEyjIkawL/TUyWFw6e7mHY1I=")
