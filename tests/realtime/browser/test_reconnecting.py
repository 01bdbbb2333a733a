"""Whatever befalls the page, the conversation goes on, or the page says in plain words why not and what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Route, expect
from pydantic import SecretStr

from tests.realtime.browser.conftest import Chromium
from tests.realtime.browser.visitor import Visitor
from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import LiveServer, serving
from tests.support.waiting import until
from voicebot.session.player import FrameClock
from voicebot.session.session import Session
from voicebot.settings import config

ROOM = Path(__file__).with_name("room.js")

PLAYING = "(({ srcObject, paused }) => srcObject?.active && !paused)(document.querySelector('#bot-voice'))"

BACK_S = 15.0

STORY = ["Once upon a time there was a cat. ", "It lived on a ship. ", "It was grey."]

Serve = Callable[..., AbstractAsyncContextManager[LiveServer]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """A server that answers each question with "Yes." and keeps its conversations when it is stopped."""
    database = SecretStr(f"sqlite:///{tmp_path}/kept.db")

    def make(port: int = 0, **settings: Any) -> AbstractAsyncContextManager[LiveServer]:
        engines = scripted(ScriptedStt(), ScriptedAgent(scripts=[["Yes."]] * 9), ToneTts())
        return serving(engines, config.load(database_url=database, **settings), port)

    return make


@pytest_asyncio.fixture(loop_scope="session")
async def context(chrome: Chromium) -> AsyncIterator[BrowserContext]:
    """Its pages' microphone is in `room.js`."""
    browser = await chrome.browser(microphone=True)
    async with await browser.new_context() as context:
        await context.add_init_script(path=ROOM)
        yield context


async def asks(visitor: Visitor, *questions: str) -> None:
    """Types the last one, when the others are there already, and hears the answer."""
    await expect(visitor.questions).to_have_text(list(questions[:-1]))
    await visitor.types(questions[-1])
    await expect(visitor.questions).to_have_text(list(questions))
    await expect(visitor.answers.last).to_contain_text("Yes.")


