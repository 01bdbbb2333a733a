"""What a visitor chooses in the page: it holds from the next turn on, and is still there after a reload."""

from __future__ import annotations

from playwright.async_api import expect

from tests.realtime.browser.conftest import Browsers
from tests.realtime.browser.look import assert_readable
from tests.realtime.browser.settings_dialog import closed, opened
from tests.realtime.browser.visitor import Visitor

STORY = "Tell me a long story"


async def test_chosen_settings_apply_from_the_next_turn_and_survive_a_reload(browsers: Browsers) -> None:
    visitor = await browsers.visit(microphone=False)
    dialog = await opened(visitor)
    await expect(dialog).to_contain_text("Changes apply from your next turn")
    await expect(dialog.get_by_label("Persona")).to_be_disabled()
    await dialog.get_by_label("Text to speech").select_option(label="espeak")
    await dialog.get_by_label("Voice", exact=True).select_option(label="Great Britain")
    await dialog.get_by_label("Nothing").check()
    await expect(dialog.get_by_role("status")).to_have_text("Saved. Changes apply from your next turn.")
    await closed(visitor, dialog)

    await cut_short(visitor, STORY)
    await expect(visitor.answers).to_have_count(0)
    await expect(visitor.questions).to_have_text(STORY)

    # In the middle of an answer, which is still remembered as it was begun; the next one is not.
    await visitor.types(STORY)
    await visitor.hears_words(3)
    dialog = await opened(visitor)
    await dialog.get_by_label("The words you heard").check()
    await visitor.page.keyboard.press("m")
    await dialog.click(position={"x": 8, "y": 300})  # on its edge: then no element has the keyboard
    await closed(visitor, dialog)
    await visitor.sees("speaking")
    await visitor.presses("Interrupt")
    await visitor.sees("ready", timeout_s=3)
    await expect(visitor.answers).to_have_count(0)
    await cut_short(visitor, STORY)
    await expect(visitor.answers.locator(".vb-cut")).to_have_text("interrupted")

    await visitor.page.reload()
    await visitor.ready()
    dialog = await opened(visitor)
    await expect(dialog.get_by_label("Voice", exact=True)).to_have_value("en")
    await dialog.get_by_role("button", name="Reset to defaults").click()
    await expect(dialog.get_by_label("Voice", exact=True)).to_have_value("")


async def test_stored_settings_that_are_no_longer_available_are_ignored_silently(browsers: Browsers) -> None:
    visitor = await browsers.visit(microphone=False)
    stored = '{"persona": "pirate", "voice": "gone", "llm": "gpt", "language": 5, "sensitivity": "hard"}'
    await visitor.page.evaluate("stored => localStorage.setItem('voicebot.preferences', stored)", stored)
    await visitor.page.reload()
    await visitor.ready()
    await visitor.types("What is ten times three?")
    assert "thirty" in await visitor.hears_answer(1)
    await expect(visitor.problem).to_be_empty()
    dialog = await opened(visitor)
    await expect(dialog.get_by_label("Voice", exact=True)).to_have_value("")
    await expect(dialog.get_by_label("Hard to interrupt")).to_be_checked()
    await visitor.page.emulate_media(reduced_motion="reduce")
    await assert_readable(visitor)


async def test_the_settings_dialog_is_vertically_centred_and_a_click_outside_closes_it(browsers: Browsers) -> None:
    visitor = await browsers.visit(microphone=False)
    dialog = await opened(visitor)
    above, below = await dialog.evaluate(
        "it => (({ top, bottom }) => [top, innerHeight - bottom])(it.getBoundingClientRect())"
    )
    assert above == below > 0
    await visitor.page.mouse.click(8, 8)
    await expect(dialog).to_be_hidden()


async def cut_short(visitor: Visitor, question: str) -> None:
    await visitor.types(question)
    await visitor.hears_words(3)
    await visitor.presses("Interrupt")
    await visitor.sees("ready", timeout_s=3)
