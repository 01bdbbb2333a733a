"""Measures whether what the page shows can be read: contrast, and what lies outside the window."""

from __future__ import annotations

from pathlib import Path

from tests.realtime.browser.screenshots import SCHEMES
from tests.realtime.browser.visitor import Visitor

LOOK = Path(__file__).with_name("look.js").read_text(encoding="utf-8")

LEAST_CONTRAST = 4.5
"""WCAG 2.2, 1.4.3 (AA), for text of normal size."""


async def assert_readable(visitor: Visitor) -> None:
    """Fails if any text is too faint or cut off, at any width or in either colour scheme."""
    for width in (320, 390, 700, 820, 1024, 1280, 1920):
        await visitor.page.set_viewport_size({"width": width, "height": 800})
        for scheme in SCHEMES:
            await visitor.page.emulate_media(color_scheme=scheme)
            look = await visitor.page.evaluate(LOOK)
            assert len(look["texts"]) > 40
            assert [text for text in look["texts"] if text["contrast"] < LEAST_CONTRAST] == []
            assert look["outside"] == [], f"cut off at {width} pixels"
