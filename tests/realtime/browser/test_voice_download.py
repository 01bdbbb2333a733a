"""A visitor chooses a voice that has to be downloaded, and sees how that goes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.realtime.browser.conftest import Chromium
from tests.realtime.browser.look import assert_readable
from tests.realtime.browser.settings_dialog import closed, opened
from tests.realtime.browser.visitor import Visitor
from tests.simulators.faults import Fault
from tests.support.further_voices import host_of_voices
from tests.support.live_server import serving
from voicebot.bootstrap import engines as build
from voicebot.settings import config


async def test_a_chosen_voice_is_downloaded_and_a_failed_download_is_shown(
    chrome: Chromium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = config.load()
    async with (
        host_of_voices() as host,
        serving(build.build(options), options) as server,
    ):
        browser = await chrome.browser(microphone=False)
        async with Visitor(await browser.new_context(), server.url) as visitor:
            dialog = await opened(visitor)
            voices = dialog.get_by_label("Voice", exact=True)
            await voices.select_option(label="Emma, British woman (is downloaded first, 8 MB)")
            await closed(visitor, dialog)
            await visitor.types("What is ten times three?")
            assert "thirty" in await visitor.hears_answer(1)
            await host.requested(1)
            await opened(visitor)
            await expect(voices).to_have_value("emma")
            await expect(voices.locator("option:checked")).to_have_text("Emma, British woman")

            note = dialog.locator("#vb-voice-note")
            await expect(note).to_be_empty()
            host.pace_s = 0.1  # 13 seconds
            await voices.select_option("kore")
            await expect(note).to_have_text(re.compile(r"^The voice kore is being downloaded \(\d+ % of 8 MB\)\.$"))
            first = await note.inner_text()
            await expect(note).not_to_have_text(first)
            host.pace_s = 0
            await expect(note).to_be_empty(timeout=30_000)
            await expect(voices.locator("option:checked")).to_have_text("Kore, American woman")

            host.faults.always(Fault.FORBIDDEN)
            await voices.select_option("fable")
            why = "could not be downloaded: the server refuses the file (HTTP 403)"
            await expect(note).to_have_text(f"The voice fable {why}.")
            await expect(voices.locator("option:checked")).to_have_text(f"Fable, British man ({why})")
            await closed(visitor, dialog)
            await expect(visitor.page.locator("#vb-engines")).to_contain_text(f"the voice fable {why}")
            await visitor.types("What is ten times four?")
            assert "forty" in await visitor.hears_answer(2)
            await opened(visitor)
            await expect(note).to_have_text(f"The voice fable {why}.")
            await visitor.page.emulate_media(reduced_motion="reduce")
            await visitor.page.set_viewport_size({"width": 390, "height": 844})
            await assert_readable(visitor)
            if folder := os.environ.get("PICTURES"):
                await visitor.page.screenshot(path=Path(folder) / "voices-390.png")
