"""The checks before the user talks: microphone, level, echo and engines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import BrowserContext, Locator, expect

from tests.realtime.browser.conftest import Chromium
from tests.realtime.browser.look import LEAST_CONTRAST, LOOK
from tests.realtime.browser.visitor import Visitor

ROOM = Path(__file__).with_name("room.js")


@pytest_asyncio.fixture(loop_scope="session")
async def context(chrome: Chromium) -> AsyncIterator[BrowserContext]:
    """Its pages' microphone is in `room.js`."""
    browser = await chrome.browser(microphone=True)
    async with await browser.new_context(permissions=["microphone"]) as context:
        await context.add_init_script(path=ROOM)
        yield context


async def assert_readable_here(visitor: Visitor) -> None:
    look = await visitor.page.evaluate(LOOK)
    assert [text for text in look["texts"] if text["contrast"] < LEAST_CONTRAST] == []
    assert look["outside"] == []


class Line:
    """The pre-flight line on a visitor's page."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.root = visitor.page.locator("#vb-talk .vb-preflight")
        self.hint = visitor.page.locator("#vb-talk .vb-hint")
        self.spoken = self.root.get_by_role("status")

    def item(self, name: str) -> Locator:
        return self.root.locator(f"[data-item={name}]")

    async def says(self, name: str, state: str, word: str, advice: str = "") -> None:
        await expect(self.item(name)).to_have_attribute("data-state", state, timeout=10_000)
        await expect(self.item(name).locator(".vb-word")).to_have_text(word)
        if advice:
            await expect(self.hint).to_have_text(advice)
            await expect(self.spoken).to_have_text(advice)


async def test_the_line_shows_microphone_and_engines_and_tests_level_and_echo_on_request(
    context: BrowserContext, url: str
) -> None:
    async with Visitor(context, url) as visitor:
        line = Line(visitor)
        await visitor.page.set_viewport_size({"width": 1280, "height": 800})
        height = "document.querySelector('#vb-talk').offsetHeight"
        before = await visitor.page.evaluate(height)
        await line.says("microphone", "ok", "allowed")
        await line.says("engines", "ok", "ready")
        await expect(line.hint).to_have_text("Press and speak.")
        await line.says("level", "todo", "test")
        await visitor.sees_that("room.tracks.length === 0")

        room = visitor.page.evaluate
        await room("setTimeout(() => room.tone(0.1), 600)")
        await line.item("level").press("Enter")
        await line.says("level", "busy", "speak…", "Say something, please.")
        await line.says("level", "ok", "good", "Your microphone works well.")
        await room("room.tone.stop(); room.tone(1.4)")
        await line.item("level").press("Enter")
        await line.says("level", "problem", "too loud", "Too loud: move back a little.")
        await room("room.tone.stop()")

        for echo, state, word, advice in (
            (0.0, "ok", "none", "There is no echo."),
            (0.2, "problem", "strong", "Strong echo: use headphones."),
        ):
            await room(f"room.echo = {echo}")
            await line.item("echo").click()
            await line.says("echo", "busy", "listen…")
            await line.says("echo", state, word, advice)
        await visitor.sees_that("room.tracks.every((track) => track.readyState === 'ended')")
        await visitor.page.set_viewport_size({"width": 320, "height": 640})
        await assert_readable_here(visitor)
        await visitor.page.set_viewport_size({"width": 1280, "height": 800})
        await assert_readable_here(visitor)
        await line.item("level").click()
        await visitor.talk_button.click()
        await visitor.sees("listening")
        await expect(line.root).to_be_hidden()
        await line.says("level", "todo", "test")
        await visitor.sees_that("room.tracks.filter((track) => track.readyState === 'live').length === 1")
        assert await visitor.page.evaluate(height) == before


async def test_a_missing_microphone_shows_at_once_and_a_refused_one_when_a_button_is_pressed(
    context: BrowserContext, url: str
) -> None:
    async with Visitor(context, url) as visitor:
        line = Line(visitor)
        await visitor.page.evaluate("room.devices = 0; room.change()")
        await line.says("microphone", "problem", "not found", "No microphone: you can type.")
        await visitor.page.evaluate("room.devices = 1; room.change()")
        await line.says("microphone", "ok", "allowed")
        for name, words in (
            ("NotAllowedError", "The microphone is blocked. Allow it in your browser's address bar"),
            ("NotFoundError", "No microphone was found. Plug one in"),
            ("NotReadableError", "Another program is using the microphone. Close that program"),
            ("AbortError", "The microphone does not work here. Try another browser"),
        ):
            await visitor.page.evaluate("name => { room.refuse = name; }", name)
            for button in (line.item("level"), visitor.talk_button):
                await button.click()
                await expect(visitor.problem).to_contain_text(words)
                await visitor.presses("Dismiss")
        await line.says("level", "todo", "test")
