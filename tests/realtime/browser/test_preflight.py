"""Before one talks: how microphone, level, echo and engines stand; and each thing that can go wrong in plain words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import BrowserContext, Locator, expect

from tests.realtime.browser.conftest import Chromium
from tests.realtime.browser.look import LEAST_CONTRAST, LOOK
from tests.realtime.browser.modules import asked
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
        height = "document.querySelector('#vb-talk').offsetHeight"
        before = await visitor.page.evaluate(height)
        await line.says("microphone", "ok", "allowed")
        await line.says("engines", "ok", "ready")
        await line.says("level", "todo", "test")
        await visitor.sees_that("room.tracks.length === 0")

        room = visitor.page.evaluate
        await room("setTimeout(() => room.tone(0.1), 600)")
        await line.item("level").press("Enter")
        await line.says("level", "busy", "speak…", "Say something, please.")
        await line.says("level", "ok", "heard", "We hear you.")
        await room("room.tone.stop(); room.tone(1.4)")
        await line.item("level").press("Enter")
        await line.says("level", "problem", "clipping", "Clipping: move away a little.")
        await room("room.tone.stop()")

        for echo, state, word, advice in (
            (0.0, "ok", "none", "No echo: nothing comes back."),
            (0.2, "problem", "much", "Much echo: use headphones."),
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
        await line.says("microphone", "problem", "missing", "No microphone: you can type.")
        await visitor.page.evaluate("room.devices = 1; room.change()")
        await line.says("microphone", "ok", "allowed")
        for name, words in (
            ("NotAllowedError", "The microphone is not allowed. Allow it beside the page's address"),
            ("NotFoundError", "There is no microphone. Plug one in"),
            ("NotReadableError", "The microphone is in use. Close the program"),
            ("AbortError", "The microphone does not work here. Try another browser"),
        ):
            await visitor.page.evaluate("name => { room.refuse = name; }", name)
            for button in (line.item("level"), visitor.talk_button):
                await button.click()
                await expect(visitor.problem).to_contain_text(words)
                await visitor.presses("Dismiss")
        await line.says("level", "todo", "test")


REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    ({"code": "full", "status": 503}, "All lines are taken. Try again in a minute.", "Try again"),
    ({"code": "address", "status": 429}, "You are talking already. (its words)", "Try again"),
    ({"code": "day", "status": 429}, "That was all for today. (its words)", "Dismiss"),
    ({"code": "rate", "status": 429}, "You are connecting too often. Wait a little, then try again.", "Try again"),
    ({"status": 401}, "Your name or password is not accepted. Load the page again to log in.", "Dismiss"),
    ({"status": 400}, "The bot refused the connection. (its words)", "Reconnect"),
]


async def test_each_connection_or_engine_problem_is_explained_with_what_to_do(context: BrowserContext) -> None:
    page = await context.new_page()
    words = "(({ what, todo, button }) => [`${what} ${todo}`, button])"
    for refusal, text, button in REFUSALS:
        told = await asked(page, f"{words}(connectionProblem(new Refused('(its words)', it)))", refusal)
        assert told == [text, button]
    no_media = await asked(page, f"{words}(connectionProblem(new Unreachable('no media')))")
    assert no_media == [
        "The sound cannot get through. A firewall may hold it back: try another network.",
        "Reconnect",
    ]
    nobody = await asked(page, f"{words}(connectionProblem(new Unreachable('no server')))")
    assert nobody == ["The bot cannot be reached. Is it running? Try again in a moment.", "Reconnect"]
    key = "llm: groq: the key was not accepted (HTTP 401)"
    assert "has to mend its key" in (await asked(page, f"{words}(enginesProblem(it))", key))[0]
    down = "llm: groq: it cannot be reached"
    assert "check again in a moment" in (await asked(page, f"{words}(enginesProblem(it))", down))[0]
    todo = "it.map((message) => serverProblem(message).todo)"
    assert await asked(page, todo, [key, "groq can't be reached", "groq: it did not answer (HTTP 503)", "A bug."]) == [
        "Who runs the bot has to mend its key.",
        "Say it again in a moment.",
        "Say it again in a moment.",
        "You can simply go on.",
    ]
    assert "https" in await asked(page, "MICROPHONE.insecure.advice")


ENDINGS = [
    ("elsewhere", "This conversation goes on in another tab. It can go on in one at a time.", "Go on here"),
    ("time", "(its words) You can go on in a new session: the conversation is kept.", "Go on"),
    ("idle", "The bot hung up, as nobody spoke. Whenever you like, go on.", "Go on"),
    ("day", "That was all for today. (its words)", "Dismiss"),
    ("flood", "The bot ended the conversation. (its words)", "Reconnect"),
]


async def test_each_reason_for_a_sessions_end_is_explained_with_what_to_do(context: BrowserContext) -> None:
    page = await context.new_page()
    problems = "it.map((code) => closedProblem(code, '(its words)', true))"
    words = f"{problems}.map(({{ what, todo, button }}) => [`${{what}} ${{todo}}`, button])"
    told = await asked(page, words, [code for code, _, _ in ENDINGS])
    assert told == [[text, button] for _, text, button in ENDINGS]
    broken = "[new Unreachable('no server'), new Refused('', { code: 'full' })].map((it) => brokenProblem(it).what)"
    assert await asked(page, broken) == ["The connection was lost.", "All lines are taken."]


async def test_microphone_level_echo_and_engine_health_are_classified(context: BrowserContext) -> None:
    page = await context.new_page()
    silence, speech, noise = [-60, 0.01], [-25, 0.4], [-40, 0.05]

    async def level(*looks: list[float]) -> Any:
        return await asked(page, "judgeLevel(it.map(([dbfs, peak]) => ({ dbfs, peak })))", list(looks))

    assert await level() == await level([-120, 0], [-100, 0]) == "nothing"
    assert await level(*[silence] * 50) == await level(*[silence] * 50, speech) == "quiet"
    assert await level(*[noise] * 50) == "quiet", "a fan is not speech"
    assert await level(*[silence] * 20, *[speech] * 5) == "heard"
    assert await level(*[speech] * 20, *[[-3, 1.0]] * 3) == "clipping"

    async def echo(returned: float, noise: float = -100) -> Any:
        return await asked(page, "judgeEcho(it)", {"played": -25, "returned": returned, "noise": noise})

    assert [await echo(returned) for returned in (-76, -74, -56, -54, -20)] == ["good", "some", "some", "much", "much"]
    assert await echo(-50, noise=-52) == "good", "it is lost in the noise"

    async def engines(**stages: list[bool]) -> Any:
        health = {stage: [{"ready": ready} for ready in each] for stage, each in stages.items()}
        return await asked(page, "enginesItem(it).word", health)

    assert await engines() == "…"
    assert await engines(stt=[True], llm=[True, False]) == "ready"
    assert await engines(stt=[True], llm=[False, True]) == "limited"
    assert await engines(stt=[True], llm=[False, False]) == "down"
    assert await engines(stt=[False], llm=[False, True]) == "typing only"
    assert await engines(stt=[False], llm=[False]) == "down"
