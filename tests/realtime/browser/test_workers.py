"""Three workers at one port, as delivered: what users notice when one of them dies, ends, or answers for another."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import psutil
import pytest
from playwright.async_api import expect
from websockets.asyncio.client import connect

from tests.realtime.browser.conftest import Browsers
from tests.support.app_process import App, running_app
from tests.support.metrics_page import samples
from tests.support.returning_client import ReturningClient
from tests.support.rtc_client import RtcClient
from tests.support.waiting import until
from tests.support.ws_client import WsClient

pytestmark = [pytest.mark.xdist_group("workers"), pytest.mark.long]
"""The tests share the app, which takes all cores for some seconds to start."""

WORKERS, PLACES, CLIENTS = 3, 6, 20

DEAD_S, MOVED_S = 5.0, 3.0
"""How soon the bot's voice goes on after the death of its worker, and after a worker was asked to end."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("workers")
    with running_app(
        folder, tts_engine="espeak", workers=WORKERS, max_sessions=PLACES, max_sessions_per_address=0
    ) as app:
        yield app
        processes = app.process.children(recursive=True)
        app.process.send_signal(signal.SIGTERM)
        assert app.process.wait(15) in (0, None)
        assert psutil.wait_procs(processes, 2)[1] == []
        log = app.log.read_text("utf-8")
        assert "Traceback" not in log
        assert [line for line in log.splitlines() if "ERROR" in line and "SIGKILL" not in line] == []


@pytest.fixture(scope="module")
def url(app: App) -> str:
    """The address that the browsers visit."""
    return app.url


def get(app: App, path: str) -> httpx.Response:
    """Requests over a connection of its own, which any worker may accept."""
    return httpx.get(f"{app.url}{path}", trust_env=False, timeout=10)


def workers(app: App) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = app.health()["workers"]
    return found


@asynccontextmanager
async def talking(app: App, query: str = "") -> AsyncIterator[WsClient]:
    async with connect(f"{app.url.replace('http', 'ws', 1)}/ws{query}", max_size=None, proxy=None) as socket:
        yield WsClient(socket)


async def until_all_serve(app: App) -> None:
    async def serving() -> int:
        return [each["status"] for each in await asyncio.to_thread(workers, app)].count("ready")

    async with asyncio.timeout(60):
        while await serving() < WORKERS:  # noqa: ASYNC110 (polled over HTTP)
            await asyncio.sleep(0.2)


async def the_worker_of(app: App) -> psutil.Process:
    """Returns the process that carries the only session, once the earlier ones have ended."""
    async with asyncio.timeout(5):
        while True:
            busy = [each for each in await asyncio.to_thread(workers, app) if each["sessions"]]
            if len(busy) == 1:
                return psutil.Process(busy[0]["pid"])
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(("number", "within_s"), [(signal.SIGKILL, DEAD_S), (signal.SIGTERM, MOVED_S)])
async def test_the_bot_goes_on_in_mid_answer_when_its_worker_dies_or_ends(
    app: App, number: signal.Signals, within_s: float
) -> None:
    await until_all_serve(app)
    async with ReturningClient(app.url) as user:
        user.client.send({"type": "text", "text": "Tell me a long story"})
        await until(lambda: len(words_heard(user)) >= 5, timeout_s=15)
        worker = await the_worker_of(app)
        before = words_heard(user)
        worker.send_signal(number)
        ended_s = time.monotonic()
        await until(lambda: len(user.clients) == 2 and user.sound_after(ended_s) is not None, timeout_s=15)
        goes_on_s = user.sound_after(ended_s)
        assert goes_on_s is not None
        assert goes_on_s - ended_s < within_s, (goes_on_s - ended_s, user.lost_s[0] - ended_s)
        await until(lambda: len(words_heard(user)) >= len(before) + 5, timeout_s=15)
        question, _ = user.chat
        assert question["text"] == "Tell me a long story"
        assert words_heard(user)[: len(before)] == before
    await until_all_serve(app)


