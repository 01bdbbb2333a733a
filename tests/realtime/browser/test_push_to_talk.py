"""Hold to talk: the bot hears the visitor only while they hold the button or the space bar."""

from __future__ import annotations

import time

import pytest
from playwright.async_api import expect

from tests.realtime.browser.conftest import Browsers
from tests.realtime.browser.look import assert_readable
from tests.realtime.browser.settings_dialog import closed, opened
from tests.realtime.browser.visitor import ANSWER_S, Visitor
from tests.support.speech import spoken
from tests.support.understanding import words

PAUSE_MS = 2_000


async def holding(browsers: Browsers) -> Visitor:
    """Returns a visitor who has connected with push-to-talk switched on before."""
    visitor = await browsers.meet()
    await switch(visitor, on=True)
    await visitor.talk_button.click()
    await visitor.sees("waiting")
    await expect(visitor.page.locator("#vb-mute")).to_have_attribute("aria-disabled", "true")
    return visitor


async def switch(visitor: Visitor, *, on: bool) -> None:
    dialog = await opened(visitor)
    await dialog.get_by_role("switch", name="Hold to talk").set_checked(on)
    await expect(dialog.get_by_role("status")).to_have_text("Saved. This applies at once.")
    await closed(visitor, dialog)


async def says_all(visitor: Visitor, text: str) -> None:
    """Says it to its end."""
    await visitor.says(text)
    await visitor.page.wait_for_timeout(spoken(text).duration_s * 1000)


async def press_button(visitor: Visitor) -> None:
    box = await visitor.talk_button.bounding_box()
    assert box is not None
    await visitor.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await visitor.page.mouse.down()


@pytest.mark.alone
async def test_speech_counts_while_the_button_is_held_and_a_long_pause_does_not_end_the_turn(
    browsers: Browsers,
) -> None:
    visitor = await holding(browsers)
    await says_all(visitor, "what is ten times three")
    await visitor.page.wait_for_timeout(PAUSE_MS)
    await expect(visitor.messages).to_have_count(0)

    await press_button(visitor)
    await visitor.sees("hearing")
    await says_all(visitor, "what time is it")
    await visitor.page.wait_for_timeout(PAUSE_MS)
    await expect(visitor.answers).to_have_count(0)
    await says_all(visitor, "in london")
    await visitor.page.mouse.up()
    released_s = time.monotonic()
    await expect(visitor.answers).to_have_count(1, timeout=ANSWER_S * 1000)
    answered_s = time.monotonic() - released_s
    assert answered_s < 5, f"the answer took {answered_s:.2f} s from the release"
    assert words(await visitor.questions.first.inner_text()) == words("what time is it in london")
    await expect(visitor.page.locator(".vb-ended-by")).to_have_text("What ended your turn: button (you let go).")
    await expect(visitor.answers.first).to_contain_text("London")
    await visitor.sees("waiting")


@pytest.mark.alone
async def test_the_space_bar_pauses_the_bot_and_a_press_without_words_lets_it_go_on(browsers: Browsers) -> None:
    visitor = await holding(browsers)
    await visitor.types("Tell me a long story")
    await visitor.hears_words(4)
    await visitor.page.evaluate("document.activeElement.blur()")
    await visitor.page.keyboard.down("Space")
    await visitor.sees("paused")
    await visitor.page.wait_for_timeout(3_500)
    await visitor.sees("paused", timeout_s=0.1)
    paused = await visitor.words("heard")
    await visitor.page.keyboard.up("Space")
    await visitor.sees("speaking")
    await visitor.hears_words(len(paused) + 2)
    await expect(visitor.answers.locator(".vb-cut")).to_be_empty()

    await visitor.page.keyboard.down("Space")
    await says_all(visitor, "what is ten times three")
    await visitor.page.keyboard.up("Space")
    await expect(visitor.answers).to_have_count(2, timeout=ANSWER_S * 1000)
    await expect(visitor.answers.last).to_contain_text("thirty", timeout=ANSWER_S * 1000)


async def test_a_short_press_keeps_the_button_down_and_the_switch_survives_a_reload(browsers: Browsers) -> None:
    visitor = await holding(browsers)
    await visitor.page.emulate_media(reduced_motion="reduce")
    await assert_readable(visitor)
    await expect(visitor.talk_button).to_have_accessible_name("Hold to talk")
    await expect(visitor.talk_button).to_have_attribute("aria-pressed", "false")
    await visitor.talk_button.click()
    await visitor.sees("hearing")
    await expect(visitor.talk_button).to_have_attribute("aria-pressed", "true")
    await expect(visitor.page.locator("#vb-talk .vb-hint")).to_have_text("Press again when you are done.")
    await visitor.talk_button.press("Enter")
    await visitor.sees("waiting")
    await visitor.talk_button.press("Enter")
    await visitor.sees("hearing")

    await visitor.page.reload()
    await visitor.ready()
    await expect(visitor.talk_button).to_have_accessible_name("Talk")
    await visitor.talk_button.click()
    await visitor.sees("waiting")
    await visitor.presses("Hang up")
    await visitor.sees("off")


@pytest.mark.alone
async def test_switched_off_in_the_middle_of_a_press_the_bot_hears_as_usual(browsers: Browsers) -> None:
    visitor = await holding(browsers)
    await visitor.talk_button.click()
    await visitor.sees("hearing")
    await switch(visitor, on=False)
    await visitor.sees("listening")
    await visitor.says("what is ten times three")
    assert "thirty" in await visitor.hears_answer(1)
    await expect(visitor.talk_button).to_have_accessible_name("Hang up")


async def test_a_space_typed_into_the_box_is_a_space(browsers: Browsers) -> None:
    visitor = await holding(browsers)
    box = visitor.page.get_by_label("Type instead of speaking")
    await box.focus()
    await visitor.page.keyboard.type("a b")
    await expect(box).to_have_value("a b")
    await visitor.sees("waiting", timeout_s=0.1)
