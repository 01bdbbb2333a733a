"""Without a microphone: typing, seeing what is being heard, interrupting by a button."""

from __future__ import annotations

from playwright.async_api import expect

from tests.realtime.browser.conftest import Browsers
from tests.realtime.browser.hearing import falls_silent, record

HEARD_WORDS = "document.querySelector('.vb-assistant:last-child .vb-heard')?.textContent.split(' ').length"

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg/onload=alert(3)> &lt;b&gt; {{7*7}} \u202e"


async def test_typing_needs_no_microphone(browsers: Browsers) -> None:
    visitor = await browsers.visit(microphone=False)
    await visitor.types("What time is it in Tokyo?")
    assert "Tokyo" in await visitor.hears_answer(1)
    await expect(visitor.problem).to_be_empty()

    await visitor.talk_button.click()
    await expect(visitor.problem).to_contain_text("The microphone is blocked.")
    await visitor.types("What is ten times three?")
    assert "thirty" in await visitor.hears_answer(2)

    await visitor.presses("New conversation")
    await expect(visitor.messages).to_have_count(0)
    await expect(visitor.page.get_by_role("heading", name="Talk to it. Then talk over it.")).to_be_visible()


async def test_a_visitor_who_typed_can_turn_on_the_microphone_in_the_same_conversation(browsers: Browsers) -> None:
    visitor = await browsers.visit()
    await visitor.page.get_by_role("button", name="17 times 23?").click()
    await visitor.hears_answer(1)
    await visitor.talk_button.click()
    await visitor.sees("listening")
    await expect(visitor.answers).to_have_count(1)
    await visitor.page.keyboard.press("m")
    await visitor.sees("muted")
    await visitor.page.keyboard.press("m")
    await visitor.sees("listening")
    await visitor.talk_button.click()
    await visitor.sees("off")
    await expect(visitor.answers).to_have_count(1)


async def test_typed_markup_is_shown_as_text_and_never_run(browsers: Browsers) -> None:
    visitor = await browsers.visit(microphone=False)
    await visitor.types(HOSTILE)
    await expect(visitor.questions).to_have_text(HOSTILE)
    await visitor.sees("speaking")
    assert await visitor.page.locator("#vb-chat :is(img, script, b, svg)").count() == 0


async def test_reply_words_are_dimmed_until_heard_and_removed_by_an_interruption(browsers: Browsers) -> None:
    visitor = await browsers.visit(microphone=False)
    await visitor.types("Tell me a long story")
    await visitor.sees("speaking")
    await record(visitor.page)
    await visitor.sees_that(f"{HEARD_WORDS} >= 4")
    early = await visitor.words("heard")
    assert await visitor.words("unheard")
    colour = "element => getComputedStyle(element).color"
    answer = visitor.answers.last
    assert await answer.locator(".vb-heard").evaluate(colour) != await answer.locator(".vb-unheard").evaluate(colour)
    await visitor.sees_that(f"{HEARD_WORDS} >= {len(early) + 4}")
    assert (await visitor.words("heard"))[: len(early)] == early

    await visitor.presses("Interrupt")
    await visitor.sees("ready", timeout_s=3)
    await expect(answer.locator(".vb-cut")).to_have_text("interrupted")
    assert await visitor.words("unheard") == []
    assert (await visitor.words("heard"))[: len(early)] == early
    await falls_silent(visitor.page)


async def test_the_controls_can_be_reached_and_used_by_keyboard(browsers: Browsers) -> None:
    visitor = await browsers.visit(microphone=False)
    reached = []
    await visitor.talk_button.focus()
    for _ in range(20):
        reached.append(await visitor.focused())
        await visitor.page.keyboard.press("Tab")
    for name in ("Talk", "Mute", "Interrupt", "New conversation", "INPUT", "Send", "Tell me a long story"):
        assert name in reached
    await visitor.page.get_by_role("button", name="Tell me a long story").focus()
    await visitor.page.keyboard.press("Enter")
    await visitor.sees("speaking")
    assert await visitor.focused() == "Talk"  # what was pressed is there no more
    await visitor.page.keyboard.press("Escape")
    await visitor.sees("ready", timeout_s=3)
    await visitor.talk_button.press("Enter")
    await visitor.page.get_by_role("button", name="Dismiss").press("Enter")
    assert await visitor.focused() == "Talk"
