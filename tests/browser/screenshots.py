"""Pictures of the page in use: `python -m tests.browser.screenshots URL FOLDER` (the suite takes them too).

The README's picture is `desktop-light-speaking.png`.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Literal

from playwright.async_api import async_playwright, expect

from tests.browser.visitor import ANSWER_S, Visitor, launched
from tests.support.speech import spoken
from voicebot.core.audio import WIRE_RATE_HZ, Audio

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

SILENT_S = 7.0
"""The visitor listens to the story for so long before speaking over it."""


def interruption() -> Audio:
    """What the microphone hears: nothing for a while, then a question."""
    question = spoken("what time is it in tokyo").resampled(WIRE_RATE_HZ)
    return Audio.joined([Audio.silence(SILENT_S, WIRE_RATE_HZ), question], WIRE_RATE_HZ)


async def take(visitor: Visitor, folder: Path) -> None:
    """Asks for a story, speaks over it, and takes pictures on the way."""
    await pictures(visitor, folder, "idle")
    await visitor.talk_button.click()
    await visitor.sees("listening")
    await visitor.types("Tell me a long story")
    await visitor.sees("paused")
    await expect(visitor.answers).to_have_count(2, timeout=ANSWER_S * 1000)
    await visitor.sees("speaking")
    await expect(visitor.answers.last.locator(".vb-heard")).not_to_be_empty()
    await pictures(visitor, folder, "speaking")
    await visitor.hears_answer(2)
    await pictures(visitor, folder, "after")
    await visitor.talk_button.click()


async def pictures(visitor: Visitor, folder: Path, moment: str) -> None:
    for size, (width, height) in SIZES.items():
        await visitor.page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            await visitor.page.emulate_media(color_scheme=scheme)
            dark = str(scheme == "dark").lower()
            await visitor.sees_that(f"document.body.classList.contains('dark') === {dark}")
            await visitor.page.screenshot(path=folder / f"{size}-{scheme}-{moment}.png", animations="disabled")


async def _main(url: str, folder: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("chromium is missing: apt-get install chromium")
    with tempfile.TemporaryDirectory() as scratch:
        async with async_playwright() as playwright:
            browser = await launched(playwright, chromium, Path(scratch), interruption(), microphone=True)
            async with Visitor(await browser.new_context(), url) as visitor:
                await take(visitor, folder)
            await browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_main(options.url, options.folder))
