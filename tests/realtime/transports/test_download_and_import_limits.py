"""Faults and limits of the download of sessions and the import of conversations."""

from __future__ import annotations

import asyncio
import contextlib
import io
import tempfile
import threading
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import LiveServer, serving
from tests.support.transcripts import TALK, transcript
from voicebot.audio.sound import FRAME_SAMPLES, WIRE_RATE_HZ, Audio
from voicebot.recording.recorder import Recorder
from voicebot.recording.transcript_import import ImportFileError
from voicebot.runtime import limits
from voicebot.settings import config
from voicebot.web import download_slots, recordings
from voicebot.web.download_slots import DownloadSlots, RecordingDownload


@asynccontextmanager
async def bot(**changed: Any) -> AsyncIterator[tuple[LiveServer, httpx.AsyncClient]]:
    """Runs a server that believes a proxy in front of it about the addresses of its clients."""
    settings = config.load(**({"keep_conversations": False, "trusted_proxies": 1} | changed))
    async with (
        serving(scripted(ScriptedStt(), ScriptedAgent(scripts=[]), ToneTts()), settings) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False) as http,
    ):
        yield server, http


def new_recorder(server: LiveServer) -> Recorder:
    recorder = server.services.recordings.new(TALK)
    recorder.begin()
    return recorder


async def test_a_recording_deleted_while_its_download_waits_is_not_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting, go_on = asyncio.Event(), asyncio.Event()
    hold_slot = DownloadSlots.hold_slot

    @asynccontextmanager
    async def hold_later(self: DownloadSlots, address: str) -> AsyncIterator[RecordingDownload]:
        waiting.set()
        await go_on.wait()
        async with hold_slot(self, address) as download:
            yield download

    monkeypatch.setattr(DownloadSlots, "hold_slot", hold_later)
    async with bot() as (server, http):
        address = f"/recordings/{new_recorder(server).name}.zip"
        download = asyncio.create_task(http.get(address))
        await waiting.wait()
        assert (await http.delete(address)).status_code == 204
        go_on.set()
        assert (await download).status_code == 404


async def test_a_download_is_refused_with_503_while_others_keep_all_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_slots, "SLOT_WAIT_S", 0)
    monkeypatch.setattr(limits, "DOWNLOADS_AT_ONCE", 1)
    async with bot() as (server, http):
        recorder = new_recorder(server)
        record_noise(recorder, 160)  # more than the buffers of two sockets hold
        reader = await RawClient.connected(server, f"GET /recordings/{recorder.name}.zip HTTP/1.1", "10.0.0.1")
        reader.writer.write(b"\r\n")
        assert await reader.status() == 200
        refused = await http.get(f"/recordings/{recorder.name}.zip")
        assert (refused.status_code, refused.json()["code"]) == (503, "full")
        await reader.close()


