"""The page's modules without the page: what in them is pure can be asked directly."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

from voicebot.web.ui import page as ui


async def asked(page: Page, expression: str, argument: Any = None) -> Any:
    """The value of a JavaScript expression in which the names of all modules are known, and `it` is the argument."""
    modules = ui.script().removesuffix("whenBuilt();\n")
    return await page.evaluate(f"(it) => {{ {modules}\nreturn ({expression}); }}", argument)
