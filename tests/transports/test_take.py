"""What can go wrong while a session is taken along, or brought back."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO, Any

import httpx
import pytest

from tests.recording.test_archive import TALK, transcript
from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import LiveServer, serving
from voicebot import config, limits
from voicebot.recording.archive import pack
from voicebot.recording.recorder import Recorder, Take
from voicebot.transports import take


@asynccontextmanager
async def bot() -> AsyncIterator[tuple[LiveServer, httpx.AsyncClient]]:
    settings = config.load(keep_conversations=False)
    async with (
        serving(scripted(ScriptedStt(), ScriptedAgent(scripts=[]), ToneTts()), settings) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False) as http,
    ):
        yield server, http


def recorded(server: LiveServer) -> Recorder:
    recorder = server.connections.recordings.new(TALK)
    recorder.begin()
    return recorder


async def test_what_is_deleted_is_not_given_to_those_who_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, begun, waiting, go_on = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event(), threading.Event()

    def slow_pack(taken: Take, file: IO[bytes]) -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(10)
        pack(taken, file)

    monkeypatch.setattr(take, "pack", slow_pack)
    async with bot() as (server, http):
        other, deleted = (f"/recordings/{recorded(server).name}.zip" for _ in range(2))
        first = asyncio.create_task(http.get(other))
        await begun.wait()
        known = server.connections.recordings.find

        def find(name: str) -> Recorder | None:
            waiting.set()
            return known(name)

        monkeypatch.setattr(server.connections.recordings, "find", find)
        second = asyncio.create_task(http.get(deleted))
        await waiting.wait()
        assert (await http.delete(deleted)).status_code == 204
        go_on.set()
        assert (await first).status_code == 200
        assert (await second).status_code == 404


async def test_an_import_for_which_there_is_no_room_is_put_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with bot() as (_, http):
        with monkeypatch.context() as patch:
            patch.setattr("tempfile.SpooledTemporaryFile.write", full)
            refused = await http.post("/conversations", content=transcript())
            assert (refused.status_code, refused.json()["code"]) == (503, "full")
        assert (await http.post("/conversations", content=transcript())).status_code == 200


async def test_who_leaves_in_the_middle_of_an_import_makes_no_noise(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun, over = asyncio.Semaphore(0), asyncio.Semaphore(0)
    receive = take._receive

    async def watched(*args: Any) -> None:
        begun.release()
        try:
            await receive(*args)
        finally:
            over.release()

    monkeypatch.setattr(take, "_receive", watched)
    async with bot() as (server, http):
        address = httpx.URL(server.url)
        for _ in range(limits.UPLOADS_AT_ONCE + 1):
            _, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(b"POST /conversations HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + b"{" * 100)
            await begun.acquire()
            writer.close()
            await writer.wait_closed()
            await over.acquire()
        assert (await http.post("/conversations", content=transcript())).status_code == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
