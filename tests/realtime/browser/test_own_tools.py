"""Tools of the operator's own, used on the page: the real graph, a simulated model, and a visitor who clicks."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.async_api import expect

from tests.realtime.browser.conftest import Chromium
from tests.realtime.browser.look import assert_readable
from tests.realtime.browser.screenshots import pictures
from tests.realtime.browser.visitor import Visitor
from tests.simulators.brain import Call
from tests.support import kitchen as bakery
from tests.support.shop import open_shop

CALLS = {
    "cake": [Call("bake", {"topping": "cheese"})],
    "flour": [Call("order", {"count": 3, "thing": "bags of flour"})],
}
QUESTION = "Shall I order 3 bags of flour?"


async def take(visitor: Visitor, moment: str, of: str) -> None:
    if folder := os.environ.get("PICTURES"):
        await pictures(visitor, Path(folder), moment, of=of)


async def test_a_visitor_follows_a_call_over_an_interruption_and_a_reload_and_confirms_another_by_a_button(
    chrome: Chromium,
) -> None:
    kitchen = bakery.opened()
    browser = await chrome.browser(microphone=False)
    async with open_shop(CALLS) as shop, Visitor(await browser.new_context(), shop.server.url) as visitor:
        page = visitor.page
        await page.emulate_media(reduced_motion="reduce")
        calls, card = page.locator("#vb-chat .vb-tool summary"), page.locator(".vb-confirmation")

        await visitor.types("make me a cake")
        await kitchen.has_begun()
        await expect(calls).to_have_text(["bake working…"])
        await visitor.sees("speaking")  # a filler
        await take(visitor, "call-running", "#vb-chat")
        await visitor.presses("Interrupt")
        await visitor.sees("ready")
        await expect(calls).to_have_text(["bake working…"])
        await page.reload()
        await visitor.ready()
        await expect(calls).to_have_text(["bake working…"])
        await visitor.types("hello")
        await visitor.sees("speaking")
        kitchen.may_end.set()
        await expect(calls).to_have_text(["bake done"])
        assert kitchen.baked == ["cheese"]

        await visitor.types("order some flour")
        await expect(card.locator(".vb-question")).to_have_text(QUESTION, timeout=15_000)
        await assert_readable(visitor)
        await take(visitor, "confirmation", ".vb-confirmation")
        await card.get_by_role("button", name="Yes", exact=True).click()
        await expect(calls).to_have_text(["bake done", "order done"], timeout=15_000)
        await expect(card).to_be_hidden()
        assert kitchen.ordered == ["3 bags of flour"]

        await visitor.sees("ready")
        await visitor.types("order some flour")
        await expect(card).to_be_visible(timeout=15_000)
        await card.get_by_role("button", name="No", exact=True).click()
        await expect(calls).to_have_text(["bake done", "order done", "order not confirmed"])
        await take(visitor, "calls-after", "#vb-chat")
        assert kitchen.ordered == ["3 bags of flour"]
