"""Measures what can be measured of the page's look; `tests.realtime.browser.screenshots` takes pictures to look at."""

from __future__ import annotations

from playwright.async_api import expect

from tests.realtime.browser.conftest import Browsers
from tests.realtime.browser.look import assert_readable
from voicebot.dialogue.interruption.verdict import Decision, Verdict, VerdictContext
from voicebot.dialogue.state import State, VerdictRecord
from voicebot.dialogue.view import view


async def test_every_text_has_enough_contrast_and_none_is_cut_off(browsers: Browsers) -> None:
    visitor = await browsers.visit(microphone=False)
    await visitor.page.emulate_media(reduced_motion="reduce")  # no colours half way between two states
    await visitor.talk_button.click()
    await visitor.types("Tell me a long story")
    await visitor.sees_that("document.querySelector('.vb-assistant .vb-heard')?.textContent.split(' ').length > 3")
    await assert_readable(visitor)


async def test_long_verdicts_are_readable_at_every_width(browsers: Browsers) -> None:
    visitor = await browsers.visit()
    await visitor.page.emulate_media(reduced_motion="reduce")
    await visitor.talk_button.click()
    await visitor.sees("listening")
    words, said = "no stop please I wanted to ask you something else " * 3, "Once upon a time there was a fox. " * 3
    verdicts = (
        VerdictRecord(
            1, Verdict(Decision.RESUME, "silence", "speech went on without a word", ""), VerdictContext(), 3.0
        ),
        VerdictRecord(
            2, Verdict(Decision.RESUME, "echo", f"“{said}” is the bot's own voice", said), VerdictContext(), 1.4, True
        ),
        VerdictRecord(
            3,
            Verdict(Decision.REGENERATE, "stop word", f"“stop” stops the bot: “{words}”", words),
            VerdictContext(),
            12.3,
        ),
    )
    await visitor.is_shown(view(State(verdicts=verdicts)))
    await expect(visitor.verdicts).to_have_count(3)
    await assert_readable(visitor)


async def test_a_problem_is_brought_into_sight_in_a_low_window_and_nothing_moves_on_a_phone(browsers: Browsers) -> None:
    visitor = await browsers.visit(microphone=False)
    page = visitor.page
    in_sight = """(({ top, bottom }) => top >= 0 && bottom <= innerHeight)(
        document.querySelector("#vb-problem").getBoundingClientRect())"""
    for width, height in ((1366, 640), (1280, 800), (390, 844)):
        await page.set_viewport_size({"width": width, "height": height})
        await page.evaluate("scrollTo(0, 0)")
        await visitor.talk_button.click()
        await expect(visitor.problem).to_contain_text("The microphone is blocked.")
        await visitor.sees_that(in_sight)
        if width < 1024:
            assert await page.evaluate("scrollY") == 0
        await visitor.presses("Dismiss")