@pytest.mark.parametrize("folder", ["/nowhere", "/proc"])
async def test_an_unusable_temporary_folder_stops_the_recording_of_sound_only(
    monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    async with bot() as (server, http):
        before = new_recorder(server)
        before.played(np.full(FRAME_SAMPLES, 1_000, np.int16))
        with monkeypatch.context() as patch:
            patch.setattr(tempfile, "tempdir", folder)
            session = new_recorder(server)
            session.heard(Audio(np.full(FRAME_SAMPLES, 1_000, np.int16), WIRE_RATE_HZ))
            session.played(np.full(FRAME_SAMPLES, 1_000, np.int16))
            assert (await http.post("/conversations", content=transcript())).status_code == 200
            for recorder, has_sound in ((before, True), (session, False)):
                download = await http.get(f"/recordings/{recorder.name}.zip")
                assert download.status_code == 200
                names = zipfile.ZipFile(io.BytesIO(download.content)).namelist()
                assert ("conversation.wav" in names) == has_sound


def record_noise(recorder: Recorder, seconds: int) -> None:
    """Records sound that can't be compressed, so that much is written to disk."""
    chance = np.random.default_rng(1)
    for number in range(seconds * 50):
        frame = chance.integers(-9_000, 9_000, FRAME_SAMPLES).astype(np.int16)
        recorder.played(frame, ahead=number * FRAME_SAMPLES)


# Slow clients ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_slots, "DOWNLOAD_GRACE_S", 0.2)


class RawClient:
    """A client that sends and reads no more than it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connected(cls, server: LiveServer, head: str, address: str) -> RawClient:
        url = httpx.URL(server.url)
        reader, writer = await asyncio.open_connection(url.host, url.port, limit=1_024)
        writer.write(f"{head}\r\nHost: {url.netloc.decode()}\r\nX-Forwarded-For: {address}\r\n".encode())
        return cls(reader, writer)

    async def status(self) -> int:
        return int((await asyncio.wait_for(self.reader.readline(), 10)).split()[1])

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


async def import_status(http: httpx.AsyncClient, address: str) -> int:
    sent = await http.post("/conversations", content=transcript(), headers={"X-Forwarded-For": address}, timeout=10)
    return sent.status_code


@pytest.mark.usefixtures("short_grace")
@pytest.mark.parametrize("same", [True, False])
async def test_unread_downloads_do_not_keep_other_clients_from_downloading(
    monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    async with bot() as (server, http):
        recorder = new_recorder(server)
        record_noise(recorder, 160)  # more than the buffers of two sockets hold
        short = new_recorder(server)
        clients = []
        for number in range(4 if same else limits.DOWNLOADS_AT_ONCE + 2):
            address = "10.0.0.1" if same else f"10.0.0.{number}"
            clients.append(await RawClient.connected(server, f"GET /recordings/{recorder.name}.zip HTTP/1.1", address))
            clients[-1].writer.write(b"\r\n")
            if number < 2:
                assert await clients[-1].status() == 200
        for number in range(3):
            headers = {"X-Forwarded-For": "10.0.0.1" if same else f"10.0.1.{number}"}
            download = await http.get(f"/recordings/{short.name}.zip", headers=headers, timeout=30)
            assert download.status_code == 200
        for client in clients:
            await client.close()


@pytest.mark.parametrize("addresses", [4, 20])
async def test_slow_imports_do_not_keep_others_from_importing(addresses: int) -> None:
    """Each slow client announces a megabyte, sends one byte of it, and waits."""
    async with bot() as (server, http):
        slow = []
        for number in range(addresses):
            slow.append(await RawClient.connected(server, "POST /conversations HTTP/1.1", f"10.0.0.{number}"))
            slow[-1].writer.write(b"Content-Length: 1000000\r\n\r\n{")
        for number in range(8):
            assert await import_status(http, f"10.0.{number % 2}.{number // 2}") == 200
        for client in slow:
            await client.close()


# Rates and threads ----------------------------------------------------------------------------------------------------


async def test_imports_are_rate_limited_for_each_address() -> None:
    async with bot() as (_, http):
        statuses = [await import_status(http, "10.0.0.1") for _ in range(limits.IMPORTS_AT_ONCE + 1)]
        assert statuses == [200] * limits.IMPORTS_AT_ONCE + [429]
        assert await import_status(http, "10.0.0.2") == 200
        unknown = await http.get(f"/conversations/{'A' * 32}", headers={"X-Forwarded-For": "10.0.0.1"})
        assert unknown.status_code == 404


async def test_downloads_are_rate_limited_for_each_address_and_head_requests_show_the_limit() -> None:
    async with bot() as (server, http):
        address = f"/recordings/{new_recorder(server).name}.zip"
        here, there = ({"X-Forwarded-For": each} for each in ("10.0.0.1", "10.0.0.2"))
        for _ in range(limits.RECORDINGS_AT_ONCE):
            assert (await http.head(address, headers=here)).status_code == 200
            assert (await http.get(address, headers=here)).status_code == 200
        refused = await http.head(address, headers=here)
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 10
        assert (await http.get(address, headers=here)).status_code == 429
        assert (await http.get(address, headers=there)).status_code == 200


async def test_long_imports_use_up_the_import_volume_of_their_address() -> None:
    long = transcript(messages=[{"role": "user", "text": "x" * 90_000}] * 4)
    async with bot(keep_conversations=True) as (_, http):
        headers = {"X-Forwarded-For": "10.0.0.1"}
        statuses = [(await http.post("/conversations", content=long, headers=headers)).status_code for _ in range(4)]
        assert statuses == [200, 200, 429, 429]
        assert await import_status(http, "10.0.0.1") == 200
        assert await import_status(http, "10.0.0.2") == 200


async def test_a_slow_import_does_not_use_up_the_default_thread_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, busy = threading.Event(), threading.Semaphore(0)

    def read_slowly(_: bytes) -> Any:
        busy.release()
        go_on.wait(20)
        raise ImportFileError("it took too long")

    monkeypatch.setattr(recordings, "read_import", read_slowly)
    async with bot() as (_, http):
        tasks = [asyncio.create_task(import_status(http, f"10.0.0.{number}")) for number in range(8)]
        await asyncio.to_thread(busy.acquire)
        for _attempt in range(40):  # more than asyncio has threads
            await asyncio.wait_for(asyncio.to_thread(int), 5)
        go_on.set()
        assert await asyncio.gather(*tasks) == [422] * 8