async def test_the_page_goes_on_with_the_answer_when_its_worker_is_killed(app: App, browsers: Browsers) -> None:
    """How soon it goes on is measured above, by the sound."""
    await until_all_serve(app)
    visitor = await browsers.visit(microphone=False)
    visitor.may_fail("status of 404")  # the page asks whether its session lives
    await visitor.types("Tell me a long story")
    await visitor.hears_words(5)
    before = await visitor.words("heard")
    (await the_worker_of(app)).kill()
    await visitor.hears_words(len(before) + 3)
    assert (await visitor.words("heard"))[: len(before)] == before
    await expect(visitor.answers).to_have_count(1)
    await until_all_serve(app)


def words_heard(user: ReturningClient) -> list[str]:
    return str(user.chat[-1].get("heard", "")).split() if len(user.chat) > 1 else []


async def test_a_newer_session_takes_the_conversation_over_from_any_worker(app: App) -> None:
    """Each session of this conversation is told that it goes on elsewhere, and leaves its place to the next one."""
    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(talking(app))]
        conversation = (await sessions[0].next("connected"))["conversation"]
        await sessions[0].send("text", text="What is two plus two?")
        await sessions[0].next("play_audio")
        holders = {(await the_worker_of(app)).pid}
        while len(holders) == 1:
            assert len(sessions) < 20, "all sessions went to one worker"
            sessions.append(await stack.enter_async_context(talking(app, f"?conversation={conversation}")))
            assert (await sessions[-1].next("connected"))["conversation"] == conversation
            taken_s = time.monotonic()
            assert (await sessions[-2].next("closed"))["code"] == "elsewhere"
            assert time.monotonic() - taken_s < 1.5
            holders.add((await the_worker_of(app)).pid)


async def test_a_recording_is_fetched_and_deleted_through_any_worker(app: App) -> None:
    async with RtcClient(app.url) as client:
        connected = await client.wait_for_message(lambda message: message["type"] == "connected")
        await client.heard.wait_for_frames(50)
    path = f"/recordings/{connected['recording']}.zip"
    for _ in range(6):  # whichever worker accepts the connection
        response = await asyncio.to_thread(get, app, path)
        assert response.status_code == 200
        assert "conversation.wav" in zipfile.ZipFile(io.BytesIO(response.content)).namelist()
    deleted = await asyncio.to_thread(httpx.delete, f"{app.url}{path}", trust_env=False)
    assert deleted.status_code == 204
    assert (await asyncio.to_thread(get, app, path)).status_code == 404


async def test_all_workers_together_have_no_more_sessions_than_there_are_places(app: App) -> None:
    """Many clients connect at once, to whichever worker accepts them."""
    begun, refused = 0, 0

    async def comes(stack: AsyncExitStack) -> None:
        nonlocal begun, refused
        socket = await stack.enter_async_context(connect(f"{app.url.replace('http', 'ws', 1)}/ws", proxy=None))
        first = json.loads(await socket.recv())
        begun += first["event"] == "connected"
        refused += first.get("code") == "full"

    async with AsyncExitStack() as stack:
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(comes(stack))
        assert (begun, refused) == (PLACES, CLIENTS - PLACES)
        assert (await asyncio.to_thread(app.health))["sessions"] == PLACES
        assert (await asyncio.to_thread(get, app, "/ready")).status_code == 503
        async with asyncio.timeout(5):  # the workers write their gauges once a second
            while await asyncio.to_thread(sessions_counted, app) != PLACES:  # noqa: ASYNC110 (polled over HTTP)
                await asyncio.sleep(0.2)


def sessions_counted(app: App) -> float:
    """Returns the number of sessions in the metrics of all workers."""
    found = samples(get(app, "/metrics").content)
    return found["voicebot_sessions", "webrtc"] + found["voicebot_sessions", "ws"]
