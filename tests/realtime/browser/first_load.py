"""Measures how the page loads: `python -m tests.realtime.browser.first_load [URL ...]`, which starts the app by itself.

Each run has an empty browser cache at first. `again` is the second visit of the same browser. Prints medians.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, async_playwright

from tests.realtime.browser.visitor import chromium_path, launched
from tests.support.app_process import forked_app

RUNS = 7

INTERACTIVE = """
new MutationObserver((_, observer) => {
  if (!document.querySelector("[data-item=microphone] .vb-word")?.textContent) return;
  observer.disconnect();
  window.interactive_ms = performance.now();
}).observe(document, { childList: true, subtree: true });
"""
"""The page is interactive when its script has drawn it once, which it does as soon as its buttons work."""

NETWORKS: dict[str, dict[str, object] | None] = {
    "loopback": None,
    "20 Mbit/s, 40 ms": {"offline": False, "latency": 40, "downloadThroughput": 2.5e6, "uploadThroughput": 6e5},
}

Load = tuple[float, int, int]


async def measure(context: BrowserContext, url: str, network: dict[str, object] | None) -> Load:
    """Returns the time until the page is interactive, in ms, the bytes it took on the wire, and its requests."""
    page = await context.new_page()
    await page.add_init_script(INTERACTIVE)
    devtools = await context.new_cdp_session(page)
    await devtools.send("Network.enable")
    if network is not None:
        await devtools.send("Network.emulateNetworkConditions", network)
    cached: set[str] = set()
    sizes: dict[str, int] = {}
    devtools.on("Network.requestServedFromCache", lambda event: cached.add(event["requestId"]))
    devtools.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    await page.goto(url)
    await page.wait_for_function("window.interactive_ms && document.querySelector('#vb-notice')?.textContent")
    await page.wait_for_load_state("networkidle")
    interactive_ms = float(await page.evaluate("window.interactive_ms"))
    await page.close()
    sent = [size for request, size in sizes.items() if request not in cached and size > 0]
    return interactive_ms, sum(sent), len(sent)


async def report(browser: Browser, urls: list[str], runs: int) -> None:
    """Visits the servers in turn, so that whatever else the machine does slows all of them down alike."""
    for name, network in NETWORKS.items():
        first: dict[str, list[Load]] = {url: [] for url in urls}
        again: dict[str, list[Load]] = {url: [] for url in urls}
        for _ in range(runs):
            for url in urls:
                async with await browser.new_context() as context:
                    first[url].append(await measure(context, url, network))
                    again[url].append(await measure(context, url, network))
        for url in urls:
            for visit, loads in (("first", first[url]), ("again", again[url])):
                interactive_ms, sent, requests = (statistics.median(each) for each in zip(*loads, strict=True))
                found = f"interactive after {interactive_ms:.0f} ms, {sent / 1024:.0f} kB, {requests:.0f} requests"
                sys.stdout.write(f"{url}, {name}, {visit}: {found}\n")


async def _main(urls: list[str], runs: int) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        addresses = urls or [stack.enter_context(forked_app(folder)).url]
        async with async_playwright() as playwright:
            browser = await launched(playwright, chromium_path(), folder, None, microphone=True)
            await report(browser, addresses, runs)
            await browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", nargs="*", metavar="url")
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    asyncio.run(_main(options.urls, options.runs))
