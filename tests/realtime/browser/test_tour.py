"""The guided tour, as a newcomer takes it: aloud, or by hand.

On the way: is the page accessible in each of its states, and does it stand still?
"""

from __future__ import annotations

import re

from playwright.async_api import expect

from tests.realtime.browser.conftest import Browsers
from tests.realtime.browser.quality import (
    ALL,
    INTERACTIVE_MS,
    PHONE,
    assert_accessible,
    assert_nothing_jumped,
    assert_targets,
    assert_well_formed,
    watch_shifts,
)
from tests.realtime.browser.visitor import ANSWER_S, Visitor

POINTED = re.compile(r"\bvb-highlighted\b")


async def comes_to(visitor: Visitor, part: str) -> None:
    await expect(visitor.page.locator(".vb-tour-part")).to_have_text(part, timeout=ANSWER_S * 1000)


async def test_the_tour_leads_a_newcomer_through_a_hum_and_a_spoken_interruption(browsers: Browsers) -> None:
    visitor = await browsers.meet()
    page = visitor.page
    await watch_shifts(page)
    await visitor.presses("Show me")
    await expect(page.locator(".vb-tour-title")).to_be_focused()
    await expect(page.locator(".vb-tour-step")).to_have_role("status")
    await visitor.presses("Use my microphone")
    await comes_to(visitor, "2 of 3")
    await expect(page.locator("#vb-talk")).to_have_class(POINTED)
    await visitor.sees_that("Number(document.getElementById('vb-talk').style.getPropertyValue('--voice')) > 0.2")

    await visitor.says("uh-huh", "slt")
    await visitor.sees_that("Number(document.getElementById('vb-talk').style.getPropertyValue('--level')) > 0.2")
    await visitor.sees("paused")
    await comes_to(visitor, "3 of 3")
    await expect(page.locator(".vb-tour-text")).to_contain_text(
        await visitor.verdicts.first.locator(".vb-reason").inner_text()
    )
    await expect(page.locator("#vb-verdicts")).to_have_class(POINTED)
    await visitor.hears_words(len(await visitor.words("heard")) + 2)

    await visitor.says("what is ten times three")
    await comes_to(visitor, "Done")
    await expect(visitor.verdicts.first).to_have_attribute("data-decision", "regenerate")
    assert "thirty" in await visitor.hears_answer(2)
    assert await page.locator("#vb-turn").get_attribute("data-budget") in ("over", "kept")
    await expect(page.locator(".vb-of-budget")).to_have_text(re.compile(r"^[\d,]+ ms, goal 800 ms\.$"))
    await expect(page.locator(".vb-most")).to_contain_text("The bot itself took")

    await page.keyboard.press("Escape")
    await expect(page.locator("#vb-tour")).to_be_hidden()
    await expect(page.locator(".vb-highlighted")).to_have_count(0)
    await expect(page.locator("#vb-open-tour")).to_be_focused()
    assert await page.evaluate("localStorage.getItem('voicebot.tour')") == "done"
    await assert_nothing_jumped(page)

    await visitor.types("Tell me a long story")
    await visitor.hears_words(4)
    await assert_accessible(page)


async def test_the_tour_can_be_taken_with_buttons_without_a_microphone_and_is_remembered(browsers: Browsers) -> None:
    visitor = await browsers.visit(microphone=False)
    page = visitor.page
    assert await page.evaluate("performance.now()") < INTERACTIVE_MS
    await assert_well_formed(page)
    await assert_accessible(page, ALL)
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    main = ("vb-talk-button", "vb-mute", "vb-interrupt", "vb-clear", "vb-send", "vb-open-tour")
    await assert_targets(page, *main)
    await page.reload()
    await visitor.ready()
    await watch_shifts(page)

    await visitor.presses("Show me")
    await visitor.presses("Continue without")
    await comes_to(visitor, "2 of 3")
    await page.keyboard.press("Escape")
    await expect(page.locator("#vb-tour")).to_be_hidden()
    await visitor.hears_words(len(await visitor.words("heard")) + 2)  # only the tour was left

    await visitor.presses("Guided tour")
    await assert_targets(page, "vb-tour-button", "vb-tour-leave")
    await visitor.presses("Continue without")
    await comes_to(visitor, "2 of 3")
    await expect(page.locator(".vb-tour-title")).to_have_text("What “uh-huh” would do")
    await visitor.presses("Next")
    await comes_to(visitor, "3 of 3")
    await visitor.presses("Just interrupt")
    await comes_to(visitor, "Done")
    await expect(visitor.answers.last.locator(".vb-cut")).to_have_text("interrupted")
    await assert_nothing_jumped(page)
    problem = "{ text: 'The sky has fallen.', advice: 'Hold it.', action: null, button: 'Dismiss' }"
    await visitor.in_session(f"session => session.warn({problem})")
    await assert_accessible(page)

    await visitor.presses("Done")
    await expect(page.locator("#vb-tour")).to_be_hidden()
    await visitor.presses("New conversation")
    await expect(page.get_by_role("button", name="Show me again")).to_be_visible()


async def test_the_tour_is_not_covered_by_the_controls_on_a_small_screen(browsers: Browsers) -> None:
    visitor = await browsers.visit(microphone=False)
    await visitor.page.set_viewport_size({"width": 320, "height": 640})
    in_sight = """(([tour, chat, controls]) => tour.bottom <= Math.min(chat.bottom, controls.top))(
        ["#vb-tour", "#vb-chat", "#vb-controls"].map((each) => document.querySelector(each).getBoundingClientRect()))"""
    await visitor.presses("Guided tour")
    await visitor.sees_that(in_sight)
    await visitor.presses("Continue without")
    await comes_to(visitor, "2 of 3")
    await visitor.sees_that(in_sight)
