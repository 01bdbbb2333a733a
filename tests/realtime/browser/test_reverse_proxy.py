"""The page over HTTPS and under a path: nginx with the file of deploy/ in front of the app."""

from __future__ import annotations

from urllib.parse import urlsplit

from tests.realtime.browser.conftest import Chromium
from tests.realtime.browser.visitor import Visitor
from tests.support.reverse_proxies import running_proxy


async def test_the_page_talks_over_https_under_a_path(chrome: Chromium, url: str) -> None:
    port = urlsplit(url).port
    assert port is not None
    browser = await chrome.browser(microphone=True)
    with running_proxy("nginx", port, under_path=True) as proxy:
        context = await browser.new_context(ignore_https_errors=True)
        async with Visitor(context, f"https://127.0.0.1:{proxy.port}/bot/") as visitor:
            await visitor.talk_button.click()
            await visitor.sees("listening")
            await visitor.types("What is ten times three?")
            assert "thirty" in await visitor.hears_answer(1)
