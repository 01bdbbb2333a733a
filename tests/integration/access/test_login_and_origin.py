"""Every route over real sockets: with the right, a wrong and no password, and from a foreign page."""

from __future__ import annotations

import hmac
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.integration.access.own_server import GETS, LOCKED, PASSWORD, POSTS, RIGHT, client, in_process, own_server
from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import serving
from voicebot.access.response_headers import HEADERS
from voicebot.settings import config

WRONG = [httpx.BasicAuth("ann", "wrong"), httpx.BasicAuth("bob", PASSWORD.encode()), httpx.BasicAuth("", "")]
DOORS = [("GET", path) for path in GETS] + [("POST", path) for path in POSTS]


def header(auth: httpx.BasicAuth) -> dict[str, str]:
    request = next(auth.auth_flow(httpx.Request("GET", "http://bot.example")))
    return {"Authorization": request.headers["Authorization"]}


async def ws_status(host: str, **headers: str) -> int:
    """Returns 101 if the WebSocket was accepted and works, otherwise the status of the refusal."""
    try:
        async with connect(f"ws://{host}/ws", additional_headers=headers, proxy=None) as websocket:
            await websocket.send("hello")
            assert await websocket.recv() == "hello"
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code


# The password ---------------------------------------------------------------------------------------------------------


async def test_every_route_needs_the_password() -> None:
    async with client(**LOCKED) as http:
        for method, path in DOORS:
            for auth in (None, WRONG[0]):
                refused = await http.request(method, path, headers=header(auth) if auth else {})
                assert refused.status_code == 401, path
                assert refused.headers["www-authenticate"].startswith("Basic ")
                assert PASSWORD not in refused.text
            opened = await http.request(method, path, auth=RIGHT)
            assert opened.json() == {"path": path, "bytes": 0}


async def test_a_websocket_handshake_needs_the_password() -> None:
    async with own_server(**LOCKED) as host:
        assert await ws_status(host) == 401
        for auth in WRONG:
            assert await ws_status(host, **header(auth)) == 401
        assert await ws_status(host, **header(RIGHT)) == 101


async def test_every_route_is_open_if_no_password_is_set() -> None:
    async with client() as http:
        for method, path in DOORS:
            assert (await http.request(method, path)).status_code == 200
        assert (await http.get("/health")).json() is True
        assert await ws_status(http.base_url.netloc.decode()) == 101


@pytest.mark.parametrize("credentials", ["", "Basic", "Basic ☃", "Basic !!!", "Basic /w==", "Basic YW5u", "Bearer x"])
async def test_malformed_credentials_are_refused(credentials: str) -> None:
    async with in_process(**LOCKED) as http:
        response = await http.get("/", headers=[(b"Authorization", credentials.encode())])
        assert response.status_code == 401


async def test_health_needs_no_password_but_recognises_a_login() -> None:
    async with in_process(**LOCKED) as http:
        assert (await http.get("/health")).json() is False
        assert (await http.get("/health", auth=WRONG[0])).json() is False
        assert (await http.get("/health", auth=RIGHT)).json() is True
        assert (await http.get("/health/")).status_code == 401
        assert (await http.get("//health")).status_code == 401


async def test_metrics_need_no_password_if_they_are_set_to_public() -> None:
    async with in_process(**LOCKED, metrics_public=True) as http:
        assert (await http.get("/metrics")).status_code == 200
        assert (await http.get("/config")).status_code == 401


