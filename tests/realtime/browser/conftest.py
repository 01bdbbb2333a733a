"""A server as users start it, and browsers that visit it."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.realtime.browser.visitor import Visitor, given_a_voice, launched
from tests.support.app_process import forked_app
from voicebot.core.audio import Audio


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's browser. Skips where it is absent, unless the suite must be whole."""
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("chromium is missing: apt-get install chromium")
        pytest.skip("chromium is not installed (apt-get install chromium)")
    return path


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `python app.py`, started with no key and no settings; its log must be free of crashes."""
    with forked_app(tmp_path_factory.mktemp("app")) as app:
        yield app.url
        assert "Traceback" not in app.log.read_text("utf-8"), app.log.read_text("utf-8")


class Browsers:
    """Opens the page in fresh browsers, which all end with the test."""

    def __init__(self, chromium: str, url: str, folder: Path, stack: AsyncExitStack) -> None:
        self._chromium = chromium
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
        playwright = await self._stack.enter_async_context(async_playwright())
        browser = await launched(playwright, self._chromium, self._folder, says, microphone=microphone)
        self._stack.push_async_callback(browser.close)
        return browser


@pytest.fixture
async def browsers(chromium: str, url: str, tmp_path: Path) -> AsyncIterator[Browsers]:
    async with AsyncExitStack() as stack:
        yield Browsers(chromium, url, tmp_path, stack)
