"""However one leaves, the server lets the session go at once."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.conftest import Browsers
from tests.browser.visitor import sessions


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


async def test_a_lost_connection_is_told_and_can_be_made_again(browsers: Browsers, url: str) -> None:
    visitor = await browsers.visit(microphone=False)
    await visitor.types("Hello")
    await visitor.sees("speaking")
    # What the browser does itself once the server has gone: it closes the data channel.
    await visitor.page.evaluate("voicebot._connection._channel.close()")
    await expect(visitor.problem).to_contain_text("The connection was lost.")
    await sessions(url, 0)
    await visitor.presses("Reconnect")
    await visitor.sees("ready")
    await expect(visitor.problem).to_be_empty()
    await visitor.types("Hello again")
    await visitor.sees("speaking")