@pytest.mark.parametrize("auth", [RIGHT, *WRONG])
async def test_username_and_password_are_always_compared_in_constant_time(
    monkeypatch: pytest.MonkeyPatch, auth: httpx.BasicAuth
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def noting(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return hmac.compare_digest(a, b)

    monkeypatch.setattr("voicebot.access.basic_auth.compare_digest", noting)
    async with in_process(**LOCKED) as http:
        await http.get("/", auth=auth)
    assert len(compared) == 2
    assert {len(side) for pair in compared for side in pair} == {32}


async def test_the_real_app_needs_the_password_and_refuses_foreign_origins() -> None:
    """Covers the page, Gradio's routes and ours, as they are served."""
    engines = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    async with serving(engines, config.load(**LOCKED)) as server, httpx.AsyncClient(trust_env=False) as http:
        for path in ("/", "/config", "/gradio_api/info", "/webrtc/config"):
            assert (await http.get(server.url + path)).status_code == 401, path
        for path in ("/preflight", "/webrtc/offer", "/gradio_api/queue/join", "/gradio_api/upload"):
            assert (await http.post(server.url + path)).status_code == 401, path
        assert (await http.get(server.url + "/health")).json() == {"status": "healthy"}
        page = await http.get(server.url, auth=RIGHT)
        assert "Voice Bot" in page.text
        assert HEADERS.items() <= {name: page.headers.get(name) for name in HEADERS}.items()
        assert "server" not in page.headers
        assert (await http.get(server.url + "/health", auth=RIGHT)).json()["engines"]
        own = {"Origin": server.url}
        assert (await http.post(server.url + "/preflight", auth=RIGHT, headers=own)).status_code == 200
        foreign = {"Origin": "https://evil.example"}
        for path in ("/preflight", "/webrtc/offer"):
            assert (await http.post(server.url + path, auth=RIGHT, headers=foreign)).status_code == 403
        script = "<script>alert(1)</script>"
        body = {"sdp": "x", "type": script, "webrtc_id": script}
        bad = await http.post(server.url + "/webrtc/offer", auth=RIGHT, json=body)
        assert bad.status_code == 422
        assert bad.headers["content-type"] == "application/json"
        assert bad.headers["x-content-type-options"] == "nosniff"


# Origins --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "settings", "headers", "passes"),
    [
        (None, {}, {}, True),
        ("http://bot.example", {}, {}, True),
        ("https://bot.example", {}, {}, True),
        ("HTTPS://BOT.example:443", {}, {}, True),
        ("https://bot.example:8443", {}, {}, False),
        ("https://evil.example", {}, {}, False),
        ("https://bot.example.evil.example", {}, {}, False),
        ("https://bot.example@evil.example", {}, {}, False),
        ("https://evil.example/bot.example", {}, {}, False),
        ("null", {}, {}, False),
        ("", {}, {}, False),
        ("<script>alert(1)</script>", {}, {}, False),
        ("https://friend.example", {"allowed_origins": "https://a.example, https://Friend.example"}, {}, True),
        ("http://friend.example", {"allowed_origins": "https://friend.example"}, {}, False),
        ("https://public.example", {}, {"X-Forwarded-Host": "public.example"}, False),
        ("https://public.example", {"trusted_proxies": 1}, {"X-Forwarded-Host": "public.example"}, True),
        ("https://evil.example", {"trusted_proxies": 1}, {"X-Forwarded-Host": "evil.example, public.example"}, False),
    ],
)
async def test_posts_from_pages_of_other_sites_are_refused(
    origin: str | None, settings: dict[str, Any], headers: dict[str, str], passes: bool
) -> None:
    if origin is not None:
        headers = headers | {"Origin": origin}
    async with in_process(**settings) as http:
        for path in POSTS:
            response = await http.post(path, headers=headers)
            assert response.status_code == (200 if passes else 403), path
            assert "<script>" not in response.text
        assert (await http.get("/", headers=headers)).status_code == 200, "a visitor who follows a link gets in"


async def test_websockets_from_pages_of_other_sites_are_refused() -> None:
    async with own_server() as host:
        assert await ws_status(host) == 101
        assert await ws_status(host, Origin=f"http://{host}") == 101
        assert await ws_status(host, Origin="https://evil.example") == 403
        assert await ws_status(host, Origin="null") == 403


FRIEND = "https://friend.example"


def preflight(origin: str, method: str = "POST", headers: str = "content-type") -> dict[str, str]:
    """Returns the headers of a browser's preflight request, which never carries credentials."""
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


def cors(response: httpx.Response) -> dict[str, str]:
    prefix = "access-control-"
    return {name.removeprefix(prefix): value for name, value in response.headers.items() if name.startswith(prefix)}


@pytest.mark.parametrize("locked", [False, True])
async def test_pages_of_allowed_origins_can_make_offers(locked: bool) -> None:
    settings = LOCKED if locked else {}
    async with client(**settings, allowed_origins=f"https://a.example,{FRIEND}") as http:
        asked = await http.options("/webrtc/offer", headers=preflight(FRIEND, headers="authorization,content-type"))
        assert asked.status_code == 200
        assert "bytes" not in asked.text, "no route receives the preflight"
        leave = cors(asked)
        assert leave["allow-origin"] == FRIEND
        assert "POST" in leave["allow-methods"]
        assert {"Authorization", "Content-Type"} <= set(leave["allow-headers"].split(", "))
        assert leave.get("allow-credentials") == ("true" if locked else None)
        auth = RIGHT if locked else httpx.USE_CLIENT_DEFAULT
        made = await http.post("/webrtc/offer", headers={"Origin": FRIEND}, auth=auth)
        assert made.json() == {"path": "/webrtc/offer", "bytes": 0}
        assert cors(made)["allow-origin"] == FRIEND
        assert "Origin" in made.headers["vary"]
        for method in ("DELETE", "PUT"):
            assert (await http.options("/webrtc/offer", headers=preflight(FRIEND, method))).status_code == 400
        if locked:
            refused = await http.post("/webrtc/offer", headers={"Origin": FRIEND}, auth=WRONG[0])
            assert refused.status_code == 401
            assert cors(refused)["allow-origin"] == FRIEND, "the page can read the reason of the refusal"
            assert (await http.options("/webrtc/offer")).status_code == 401, "OPTIONS without an origin is no preflight"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://friend.example.evil.example", "*", ""])
async def test_pages_of_other_origins_get_no_cors_headers(origin: str) -> None:
    for settings in ({}, {"allowed_origins": FRIEND}, LOCKED | {"allowed_origins": FRIEND}):
        locked = "app_username" in settings
        auth = RIGHT if locked else httpx.USE_CLIENT_DEFAULT
        async with in_process(**settings) as http:
            asked = await http.options("/webrtc/offer", headers=preflight(origin))
            assert asked.status_code == (401 if locked else 403)
            made = await http.post("/webrtc/offer", headers={"Origin": origin}, auth=auth)
            assert made.status_code == 403
            read = await http.get("/config", headers={"Origin": origin}, auth=auth)
            assert read.status_code == 200
            assert cors(asked) == cors(made) == cors(read) == {}


async def test_the_real_app_sends_cors_headers_to_allowed_origins_only() -> None:
    engines = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    settings = config.load(allowed_origins=FRIEND, allowed_hosts="bot.example")
    async with serving(engines, settings) as server, httpx.AsyncClient(trust_env=False) as http:
        for path in ("/", "/theme.css", "/webrtc/config", "/health"):
            for origin, allowed in ((FRIEND, True), ("https://evil.example", False)):
                headers = {"Host": "bot.example", "Origin": origin}
                answer = await http.get(server.url + path, headers=headers)
                assert answer.status_code == 200
                assert cors(answer).get("allow-origin") == (FRIEND if allowed else None), (path, origin)
                assert bool(cors(answer)) == allowed
                asked = await http.options(
                    server.url + path, headers=preflight(origin, "GET") | {"Host": "bot.example"}
                )
                assert asked.status_code == (200 if allowed else 403)
