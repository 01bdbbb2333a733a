"""What the page requests of the server: our routes and its own parts, in every width, language and look."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Route

from tests.realtime.browser.conftest import Chromium
from tests.realtime.browser.visitor import Visitor

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
OURS = {
    ("GET", "/"),
    ("GET", "/theme.css"),
    ("GET", "/webrtc/config"),
    ("POST", "/webrtc/offer"),
    ("HEAD", "/recordings"),
    ("GET", "/assets"),
    ("GET", "/static"),
}


@pytest.mark.parametrize(
    "look",
    [
        {"locale": "de-DE", "viewport": PHONE, "color_scheme": "dark"},
        {"locale": "ar", "viewport": PHONE},
        {"locale": "xx", "viewport": DESKTOP},
    ],
    ids=lambda look: look["locale"],
)
async def test_the_page_requests_only_known_routes_and_no_request_fails(
    chrome: Chromium, url: str, look: dict[str, Any]
) -> None:
    """`Visitor` fails for any error in the console: a refused request is one."""
    asked: list[tuple[str, str]] = []
    statuses: list[tuple[int, str]] = []
    context = await (await chrome.browser(microphone=True)).new_context(**look)
    context.on(
        "request",
        lambda request: asked.append((request.method, urlsplit(request.url).path)) if "http" in request.url else None,
    )
    context.on("response", lambda response: statuses.append((response.status, response.url)))
    async with Visitor(context, url) as visitor:
        await visitor.page.reload()
        await visitor.ready()
        await visitor.talk_button.click()
        await visitor.sees("listening")
        await visitor.types("What is two plus two?")
        await visitor.hears_answer(1)
        await visitor.page.wait_for_load_state("networkidle")
    kinds = {(method, f"/{path.split('/')[1]}" if path.count("/") > 1 else path) for method, path in asked}
    kinds = {(method, "/webrtc/offer" if (method, path) == ("POST", "/webrtc") else path) for method, path in kinds}
    kinds = {(method, "/webrtc/config" if (method, path) == ("GET", "/webrtc") else path) for method, path in kinds}
    assert {("GET", "/assets"), ("GET", "/static")} <= kinds
    assert kinds <= OURS
    assert [each for each in statuses if each[0] >= 400] == []


async def test_the_page_works_if_its_script_comes_long_after_gradios(chrome: Chromium, url: str) -> None:
    context = await (await chrome.browser(microphone=True)).new_context()

    async def come_late(route: Route) -> None:
        await context.pages[0].wait_for_selector("#vb-settings", state="attached")
        await route.continue_()

    await context.route(re.compile(r"/static/\w+/main\.js$"), come_late)
    async with Visitor(context, url) as visitor:
        await visitor.types("What is two plus two?")
        await visitor.hears_answer(1)
