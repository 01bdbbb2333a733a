"""A server as users start it, and browsers that visit it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from playwright.async_api import async_playwright

from tests.browser.visitor import Visitor, launched
from voicebot.core.audio import Audio

PROJECT = Path(__file__).parents[2]

START_S = 40.0


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
    """The address of `python app.py`, started with no key, no settings and no `.env`."""
    folder = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    log = folder / "server.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, str(PROJECT / "app.py"), "--port", str(port)],
            cwd=folder,
            env=kept,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as server,
    ):
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_until_healthy(address, server, log)
            yield address
        finally:
            server.terminate()
            server.wait(timeout=20)
    assert "Traceback" not in log.read_text(), log.read_text()


def _wait_until_healthy(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s and server.poll() is None:
        try:
            httpx.get(f"{address}/health", trust_env=False).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)  # nothing tells when a process begins to listen
        else:
            return
    pytest.fail(f"the server did not start:\n{log.read_text()}")


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
        playwright = await self._stack.enter_async_context(async_playwright())
        browser = await launched(playwright, self._chromium, self._folder, says, microphone=microphone)
        self._stack.push_async_callback(browser.close)
        return await self._stack.enter_async_context(Visitor(await browser.new_context(), self._url))


@pytest.fixture
async def browsers(chromium: str, url: str, tmp_path: Path) -> AsyncIterator[Browsers]:
    async with AsyncExitStack() as stack:
        yield Browsers(chromium, url, tmp_path, stack)
