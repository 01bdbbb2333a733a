"""docs/protocols/http.md names the routes of the server and the fields of their answers."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from httpx import ASGITransport, AsyncClient

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.paths import PROJECT
from voicebot.bootstrap import application as bootstrap
from voicebot.settings import config
from voicebot.web.server import create_app

PAGE = (PROJECT / "docs" / "protocols" / "http.md").read_text("utf-8")


@pytest.fixture
async def app() -> FastAPI:
    settings = config.load(keep_conversations=False)
    return create_app(bootstrap.application(settings, scripted(ScriptedStt(), ScriptedAgent(), ToneTts())))


async def test_the_page_names_every_route(app: FastAPI) -> None:
    routes = {
        f"{method} {re.sub('{[^}]*}', 'NAME', route.path)}"
        for route in app.routes
        if isinstance(route, APIRoute) and not route.path.startswith(("/assets", "/static"))
        for method in route.methods or ()
    }
    assert {route for route in routes if "/theme" not in route and not route.endswith(" /")} == set(
        re.findall(r"^## `(\w+ /.*)`$", PAGE, re.MULTILINE)
    )
    assert [route.path for route in app.routes if isinstance(route, APIWebSocketRoute)] == ["/ws"]


@pytest.mark.parametrize("path", ["/health", "/webrtc/config"])
async def test_the_page_names_every_field_of_an_answer(path: str, app: FastAPI) -> None:
    section = PAGE.split(f"## `GET {path}`")[1].split("\n## ")[0]
    named = [
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    ]
    async with AsyncClient(transport=ASGITransport(app), base_url="http://127.0.0.1") as http:
        answer = (await http.get(path)).json()
    assert sorted(named) == sorted(answer)
