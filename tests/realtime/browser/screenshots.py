"""Pictures of the page in use: `python -m tests.realtime.browser.screenshots URL FOLDER`.

The README has some of them: see `readme_pictures`.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Literal

from playwright.async_api import async_playwright, expect

from tests.realtime.browser.visitor import ANSWER_S, Visitor, chromium_path, given_a_voice, launched

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

WORDS_BETWEEN = 4
"""The visitor listens to so many words of the story before saying something over it."""


async def take(visitor: Visitor, folder: Path) -> None:
    """Asks for a story, hums and then asks something over it, disputes a verdict, and takes pictures on the way."""
    await pictures(visitor, folder, "idle")
    await visitor.talk_button.click()
    await visitor.sees("listening")
    await visitor.types("Tell me a long story")
    await visitor.hears_words(WORDS_BETWEEN)
    await visitor.says("uh-huh", "slt")
    await expect(visitor.verdicts).to_have_count(1, timeout=ANSWER_S * 1000)
    heard = await visitor.words("heard")
    await visitor.hears_words(len(heard) + WORDS_BETWEEN)
    await visitor.says("what time is it in tokyo")
    await expect(visitor.answers).to_have_count(2, timeout=ANSWER_S * 1000)
    await visitor.sees("speaking")
    await expect(visitor.answers.last.locator(".vb-heard")).not_to_be_empty()
    await pictures(visitor, folder, "speaking")
    await visitor.hears_answer(2)
    await pictures(visitor, folder, "after")
    await visitor.verdicts.last.get_by_role("button").click()
    await expect(visitor.page.locator(".vb-save")).to_be_visible()
    await pictures(visitor, folder, "verdicts", of="#vb-verdicts")
    await visitor.talk_button.click()


async def pictures(visitor: Visitor, folder: Path, moment: str, *, of: str = "#vb-header") -> None:
    """The page in each size and colours, with the part that matters in sight."""
    for size, (width, height) in SIZES.items():
        await visitor.page.set_viewport_size({"width": width, "height": height})
        await visitor.page.locator(of).evaluate("element => element.scrollIntoView({ block: 'center' })")
        for scheme in SCHEMES:
            await visitor.page.emulate_media(color_scheme=scheme)
            dark = str(scheme == "dark").lower()
            await visitor.sees_that(f"document.body.classList.contains('dark') === {dark}")
            await visitor.page.screenshot(path=folder / f"{size}-{scheme}-{moment}.png", animations="disabled")


async def _main(url: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        async with async_playwright() as playwright:
            browser = await launched(playwright, chromium_path(), Path(scratch), None, microphone=True)
            async with Visitor(await given_a_voice(await browser.new_context()), url) as visitor:
                await take(visitor, folder)
            await browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_main(options.url, options.folder))
