"""Takes pictures of the page for people to look at, and measures what can be measured of its look."""

from __future__ import annotations

from pathlib import Path

from tests.browser.conftest import Browsers
from tests.browser.screenshots import SCHEMES, SIZES, take

FOLDER = Path(__file__).parents[2] / "screenshots"

LOOK = Path(__file__).with_name("look.js").read_text(encoding="utf-8")

LEAST_CONTRAST = 4.5
"""WCAG 2.2, 1.4.3 (AA), for text of normal size."""


async def test_pictures_are_taken(browsers: Browsers) -> None:
    FOLDER.mkdir(exist_ok=True)
    visitor = await browsers.meet()
    await take(visitor, FOLDER)
    taken = {path.name for path in FOLDER.glob("*.png")}
    assert taken >= {
        f"{size}-{scheme}-{moment}.png"
        for size in SIZES
        for scheme in SCHEMES
        for moment in ("idle", "speaking", "after", "verdicts")
    }
    for decision in ("resume", "regenerate"):
        assert await visitor.page.locator(f"#vb-rulings [data-decision={decision}]").count() == 1


async def test_every_text_has_contrast_and_none_is_cut_off(browsers: Browsers) -> None:
    visitor = await browsers.visit(microphone=False)
    await visitor.page.emulate_media(reduced_motion="reduce")  # no colours half way between two states
    await visitor.talk_button.click()
    await visitor.types("Tell me a long story")
    await visitor.sees_that("document.querySelector('.vb-assistant .vb-heard')?.textContent.split(' ').length > 3")
    for width in (320, 390, 700, 820, 1024, 1280, 1920):
        await visitor.page.set_viewport_size({"width": width, "height": 800})
        for scheme in SCHEMES:
            await visitor.page.emulate_media(color_scheme=scheme)
            look = await visitor.page.evaluate(LOOK)
            assert len(look["texts"]) > 40
            assert [text for text in look["texts"] if text["contrast"] < LEAST_CONTRAST] == []
            assert look["outside"] == [], f"cut off at {width} pixels"
