"""The day's turns are used up: the page says so, when it is told and when it connects, and leaves the bot alone."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import BrowserContext, expect

from tests.realtime.browser.conftest import Chromium
from tests.realtime.browser.visitor import Visitor
from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import serving
from voicebot.settings import config

FAREWELL = re.compile(r"I have given all my answers for today\. I'll be back in .* hours?\. Goodbye!\s*")

PICTURES = os.environ.get("PICTURES")


@pytest_asyncio.fixture(loop_scope="session")
async def context(chrome: Chromium) -> AsyncIterator[BrowserContext]:
    browser = await chrome.browser(microphone=True)
    async with await browser.new_context() as context:
        yield context


async def test_the_page_does_not_reconnect_after_the_daily_turns_are_used_up(context: BrowserContext) -> None:
    engines = scripted(ScriptedStt(), ScriptedAgent(scripts=[["Yes."]]), ToneTts())
    async with serving(engines, config.load(turns_per_day=1)) as server, Visitor(context, server.url) as visitor:
        visitor.may_fail("429")
        offers: list[str] = []
        visitor.page.on("request", lambda request: offers.append(request.url) if "offer" in request.url else None)
        await visitor.types("one")
        await expect(visitor.answers.last).to_contain_text("Yes.")
        offers.clear()
        await visitor.types("two")
        await expect(visitor.problem).to_contain_text("That's all for today.")
        await expect(visitor.problem).to_contain_text("It will be back at midnight UTC, in ")
        await visitor.sees("off")
        await expect(visitor.questions).to_have_text(["one", "two"])
        await expect(visitor.answers.last.locator(".vb-words")).to_have_text(FAREWELL)
        await expect(visitor.answers.last).not_to_contain_text("interrupted")
        assert offers == []
        if PICTURES:
            await visitor.page.screenshot(path=f"{PICTURES}/day-ended.png")

        for what_might_make_it_try_again in ("online", "focus"):
            await visitor.page.evaluate(f"dispatchEvent(new Event('{what_might_make_it_try_again}'))")
        await visitor.presses("Dismiss")
        async with visitor.page.expect_response("**/webrtc/offer") as refused:
            await visitor.talk_button.click()
        assert (await refused.value).status == 429
        await expect(visitor.problem).to_contain_text("That's all for today.")
        await visitor.sees("off")
        await visitor.page.wait_for_timeout(1_500)  # a reconnection would begin after half a second
        assert len(offers) == 1
        if PICTURES:
            await visitor.page.screenshot(path=f"{PICTURES}/day-refused.png")
