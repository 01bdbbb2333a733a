"""The page shows the calls of tools with effects, and the question that comes before some of them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.realtime.browser.conftest import Browsers
from tests.realtime.browser.look import assert_readable
from tests.realtime.browser.screenshots import pictures
from voicebot.dialogue.confirmation import PendingConfirmation
from voicebot.dialogue.history import Message, Role
from voicebot.dialogue.state import State
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest
from voicebot.dialogue.view import view

QUESTION = "Shall I order two large pizzas with mushrooms to Main Street 12?"
HISTORY = (
    Message(Role.USER, "Note that I need bread, and order two large pizzas."),
    Message(Role.ASSISTANT, f"I have noted it. {QUESTION}"),
)
NOTED = CallRecord("one", "add_note", '{"text": "bread", "tags": ["shop"]}', CallStatus.DONE, "It is noted.", 1)
CALLS = (
    NOTED,
    replace(NOTED, id="two", tool="search_the_archive_of_very_long_names", status=CallStatus.RUNNING, result=""),
    replace(NOTED, id="three", tool="send_mail", status=CallStatus.FAILED, result="Error: there is no such address."),
    replace(NOTED, id="four", tool="book_table", status=CallStatus.UNKNOWN, result="Error: it took too long."),
    replace(NOTED, id="five", tool="order_pizza", status=CallStatus.NOT_CONFIRMED, result="No.", position=2),
)
ASKED = ConfirmationRequest(CallRecord("six", "order_pizza", "{}"), QUESTION)
SHOWN = State(history=HISTORY, calls=CALLS, confirmation=PendingConfirmation(ASKED, 0.0, 60.0))


async def test_each_call_is_a_line_at_its_place_with_its_details_behind_it(browsers: Browsers) -> None:
    visitor = await browsers.visit()
    page = visitor.page
    await page.emulate_media(reduced_motion="reduce")
    await visitor.talk_button.click()
    await visitor.sees("listening")
    await visitor.is_shown(view(SHOWN))
    lines = page.locator("#vb-chat .vb-messages > li")
    await expect(lines).to_have_count(7)
    await expect(lines.nth(0)).to_contain_text("Note that I need bread")
    await expect(lines.nth(5)).to_contain_text("I have noted it.")
    shown = [" ".join((await lines.nth(place).locator("summary").inner_text()).split()) for place in (1, 2, 3, 4, 6)]
    assert shown == [
        "add_note done",
        "search_the_archive_of_very_long_names working…",
        "send_mail failed",
        "book_table not known if it was done",
        "order_pizza not confirmed",
    ]
    first = lines.nth(1)
    await first.locator("summary").focus()
    await page.keyboard.press("Enter")
    await expect(first.locator(".vb-call-arguments")).to_have_text('text: bread\ntags: ["shop"]')
    await expect(first.locator(".vb-call-result")).to_be_visible()
    if folder := os.environ.get("PICTURES"):
        await pictures(visitor, Path(folder), "calls", of="#vb-chat")
    await assert_readable(visitor)


async def test_the_details_that_were_opened_stay_with_their_call(browsers: Browsers) -> None:
    visitor = await browsers.visit()
    await visitor.talk_button.click()
    await visitor.sees("listening")
    details = visitor.page.locator("#vb-chat details[open] .vb-call-tool")
    await visitor.is_shown(view(SHOWN))
    await visitor.page.locator("#vb-chat summary", has_text="send_mail").click()
    await expect(details).to_have_text(["send_mail"])
    moved = replace(SHOWN, calls=(replace(NOTED, id="new", position=0), *CALLS), history=(*HISTORY, *HISTORY))
    await visitor.is_shown(view(moved))
    await expect(visitor.page.locator("#vb-chat .vb-messages > li")).to_have_count(10)
    await expect(details).to_have_text(["send_mail"])


async def test_screen_readers_are_told_once_of_each_begin_and_each_end_of_a_call(browsers: Browsers) -> None:
    visitor = await browsers.visit()
    await visitor.talk_button.click()
    await visitor.sees("listening")
    told = visitor.page.locator("#vb-chat > .vb-visually-hidden")
    running = replace(NOTED, status=CallStatus.RUNNING)
    asked, answered = Message(Role.USER, "note bread"), Message(Role.ASSISTANT, "I am at it.")
    await visitor.is_shown(view(State(history=(asked,), calls=(running,))))
    await expect(told).to_have_text("You: note bread Tool add_note: working.")
    await visitor.is_shown(view(State(history=(asked, answered), calls=(running,))))
    await expect(told).to_have_text("Bot: I am at it.")
    await visitor.is_shown(view(State(history=(asked, answered), calls=(NOTED,))))
    await expect(told).to_have_text("Tool add_note: done.")


@pytest.mark.parametrize(("button", "answer"), [("Yes", "Yes."), ("No", "No.")])
async def test_the_question_has_two_buttons_which_send_the_words_once(
    browsers: Browsers, button: str, answer: str
) -> None:
    visitor = await browsers.visit()
    await visitor.talk_button.click()
    await visitor.sees("listening")
    await visitor.in_session("session => { session.sendText = (text) => (window.sent ??= []).push(text); }")
    await visitor.is_shown(view(SHOWN))
    card = visitor.page.locator(".vb-confirmation")
    await expect(card.locator(".vb-question")).to_have_text(QUESTION)
    await card.get_by_role("button", name=button, exact=True).click()
    await expect(card).to_be_hidden()
    await visitor.is_shown(view(SHOWN))
    await expect(card).to_be_hidden()
    assert await visitor.page.evaluate("window.sent") == [answer]
