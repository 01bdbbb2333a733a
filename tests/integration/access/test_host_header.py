"""An unlocked server on this machine answers only to its own host names."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.integration.access.own_server import own_app, own_server

LOCKED = {"app_username": "ann", "app_password": SecretStr("horse")}


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({}, 421),
        ({"trusted_proxies": 1}, 421),
        ({"gradio_server_name": "localhost"}, 421),
        ({"gradio_server_name": "::1"}, 421),
        ({"gradio_server_name": "0.0.0.0"}, 200),
        ({"gradio_server_name": "192.0.2.7"}, 200),
        ({"allowed_hosts": "evil.example"}, 200),
        (LOCKED, 401),
        ({"space_id": "me/bot"}, 200),
    ],
)
async def test_only_an_unlocked_server_on_loopback_refuses_foreign_hosts(settings: dict[str, Any], status: int) -> None:
    headers = {"X-Forwarded-Host": "localhost"}
    transport = httpx.ASGITransport(own_app(**settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://evil.example", headers=headers) as http:
        for path in ("/", "/nowhere", "/config"):
            expected = 404 if (path, status) == ("/nowhere", 200) else status
            assert (await http.get(path)).status_code == expected
        asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
        if status == 421:
            assert (await http.post("/preflight", headers={"Origin": "http://evil.example"})).status_code == 421
            assert (await http.options("/preflight", headers=asked)).status_code == 421


async def test_a_websocket_to_a_foreign_host_is_refused() -> None:
    async with own_server() as host:
        async with connect(f"ws://{host}/ws", proxy=None):
            pass
        port = int(host.split(":")[1])
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://evil.example:{port}/ws", host="127.0.0.1", port=port, proxy=None):
                pass
        assert refused.value.response.status_code == 421


async def test_a_probe_without_a_host_header_is_answered() -> None:
    async with own_server() as host:
        reader, writer = await asyncio.open_connection(*host.split(":"))
        writer.write(b"GET /health HTTP/1.0\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()
        await writer.wait_closed()
