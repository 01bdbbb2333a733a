"""What the page requests of the server: our routes and its own parts, in every width, language and look."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

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
        {"locale": "en-US", "viewport": DESKTOP},
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
        await visitor.types("hello")
        await visitor.hears_answer(1)
        await visitor.page.wait_for_load_state("networkidle")
    kinds = {(method, f"/{path.split('/')[1]}" if path.count("/") > 1 else path) for method, path in asked}
    kinds = {(method, "/webrtc/offer" if (method, path) == ("POST", "/webrtc") else path) for method, path in kinds}
    kinds = {(method, "/webrtc/config" if (method, path) == ("GET", "/webrtc") else path) for method, path in kinds}
    assert {("GET", "/assets"), ("GET", "/static")} <= kinds
    assert kinds <= OURS
    assert [each for each in statuses if each[0] >= 400] == []
