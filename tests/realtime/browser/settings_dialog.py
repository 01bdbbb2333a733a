"""The dialog with the settings, used by keyboard."""

from __future__ import annotations

from playwright.async_api import Locator, expect

from tests.realtime.browser.visitor import Visitor


async def opened(visitor: Visitor) -> Locator:
    """Opens it by keyboard."""
    await visitor.page.get_by_role("button", name="Settings", exact=True).press("Enter")
    dialog = visitor.page.get_by_role("dialog", name="Settings")
    await expect(dialog).to_be_visible()
    return dialog


async def closed(visitor: Visitor, dialog: Locator) -> None:
    """Closes it with Escape, which does no more; then the keyboard is where it was."""
    await visitor.page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    assert await visitor.focused() == "Settings"
