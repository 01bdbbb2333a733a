"""A server as users start it, and browsers that visit it.

Playwright, and the browsers that hear only silence, are started once: to start them anew takes more computing than to
load the page. Each visitor has a context, which shares nothing with others'. All tests here are of one event loop, as
what Playwright gives belongs to the loop that it was started in.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, async_playwright

from tests.realtime.browser.visitor import Visitor, given_a_voice, launched
from tests.support.app_process import forked_app
from voicebot.audio.sound import Audio


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's browser. Skips where it is absent, unless the suite must be whole."""
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("chromium is missing: apt-get install chromium")
        pytest.skip("chromium is not installed (apt-get install chromium)")
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


class Chromium:
    """Browsers that outlive a test."""

    def __init__(self, playwright: Playwright, path: str, folder: Path) -> None:
        self._playwright = playwright
        self._path = path
        self._folder = folder
        self._open: dict[bool, Browser] = {}

    async def browser(self, *, microphone: bool) -> Browser:
        """One whose microphone hears silence, or that refuses it."""
        browser = self._open.get(microphone)
        if browser is None or not browser.is_connected():
            browser = self._open[microphone] = await self.with_microphone(self._folder, None, microphone=microphone)
        return browser

    async def with_microphone(self, folder: Path, says: Audio | None, *, microphone: bool = True) -> Browser:
        """A new one, to be closed by who asks for it."""
        return await launched(self._playwright, self._path, folder, says, microphone=microphone)

    async def close(self) -> None:
        for browser in self._open.values():
            await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chrome(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chromium]:
    async with async_playwright() as playwright:
        chrome = Chromium(playwright, chromium, tmp_path_factory.mktemp("chromium"))
        yield chrome
        await chrome.close()


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `python app.py`, started with no key and the usual engines; its log must be free of crashes."""
    with forked_app(tmp_path_factory.mktemp("app"), tts_engine="auto") as app:
        yield app.url
        assert "Traceback" not in app.log.read_text("utf-8"), app.log.read_text("utf-8")


class Browsers:
    """Opens the page for visitors, who all leave at the end of the test."""

    def __init__(self, chrome: Chromium, url: str, folder: Path, stack: AsyncExitStack) -> None:
        self._chrome = chrome
        self._url = url
        self._folder = folder
        self._stack = stack

    async def visit(self, says: Audio | None = None, *, microphone: bool = True) -> Visitor:
        """A visitor on the page, whose microphone hears `says` once from the moment it is opened, then silence.

        Without `microphone` the browser refuses it.
        """
        browser = await self._browser(says, microphone=microphone)
        return await self._stack.enter_async_context(Visitor(await browser.new_context(), self._url))

    async def meet(self) -> Visitor:
        """A visitor who `says` what the test wants, when it wants; the browser's real microphone is not used."""
        browser = await self._browser(None, microphone=True)
        return await self._stack.enter_async_context(
            Visitor(await given_a_voice(await browser.new_context()), self._url)
        )

    async def _browser(self, says: Audio | None, *, microphone: bool) -> Browser:
        if says is None:
            return await self._chrome.browser(microphone=microphone)
        browser = await self._chrome.with_microphone(self._folder, says, microphone=microphone)
        self._stack.push_async_callback(browser.close)
        return browser


@pytest_asyncio.fixture(loop_scope="session")
async def browsers(chrome: Chromium, url: str, tmp_path: Path) -> AsyncIterator[Browsers]:
    async with AsyncExitStack() as stack:
        yield Browsers(chrome, url, tmp_path, stack)
