"""However one leaves, the server lets the session go at once."""

from __future__ import annotations

from playwright.async_api import expect

from tests.realtime.browser.conftest import Browsers
from tests.realtime.browser.visitor import sessions


async def test_hanging_up_frees_the_session(browsers: Browsers, url: str) -> None:
    visitor = await browsers.visit()
    await visitor.talk_button.click()
    await visitor.sees("listening")
    await sessions(url, 1)
    await visitor.talk_button.click()
    await visitor.sees("off")
    await sessions(url, 0)
    await visitor.talk_button.click()
    await visitor.sees("listening")


async def test_a_reload_frees_the_session_and_the_conversation_goes_on(browsers: Browsers, url: str) -> None:
    visitor = await browsers.visit(microphone=False)
    await visitor.types("Tell me a long story")
    await visitor.sees("speaking")
    await visitor.page.reload()
    await visitor.ready()
    await sessions(url, 0)
    await expect(visitor.questions).to_have_text(["Tell me a long story"])
    await visitor.types("Hello")
    await visitor.sees("speaking")
    await expect(visitor.questions).to_have_text(["Tell me a long story", "Hello"])


async def test_closing_the_tab_frees_the_session(browsers: Browsers, url: str) -> None:
    visitor = await browsers.visit(microphone=False)
    await visitor.types("Tell me a long story")
    await visitor.sees("speaking")
    await visitor.page.close()
    await sessions(url, 0)
