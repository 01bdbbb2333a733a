"""The README's pictures, from a real conversation: `python -m tests.realtime.browser.readme_pictures URL docs/images`.

`interruption.webp` moves: over a story the visitor hums, then asks something. The visitor's voice is flite's; all else
is the page's own.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import shutil
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Self

from PIL import Image
from playwright.async_api import Page, async_playwright, expect

from tests.realtime.browser.screenshots import take
from tests.realtime.browser.visitor import ANSWER_S, Visitor, chromium_path, given_a_voice, launched

STILLS = {
    "desktop-light-speaking.png": "page.png",
    "desktop-dark-after.png": "page-dark.png",
    "phone-light-speaking.png": "page-phone.png",
}

VIEW = (1280, 800)
WIDTH = 880
"""As wide as GitHub shows it."""

FRAME_S = 0.2
LAST_FRAME_S = 3.0
QUALITY = 62
MOST_BYTES = 1_500_000


class Film:
    """Pictures of the page, several a second, while its block runs; each lasts until the next was taken."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._frames: list[tuple[float, bytes]] = []

    async def __aenter__(self) -> Self:
        self._filming = asyncio.create_task(self._film())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._filming.cancel()
        await asyncio.wait([self._filming])

    async def _film(self) -> None:
        while True:
            began_s = time.monotonic()
            self._frames.append((began_s, await self._page.screenshot()))
            await asyncio.sleep(max(0.0, began_s + FRAME_S - time.monotonic()))

    def save(self, path: Path) -> None:
        """As an animated WebP that begins anew when it is over. Raises ValueError if it is too large for a README."""
        pictures = [_scaled(picture) for _, picture in self._frames]
        times_s = [began_s for began_s, _ in self._frames]
        lasting_ms = [round(1000 * (after - before)) for before, after in pairwise(times_s)]
        pictures[0].save(
            path,
            save_all=True,
            append_images=pictures[1:],
            duration=[*lasting_ms, round(1000 * LAST_FRAME_S)],
            loop=0,
            quality=QUALITY,
            method=4,
        )
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path} has {path.stat().st_size} bytes")


def _scaled(picture: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    return image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)


async def film_an_interruption(visitor: Visitor, path: Path) -> None:
    await visitor.page.set_viewport_size({"width": VIEW[0], "height": VIEW[1]})
    await visitor.page.emulate_media(color_scheme="light")
    await visitor.talk_button.click()
    await visitor.sees("listening")
    await visitor.types("Tell me a long story")
    await visitor.sees("speaking")
    async with Film(visitor.page) as film:
        await visitor.hears_words(5)
        await visitor.says("uh-huh", "slt")
        await expect(visitor.verdicts).to_have_count(1, timeout=ANSWER_S * 1000)
        await visitor.hears_words(len(await visitor.words("heard")) + 5)
        await visitor.says("what is ten times three")
        await expect(visitor.verdicts).to_have_count(2, timeout=ANSWER_S * 1000)
        await visitor.hears_answer(2)
    rules = await visitor.verdicts.locator(".vb-rule").all_inner_texts()
    if rules != ["rule: words", "rule: backchannel"]:
        raise ValueError(f"it decided by {rules}: once more, with less else to do")
    await asyncio.to_thread(film.save, path)


async def _main(url: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        async with async_playwright() as playwright:
            browser = await launched(playwright, chromium_path(), Path(scratch), None, microphone=True)
            async with Visitor(await given_a_voice(await browser.new_context()), url) as visitor:
                await film_an_interruption(visitor, folder / "interruption.webp")
            async with Visitor(await given_a_voice(await browser.new_context()), url) as visitor:
                await take(visitor, Path(scratch))
            await browser.close()
        for taken, name in STILLS.items():
            shutil.copy(Path(scratch) / taken, folder / name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    asyncio.run(_main(options.url, options.folder))
