"""What the credential services are asked, and what is made of their answers."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Callable
from typing import Any

import fastrtc.credentials
import httpx
import pytest
from pydantic import SecretStr

from voicebot.settings import config
from voicebot.transports.webrtc.ice.server import AnswerError, ice_servers
from voicebot.transports.webrtc.ice.services import chosen, credential_service, signed_login

CLOUDFLARE = {"cloudflare_turn_key_id": "key/id", "cloudflare_turn_key_api_token": SecretStr("token")}
TWILIO = {"twilio_account_sid": "ACme", "twilio_auth_token": SecretStr("secret")}
HF = {"hf_token": SecretStr("hf_me")}
SPACE = {"space_id": "me/bot"}
STATIC = {"turn_url": "turn:relay.example:3478"}


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "none"),
        (HF, "none"),
        (HF | SPACE, "hf"),
        (HF | {"turn_provider": "hf"}, "hf"),
        (TWILIO | HF | SPACE, "twilio"),
        (CLOUDFLARE | TWILIO, "cloudflare"),
        (CLOUDFLARE | STATIC, "static"),
        (CLOUDFLARE | STATIC | {"turn_provider": "Cloudflare"}, "cloudflare"),
        (CLOUDFLARE | {"turn_provider": "none"}, "none"),
    ],
)
def test_the_forced_provider_or_else_the_first_one_with_keys_is_chosen(settings: dict[str, Any], name: str) -> None:
    assert chosen(config.load(**settings)) == name


Sent = tuple[str, httpx.URL, str | None, bytes]


def sent(request: httpx.Request) -> Sent:
    return request.method, request.url, request.headers.get("authorization"), request.read()


def asked(**settings: Any) -> Sent:
    service = credential_service(config.load(**settings))
    assert service is not None
    return sent(service.request(600))


async def fastrtcs(monkeypatch: pytest.MonkeyPatch, ask: Callable[[Any], Any]) -> Sent:
    """What FastRTC's function would have sent."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={})

    real = httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda: real(transport=httpx.MockTransport(answer)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one of them is deprecated
        monkeypatch.setattr(fastrtc.credentials, "async_httpx_client", httpx.AsyncClient())
        await ask(fastrtc.credentials)
    monkeypatch.undo()
    (request,) = requests
    return sent(request)


async def test_the_cloudflare_and_hugging_face_requests_equal_those_of_fastrtc(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"cloudflare_turn_key_id": "keyid", "cloudflare_turn_key_api_token": SecretStr("token")}
    theirs = await fastrtcs(monkeypatch, lambda of: of.get_cloudflare_turn_credentials_async("keyid", "token", ttl=600))
    assert asked(**keys) == theirs
    hf = HF | {"turn_provider": "hf"}
    theirs = await fastrtcs(monkeypatch, lambda of: of.get_cloudflare_turn_credentials_async(hf_token="hf_me", ttl=600))
    assert asked(**hf) == theirs
    theirs = await fastrtcs(monkeypatch, lambda of: of.get_hf_turn_credentials_async("hf_me", ttl=600))
    assert asked(**hf) == theirs


def test_the_twilio_request_matches_twilios_documentation() -> None:
    method, url, login, body = asked(**TWILIO)
    assert (method, str(url)) == ("POST", "https://api.twilio.com/2010-04-01/Accounts/ACme/Tokens.json")
    assert login == f"Basic {base64.b64encode(b'ACme:secret').decode()}"
    assert body == b"Ttl=600"


def test_the_key_id_is_escaped_in_the_request_path() -> None:
    assert "/keys/key%2Fid/credentials/" in str(asked(**CLOUDFLARE)[1].raw_path)


def test_turn_api_url_replaces_the_address_of_the_service() -> None:
    url = asked(**CLOUDFLARE, turn_api_url="http://127.0.0.1:8080/")[1]
    assert str(url).startswith("http://127.0.0.1:8080/v1/turn/keys/")


RELAY = {"urls": ["turn:t.example:3478?transport=udp"], "username": "u", "credential": "c"}


@pytest.mark.parametrize(
    "answer",
    [
        {"iceServers": [{"urls": ["stun:t.example:3478"]}, RELAY]},
        {"iceServers": RELAY | {"urls": ["stun:t.example:3478", *RELAY["urls"]]}},
        {"ice_servers": [{"url": "stun:t.example:3478"}, RELAY | {"urls": RELAY["urls"][0]}]},
    ],
)
def test_ice_servers_are_read_from_answers_of_every_form(answer: dict[str, Any]) -> None:
    servers = ice_servers(answer)
    assert [url for server in servers for url in server.urls] == ["stun:t.example:3478", *RELAY["urls"]]
    assert servers[-1].as_json()["credential"] == "c"
    assert "'c'" not in repr(servers)


def test_server_urls_on_a_port_that_browsers_block_are_left_out() -> None:
    urls = [
        "turn:t.example:3478?transport=udp",
        "turn:t.example:53?transport=udp",
        "turns:t.example:5349?transport=tcp",
    ]
    stun = {"urls": ["stun:t.example:53"]}
    (server,) = ice_servers({"iceServers": [stun, RELAY | {"urls": urls}]})
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
    with pytest.raises(AnswerError) as raised:
        ice_servers(answer)
    assert "hush" not in str(raised.value)


def test_a_signed_login_consists_of_an_expiring_user_name_and_its_hmac() -> None:
    """The values are `openssl dgst -sha1 -hmac north -binary | base64` of the user name."""
    assert signed_login("north", 600, now_s=1_000) == ("1600:voicebot", "v0GOEyjIkawL/TUyWFw6e7mHY1I=")
