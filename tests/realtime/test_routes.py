"""The whole app has our own routes and nothing else: none of Gradio's, however they are written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import LiveServer, serving
from voicebot.runtime import limits
from voicebot.settings import config

OF_GRADIO = (
    "config",
    "info",
    "openapi.json",
    "user",
    "login_check",
    "token",
    "app_id",
    "dev/reload",
    "login",
    "logout",
    "svelte/svelte.js",
    "deep_link",
    "static/img/logo.svg",
    "custom_component/x/client/component/index.js",
    "proxy=https://evil.example/",
    "proxy=https:/evil.example/",
    "file=http://evil.example/",
    "file=/etc/passwd",
    "file//etc/passwd",
    "stream/1",
    "stream/1/close",
    "stream/1/2/3/playlist.m3u8",
    "reset",
    "heartbeat/1",
    "run/predict",
    "api/predict",
    "call/predict",
    "call/predict/1",
    "queue/join",
    "queue/data?session_hash=1",
    "cancel",
    "component_server",
    "queue/status",
    "upload_progress?upload_id=1",
    "upload",
    "startup-events",
    "theme.css/",
    "robots.txt",
    "pwa_icon",
    "pwa_icon/9999",
    "manifest.json",
    "monitoring",
    "monitoring/summary",
    "process_recording",
    "vibe-edit",
    "undo-vibe-edit",
    "vibe-code",
    "vibe-starter-queries",
    "mcp",
    "mcp/sse",
    "docs",
    "openapi.json",
)
ODD = (
    "/gradio_api/theme.css",
    "//theme.css",
    "/THEME.CSS",
    "/health/",
    "//health",
    "//",
    "/./theme.css",
    "/x/../theme.css",
    "/assets/",
    "/assets",
    "/assets/..%2findex.html",
    "/assets/%2e%2e/index.html",
    "/assets/../index.html",
    "/assets/%2fetc/passwd",
    "/assets//etc/passwd",
    "/assets/..%5cindex.html",
    "/assets/%00",
    "/static",
    "/static/",
    "/static/x",
    "/static/x/nothing.js",
    "/static/x/types.d.ts",
    "/static/x/../main.js",
    "/static/x/..%2fmain.js",
    "/static/x/%2e%2e/page.html",
    "/static/x/main.js/",
    "/static//main.js",
    "/favicon.ico",
    "/webrtc/config/",
    "/recordings",
    "/conversations/",
    "http://127.0.0.1/queue/join",
    "/%67radio_api%2fqueue/join",
    "/gradio_api%2Fupload",
    "/;/config",
    "/config;x",
    "/.env",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND")


@pytest.fixture
async def server() -> AsyncIterator[LiveServer]:
    engines = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    async with serving(engines, config.load()) as running:
        yield running


async def statuses(server: LiveServer, requests: list[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Sends requests whose targets are written to the socket as they stand: no client tidies them up."""
    host, port = server.url.removeprefix("http://").split(":")
    found = {}
    for method, target in requests:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Prefix: /gradio_api\r\n"
            "Connection: close\r\nContent-Length: 2\r\n\r\n{}".encode()
        )
        answer = await reader.read()
        found[method, target] = int(answer.split(b" ", 2)[1])
        writer.close()
        await writer.wait_closed()
    return found


async def test_no_gradio_route_exists_for_any_method(server: LiveServer) -> None:
    paths = [f"/{prefix}{path}" for path in OF_GRADIO for prefix in ("", "gradio_api/")]
    found = await statuses(server, [(method, path) for path in (*paths, *ODD) for method in METHODS])
    assert {request: status for request, status in found.items() if status != 404} == {}


async def test_the_apps_own_routes_accept_only_their_methods(server: LiveServer) -> None:
    ours = {
        ("GET", "/"): 200,
        ("HEAD", "/"): 200,
        ("POST", "/"): 404,
        ("GET", "/health"): 200,
        ("GET", "/metrics"): 200,
        ("POST", "/metrics"): 404,
        ("GET", "/theme.css?v=1"): 200,
        ("POST", "/theme.css"): 404,
        ("GET", "/static/any/main.js"): 200,
        ("POST", "/static/any/main.js"): 404,
        ("GET", "/webrtc/config"): 200,
        ("GET", "/webrtc/offer"): 404,
        ("POST", "/webrtc/offer"): 422,
        ("POST", "/preflight"): 200,
        ("GET", "/preflight"): 404,
        ("PUT", "/conversations"): 404,
        ("GET", "/ws"): 404,
    }
    assert await statuses(server, list(ours)) == ours


async def test_an_unknown_route_answers_404_without_waiting_for_the_body(server: LiveServer) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 900000\r\n\r\n".encode())
    async with asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.1 404")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("path", ["/", "/gradio_api/stream/1", "/stream/1", "/ws/", "//ws", "/health"])
async def test_a_websocket_on_any_other_path_is_refused_with_404(server: LiveServer, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws{server.url[4:]}{path}", proxy=None):
            pass
    assert refused.value.response.status_code == 404


async def test_preflight_requests_of_an_address_are_rate_limited(server: LiveServer) -> None:
    for _ in range(limits.PREFLIGHTS):
        assert (await server.post("/preflight", None)).status_code == 200
    refused = await server.post("/preflight", None)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= limits.PREFLIGHT_S
    assert (await server.get("/health"))["status"] == "healthy"
