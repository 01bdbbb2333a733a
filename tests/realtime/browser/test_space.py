"""As a Space is seen: in a frame of Hugging Face's page, which is another site's, and lends it the microphone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Page, Route, expect

from tests.realtime.browser.conftest import Chromium
from tests.realtime.browser.visitor import ANSWER_S
from tests.support.app_process import forked_app

HOST = "me-voice-bot.hf.space"
FRAME = f'<iframe src="https://{HOST}/" allow="microphone; autoplay" width="1000" height="700"></iframe>'
SPACE_PAGE, OTHER_PAGE = "https://huggingface.co/spaces/me/voice-bot", "https://friend.example/"

NOT_PASSED_ON = {"content-encoding", "content-length", "transfer-encoding", "connection"}


class Edge:
    """In the place of Hugging Face's: answers under the public names, and passes on what is for the app."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.told: list[dict[str, Any]] = []
        """What the page was told of the ICE servers: at first, that they are too old already."""

    @asynccontextmanager
    async def before(self, page: Page) -> AsyncIterator[None]:
        async with httpx.AsyncClient(base_url=self._upstream, trust_env=False, timeout=30) as self._http:
            await page.route(f"https://{HOST}/**", self._pass_on)
            for url in (SPACE_PAGE, OTHER_PAGE):
                await page.route(url, lambda route: route.fulfill(content_type="text/html", body=FRAME))
            yield
            await page.unroute_all(behavior="ignoreErrors")

    async def _pass_on(self, route: Route) -> None:
        request = route.request
        path = request.url.removeprefix(f"https://{HOST}")
        if "/heartbeat/" in path:  # it has no end
            await route.abort()
            return
        headers = {name: value for name, value in (await request.all_headers()).items() if not name.startswith(":")}
        edge = {
            "host": HOST,
            "accept-encoding": "identity",
            "x-forwarded-for": "198.51.100.7",
            "x-forwarded-proto": "https",
        }
        answer = await self._http.request(
            request.method, path, headers=headers | edge, content=request.post_data_buffer
        )
        passed = {name: value for name, value in answer.headers.items() if name not in NOT_PASSED_ON}
        if path == "/webrtc/config":
            self.told.append(answer.json())
            old = self.told[-1] | {"iceValidS": -1 if len(self.told) == 1 else 600}
            await route.fulfill(status=answer.status_code, headers=passed, json=old)
        else:
            await route.fulfill(status=answer.status_code, headers=passed, body=answer.content)


async def test_the_page_converses_in_hugging_faces_frame_and_loads_in_no_other_sites_frame(
    chrome: Chromium, tmp_path: Path
) -> None:
    with forked_app(tmp_path, system="spaces", space_id="me/voice-bot", space_host=HOST) as app:
        context = await (await chrome.browser(microphone=True)).new_context()
        async with context:
            page, edge = await context.new_page(), Edge(app.url)
            log: list[str] = []
            asked: list[str] = []
            page.on("console", lambda message: log.append(message.text))
            page.on("request", lambda request: asked.append(request.url))
            async with edge.before(page):
                await page.goto(SPACE_PAGE)
                space = page.frame_locator("iframe")
                await expect(space.locator("#vb-talk-button"), str(log)).to_be_visible(timeout=20_000)
                await space.locator("#vb-talk-button").click()
                talk = space.locator("#vb-talk")
                await expect(talk, str(log)).to_have_attribute("data-state", "listening", timeout=20_000)
                assert len(edge.told) == 2, "it asked for fresh ICE servers"
                assert "No sound can reach or leave this Space" in edge.told[0]["notice"]
                box = space.get_by_label("Type instead of speaking")
                await box.fill("What is ten times three?")
                await box.press("Enter")
                words = space.locator(".vb-assistant .vb-words")
                await expect(words, str(log)).to_contain_text("thirty", timeout=ANSWER_S * 1_000)

                await page.goto(OTHER_PAGE)
                async with asyncio.timeout(ANSWER_S):
                    while [frame.url for frame in page.frames[1:]] != ["chrome-error://chromewebdata/"]:  # noqa: ASYNC110 (it has no event)
                        await asyncio.sleep(0.1)
        of_gradio = "https://huggingface.co/api/spaces/by-subdomain/me-voice-bot"  # to which Space it belongs
        ours = (f"https://{HOST}/", SPACE_PAGE, OTHER_PAGE, of_gradio, "data:", "blob:")
        assert [url for url in asked if not url.startswith(ours)] == []
        assert app.health()["max_sessions"] == 4
        assert "no relay is set" in app.log.read_text("utf-8")