async def test_the_page_reconnects_by_itself_with_conversation_microphone_and_mute(
    serve: Serve, context: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as visit:
        async with serve() as server:
            port = int(server.url.rsplit(":", 1)[1])
            visitor = await visit.enter_async_context(Visitor(context, server.url))
            visitor.may_fail("net::ERR_CONNECTION_REFUSED")
            await visitor.talk_button.click()
            await visitor.sees("listening")
            await visitor.page.keyboard.press("m")
            await visitor.sees("muted")
            await asks(visitor, "one")
        await visitor.sees("reconnecting")
        await expect(visitor.talk_button).to_have_text("Cancel")
        await expect(visitor.problem).to_be_empty()
        await expect(visitor.questions).to_have_text(["one"])
        await visitor.sees_that("room.tracks.length === 1 && room.tracks[0].readyState === 'live'")

        async with serve(port) as server:
            await visitor.page.evaluate("dispatchEvent(new Event('online'))")
            await visitor.sees("muted", timeout_s=BACK_S)
            await asks(visitor, "one", "two")

            # The sound stops, though nobody says so; the page has just been woken, and looks at once.
            (before,) = server.sessions("webrtc")
            with monkeypatch.context() as patch:
                patch.setattr(FrameClock, "tick", lambda _: asyncio.Event().wait())
                await visitor.page.evaluate("document.dispatchEvent(new Event('resume'))")
                await visitor.sees("reconnecting", timeout_s=BACK_S)
            await visitor.sees("muted", timeout_s=BACK_S)
            assert before not in server.sessions("webrtc")
            await asks(visitor, "one", "two", "three")
            await visitor.sees_that(PLAYING)
            await visitor.sees_that("room.tracks.length === 1 && !room.tracks[0].enabled")

            await visitor.page.evaluate("room.channel.close()")
            await visitor.sees("reconnecting")
            await visitor.talk_button.click()
            await visitor.sees("off")
            await visitor.sees_that("room.tracks[0].readyState === 'ended'")
            await visitor.page.evaluate("dispatchEvent(new Event('online'))")
            await visitor.page.wait_for_timeout(700)  # a reconnection would begin after half a second
            await visitor.sees("off")


async def test_the_page_notices_that_its_session_is_gone_and_the_bot_goes_on_with_its_answer(
    context: BrowserContext,
) -> None:
    agent = ScriptedAgent(scripts=[STORY])
    engines = scripted(ScriptedStt(), agent, ToneTts(letter_s=0.05))
    async with serving(engines, config.load()) as server, Visitor(context, server.url) as visitor:
        visitor.may_fail("status of 404")
        await visitor.types("tell me a story")
        await expect(visitor.answers.last).to_contain_text("Once upon")
        (before,) = server.sessions("webrtc")
        assert isinstance(before, Session)
        await until(lambda: before.state.reply is not None and len(before.state.reply.heard.split()) > 2)
        (peer,) = server.webrtc.peers
        async with visitor.page.expect_response(f"**/webrtc/sessions/{before.id}") as asked:
            # As if its process had been killed: no more sound comes, and nobody says why.
            server.services.sessions.remove(before)
            peer.connection.tick = lambda: None  # type: ignore[method-assign]
        assert (await asked.value).status == 404
        await until(lambda: server.sessions("webrtc"), BACK_S)
        (after,) = server.sessions("webrtc")
        await expect(visitor.answers.locator(".vb-words")).to_have_text(["".join(STORY)], timeout=1000 * BACK_S)
        assert isinstance(after, Session)
        await until(lambda: after.state.is_idle)
        assert [message.text for message in after.state.history] == ["tell me a story", "".join(STORY)]
        assert len(agent.asked) == 1, "the rest of the first answer was said"


async def test_a_conversation_moves_to_the_newer_tab_and_back_only_when_a_button_is_pressed(
    serve: Serve, context: BrowserContext
) -> None:
    async with serve() as server, AsyncExitStack() as visits:
        first = await visits.enter_async_context(Visitor(context, server.url))
        await asks(first, "one")
        second = await visits.enter_async_context(Visitor(context, server.url))
        await asks(second, "one", "two")
        await expect(first.problem).to_contain_text("This conversation continues in another tab.")
        await first.page.evaluate("dispatchEvent(new Event('online'))")
        await second.page.wait_for_timeout(700)  # a reconnection would begin after half a second
        await first.sees("off")
        await second.sees("ready")
        await first.presses("Continue here")
        await first.sees("ready")
        await expect(second.problem).to_contain_text("another tab")
        await asks(first, "one", "two", "three")


async def test_the_page_warns_of_the_session_time_limit_and_goes_on_in_a_new_session(
    serve: Serve, context: BrowserContext
) -> None:
    async with serve(session_minutes=0.05) as server, Visitor(context, server.url) as visitor:
        await asks(visitor, "one")
        await expect(visitor.problem).to_contain_text("This session ends in 2 seconds.")
        (before,) = server.sessions("webrtc")
        await visitor.presses("Continue in a new session")
        await visitor.sees("ready")
        assert before not in server.sessions("webrtc")
        await asks(visitor, "one", "two")

        await expect(visitor.problem).to_contain_text("This session ends in")
        await visitor.presses("Hang up")
        await expect(visitor.problem).to_be_empty()
        await visitor.sees("off")


async def test_a_typed_question_is_answered_while_the_microphone_permission_is_pending(
    serve: Serve, context: BrowserContext
) -> None:
    async with serve() as server, Visitor(context, server.url) as visitor:
        await visitor.page.evaluate(
            """() => {
              const open = navigator.mediaDevices.getUserMedia;
              const asked = new Promise((resolve) => (window.allow = resolve));
              navigator.mediaDevices.getUserMedia = () => asked.then(open);
            }"""
        )
        await visitor.talk_button.click()
        await visitor.sees("connecting")
        await asks(visitor, "one")
        await visitor.page.evaluate("allow()")
        await visitor.sees("listening")
        await asks(visitor, "one", "two")
        await expect(visitor.problem).to_be_empty()


async def test_the_page_fetches_the_ice_servers_again_after_a_failed_request(
    serve: Serve, context: BrowserContext
) -> None:
    answers = 0

    async def config(route: Route) -> None:
        nonlocal answers
        answers += 1
        if answers == 1:
            return await route.abort()
        response = await route.fetch()
        await route.fulfill(json=await response.json() | {"iceServers": [{"urls": "stun:127.0.0.1:9"}]})

    async with serve() as server, Visitor(context, server.url) as visitor:
        visitor.may_fail("net::ERR_FAILED")
        await visitor.page.route("**/webrtc/config", config)
        await visitor.page.reload()
        await expect(visitor.problem).to_contain_text("The bot cannot be reached.")
        await visitor.presses("Reconnect")
        await visitor.sees("ready")
        servers = "room.peer.getConfiguration().iceServers"
        assert await visitor.page.evaluate(f"{servers}.flatMap(({{ urls }}) => urls)") == ["stun:127.0.0.1:9"]


async def test_the_page_follows_a_microphone_that_is_unplugged_muted_or_plugged_in_again(
    serve: Serve, context: BrowserContext
) -> None:
    async with serve() as server, Visitor(context, server.url) as visitor:
        await visitor.talk_button.click()
        await visitor.sees("listening")
        await visitor.page.evaluate("room.unplug()")
        await expect(visitor.problem).to_contain_text("“Microphone 2” is used now.")
        await visitor.sees("listening")
        await visitor.page.evaluate("room.mute(true)")
        await visitor.sees("silenced")
        await expect(visitor.page.locator("#vb-talk .vb-hint")).to_have_text("Your system has muted the microphone.")
        assert not await visitor.page.evaluate("room.tracks.includes(room.sent)"), "of it nothing might come"
        await visitor.page.evaluate("room.mute(false)")
        await visitor.sees("listening")
        assert await visitor.page.evaluate("room.sent === room.tracks[1]")
        await visitor.page.evaluate("room.mute(true); room.unplug()")
        await visitor.sees("listening")

        await visitor.page.evaluate("room.refuse = 'NotFoundError'; room.devices = 0; room.unplug()")
        await expect(visitor.problem).to_contain_text("The microphone was disconnected.")
        async with visitor.page.expect_response("**/preflight"):
            await visitor.presses("Check again")
        await expect(visitor.page.locator(".vb-check")).to_have_attribute("aria-disabled", "false")
        await expect(visitor.problem).to_contain_text("The microphone was disconnected.")
        await asks(visitor, "one")
        await visitor.page.evaluate("room.refuse = ''; room.devices = 1; room.change()")
        await visitor.sees("listening")
        await expect(visitor.problem).to_be_empty()

        # Left, and shown again by the browser as it was.
        await visitor.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
        await visitor.sees("off")
        await visitor.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
        await expect(visitor.problem).to_contain_text("You left this page.")
        await visitor.presses("Continue")
        await visitor.sees("listening")
        await expect(visitor.questions).to_have_text(["one"])


async def test_a_session_with_typing_only_is_not_taken_for_a_lost_connection(
    serve: Serve, context: BrowserContext
) -> None:
    async with serve(media_timeout_s=1) as server, Visitor(context, server.url) as visitor:
        await asks(visitor, "one")
        await visitor.sees("ready")
        states = await visitor.page.evaluate(
            """new Promise((done) => {
              const seen = new Set();
              const looking = setInterval(() => seen.add(document.querySelector("#vb-talk").dataset.state), 50);
              setTimeout(() => done([...seen], clearInterval(looking)), 4000);
            })"""
        )
        assert states == ["ready"]
