"""The page says which engines there are, how they do, and which of them are at work."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import expect

from tests.realtime.browser.conftest import Browsers, Chromium
from tests.realtime.browser.look import assert_readable
from tests.simulators.chat import ChatSimulator
from tests.support.app_process import forked_app
from voicebot.dialogue.events import EngineReported, Stage
from voicebot.dialogue.state import State
from voicebot.dialogue.view import view


async def test_engines_are_shown_and_can_be_checked_again(browsers: Browsers) -> None:
    visitor = await browsers.visit(microphone=False)
    card = visitor.page.locator("#vb-engines")
    engines = ("moonshine", "offline", "hibari", "espeak")
    ready = [re.compile(rf"^{engine}ready( \(\d+ ms\))?$") for engine in engines]
    await expect(card.locator("ol li")).to_have_text(ready)
    async with visitor.page.expect_response("**/preflight") as response:
        await card.get_by_role("button", name="Check again").click()
    report = await (await response.value).json()
    assert (report["problem"], report["problem_code"]) == (None, None)
    await expect(card.get_by_role("button")).to_have_attribute("aria-disabled", "false")


async def test_the_page_names_a_fallback_engine_and_why_the_first_engine_failed(browsers: Browsers) -> None:
    visitor = await browsers.visit()
    await visitor.page.emulate_media(reduced_motion="reduce")
    await visitor.talk_button.click()
    await visitor.sees("listening")
    name, why = "<b>gtts</b>", "it can't be reached, and this is a long story of why that is so " * 2
    stages = {
        "tts": [
            {"name": name, "ready": True, "reason": None, "probe_ms": 120},
            {"name": "espeak", "ready": True, "reason": None, "probe_ms": 0},
        ]
    }
    serving = EngineReported(Stage.TTS, "espeak", (f"{name}: {why}",))
    await visitor.in_session("(session, stages) => { session.server.stages = stages; }", stages)
    await visitor.is_shown(view(State(engines_in_use=(serving,))))
    rows = visitor.page.locator("#vb-engines ol li")
    await expect(rows).to_have_text([f"{name}unavailable: {why}".strip(), "espeakin use"])
    await expect(visitor.page.locator("[data-part=tts] .vb-engine")).to_have_text("espeak")
    await assert_readable(visitor)


async def test_the_page_names_the_model_in_use_and_its_announced_shutdown(chrome: Chromium, tmp_path: Path) -> None:
    old = "llama-3.3-70b-versatile"
    async with AsyncExitStack() as stack:
        groq = await stack.enter_async_context(ChatSimulator(models=(old,), shutdowns={old: "2026-12-16"}))
        settings = {"groq_api_key": "gsk_simulated", "groq_base_url": groq.url, "tts_engine": "espeak"}
        starting = forked_app(tmp_path, **settings)
        app = await asyncio.to_thread(starting.__enter__)  # meanwhile the service answers
        stack.push_async_callback(asyncio.to_thread, starting.__exit__, None, None, None)
        visitor = await Browsers(chrome, app.url, tmp_path, stack).visit(microphone=False)
        await visitor.page.emulate_media(reduced_motion="reduce")
        model = visitor.page.locator("#vb-engines .vb-model").filter(has_text=old)
        await expect(model).to_have_text(f"{old}: its shutdown is announced for 2026-12-16")
        await visitor.page.set_viewport_size({"width": 390, "height": 844})
        await assert_readable(visitor)
        if folder := os.environ.get("PICTURES"):
            for width, height in ((1280, 800), (390, 844)):
                await visitor.page.set_viewport_size({"width": width, "height": height})
                await visitor.page.locator("#vb-engines").screenshot(path=Path(folder) / f"engines-{width}.png")
        assert app.health()["groq_model"] == old
        log = app.log.read_text("utf-8")
        assert f"llm: groq with {old} is ready" in log
        assert f"llm: groq with {old}: its shutdown is announced for 2026-12-16" in log
