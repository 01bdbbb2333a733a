"""A visitor chooses a voice that has to be downloaded, and sees how that goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Locator, async_playwright, expect

from tests.browser.test_settings import closed, opened
from tests.browser.visitor import Visitor, launched
from tests.simulators.faults import Fault
from tests.support.further_voices import host_of_voices
from tests.support.live_server import serving
from voicebot import build, config


def choice(dialog: Locator, label: str) -> Locator:
    return dialog.get_by_label("Voice", exact=True).locator("option", has_text=label)


async def test_a_voice_is_downloaded_when_it_is_chosen_and_a_failure_is_shown(
    chromium: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = config.load()
    async with (
        host_of_voices() as host,
        async_playwright() as playwright,
        serving(build.build(options), options) as server,
    ):
        browser = await launched(playwright, chromium, tmp_path, None, microphone=False)
        async with Visitor(await browser.new_context(), server.url) as visitor:
            dialog = await opened(visitor)
            voices = dialog.get_by_label("Voice", exact=True)
            await voices.select_option(label="Emma, British woman (is downloaded first, 8 MB)")
            await closed(visitor, dialog)
            await visitor.types("What is ten times three?")
            assert "thirty" in await visitor.hears_answer(1)
            await host.requested(1)
            dialog = await opened(visitor)
            await expect(voices).to_have_value("emma")
            await expect(voices.locator("option:checked")).to_have_text("Emma, British woman")

            host.faults.always(Fault.FORBIDDEN)
            await voices.select_option("kore")
            await host.requested(2)
            await closed(visitor, dialog)
            await visitor.types("What is ten times four?")
            assert "forty" in await visitor.hears_answer(2)
            dialog = await opened(visitor)
            why = "could not be downloaded: the server does not give it (HTTP 403)"
            await expect(choice(dialog, f"Kore, American woman ({why})")).to_have_count(1)
            note = visitor.page.locator("#vb-engines .vb-model").filter(has_text="kore")
            await expect(note).to_have_text(f"the voice kore {why}")
        await browser.close()
