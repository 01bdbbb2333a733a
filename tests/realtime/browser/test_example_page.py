"""The example of a page of one's own, served by another server, talks to the app in Chromium."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.realtime.browser.conftest import Chromium
from tests.realtime.browser.visitor import ANSWER_S, sessions
from tests.support.app_process import App, forked_app
from tests.support.paths import PROJECT
from tests.support.speech import spoken
from voicebot.audio.sound import WIRE_RATE_HZ, Audio


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Prints nothing."""


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """The address of a web server that serves the examples."""
    handler = functools.partial(_Quiet, directory=PROJECT / "examples")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        serving.join()


@pytest.fixture(scope="module")
def bot(origin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with forked_app(tmp_path_factory.mktemp("app"), allowed_origins=origin) as app:
        yield app


@pytest_asyncio.fixture(loop_scope="session")
async def page(chrome: Chromium, origin: str, tmp_path: Path) -> AsyncIterator[Page]:
    """The page in a browser whose microphone hears a question, and then silence."""
    question = Audio.joined(
        [Audio.silence(1.0, WIRE_RATE_HZ), spoken("tell me a long story").resampled(WIRE_RATE_HZ)], WIRE_RATE_HZ
    )
    async with AsyncExitStack() as stack:
        browser = await chrome.with_microphone(tmp_path, question)
        stack.push_async_callback(browser.close)
        page = await browser.new_page()
        await page.goto(f"{origin}/webrtc_page.html")
        yield page


async def test_the_page_talks_to_the_bot_of_another_origin_and_interrupts_it(page: Page, bot: App) -> None:
    await page.get_by_label("Bot:").fill(bot.url)
    await page.get_by_role("button", name="Talk").click()
    user, assistant = (page.locator("#chat li", has_text=re.compile(f"^{role}: ")) for role in ("user", "assistant"))
    await expect(user).to_have_text(re.compile("long story", re.IGNORECASE), timeout=ANSWER_S * 1000)
    await expect(page.locator("#phase")).to_have_text("speaking", timeout=ANSWER_S * 1000)
    assert await page.evaluate("document.getElementById('voice').srcObject.getAudioTracks()[0].readyState") == "live"
    await expect(assistant).to_have_text(re.compile(r"Far out where( \S+){2}"), timeout=ANSWER_S * 1000)
    await page.get_by_role("button", name="Be silent").click()
    await expect(page.locator("#phase")).to_have_text("idle", timeout=ANSWER_S * 1000)
    heard = await assistant.inner_text()
    assert len(heard.split()) < 40, "the story of some 450 words was interrupted"
    await page.close()
    await sessions(bot.url, 0, timeout_s=20)


async def test_the_page_says_so_when_the_bot_does_not_allow_its_origin(page: Page, tmp_path: Path) -> None:
    with forked_app(tmp_path, allowed_origins="http://somewhere.example") as stranger:
        await page.get_by_label("Bot:").fill(stranger.url)
        await page.get_by_role("button", name="Talk").click()
        await expect(page.locator("#phase")).to_have_text("Failed to fetch", timeout=ANSWER_S * 1000)
