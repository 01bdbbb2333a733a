"""As a Space is seen: in a frame of Hugging Face's page, which is another site's, and lends it the microphone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.async_api import Route, async_playwright, expect

from tests.browser.visitor import ANSWER_S, launched
from tests.support.app_process import running_app

SPACE_PAGE = "https://huggingface.co/spaces/me/voice-bot"


async def test_in_the_frame_on_hugging_faces_page(chromium: str, tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []

    async def expired(route: Route) -> None:
        """What the page was told when it was opened is too old when its visitor begins to talk."""
        response = await route.fetch()
        told.append(await response.json())
        await route.fulfill(response=response, json=told[-1] | {"iceValidS": -1 if len(told) == 1 else 600})

    with running_app(tmp_path, space_id="me/voice-bot") as app:
        outer = f'<iframe src="{app.url}" allow="microphone; autoplay" width="1000" height="700"></iframe>'
        async with async_playwright() as playwright:
            browser = await launched(playwright, chromium, tmp_path, None, microphone=True)
            page = await browser.new_page()
            await page.route(f"{SPACE_PAGE}*", lambda route: route.fulfill(content_type="text/html", body=outer))
            await page.route("**/webrtc/config", expired)
            await page.goto(SPACE_PAGE)
            space = page.frame_locator("iframe")
            await space.locator("#vb-talk-button").click()
            await expect(space.locator("#vb-talk")).to_have_attribute("data-state", "listening", timeout=20_000)
            assert len(told) == 2, "it asked for fresh ICE servers"
            box = space.get_by_label("Type instead of speaking")
            await box.fill("What is ten times three?")
            await box.press("Enter")
            await expect(space.locator(".vb-assistant .vb-words")).to_contain_text("thirty", timeout=ANSWER_S * 1_000)
            assert app.health()["max_sessions"] == 4
            await browser.close()
        assert "no relay is set" in app.log.read_text("utf-8")
