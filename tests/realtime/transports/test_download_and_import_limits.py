"""What can go wrong while a session is taken along, or brought back."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import resource
import tempfile
import threading
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import IO, Any

import httpx
import numpy as np
import pytest

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import LiveServer, serving
from tests.support.transcripts import TALK, transcript
from voicebot.audio.sound import FRAME_SAMPLES, WIRE_RATE_HZ, Audio
from voicebot.recording.archive import ImportFileError, pack
from voicebot.recording.recorder import Recorder, Take
from voicebot.runtime import limits
from voicebot.settings import config
from voicebot.web import recordings as take
from voicebot.web import transfers as places


@asynccontextmanager
async def bot(**changed: Any) -> AsyncIterator[tuple[LiveServer, httpx.AsyncClient]]:
    """A proxy in front of it tells the addresses of its clients."""
    settings = config.load(**({"keep_conversations": False, "trusted_proxies": 1} | changed))
    async with (
        serving(scripted(ScriptedStt(), ScriptedAgent(scripts=[]), ToneTts()), settings) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False) as http,
    ):
        yield server, http


def recorded(server: LiveServer) -> Recorder:
    recorder = server.services.recordings.new(TALK)
    recorder.begin()
    return recorder


async def test_a_recording_deleted_while_its_download_waits_is_not_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
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
        known = server.services.recordings.find

        def find(name: str) -> Recorder | None:
            waiting.set()
            return known(name)

        monkeypatch.setattr(server.services.recordings, "find", find)
        second = asyncio.create_task(http.get(deleted))
        await waiting.wait()
        assert (await http.delete(deleted)).status_code == 204
        go_on.set()
        assert (await first).status_code == 200
        assert (await second).status_code == 404


async def test_an_import_that_cannot_be_written_to_disk_is_refused_with_503(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with bot() as (_, http):
        with monkeypatch.context() as patch:
            patch.setattr("tempfile.SpooledTemporaryFile.write", full)
            refused = await http.post("/conversations", content=transcript())
            assert (refused.status_code, refused.json()["code"]) == (503, "full")
        assert (await http.post("/conversations", content=transcript())).status_code == 200


async def test_clients_that_leave_in_mid_import_free_their_places_and_cause_no_logged_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun, over = asyncio.Semaphore(0), asyncio.Semaphore(0)
    place = places.Places.place

    @asynccontextmanager
    async def watched(self: places.Places, address: str) -> AsyncIterator[places.Transfer]:
        try:
            async with place(self, address) as transfer:
                begun.release()
                yield transfer
        finally:
            over.release()

    monkeypatch.setattr(places.Places, "place", watched)
    async with bot() as (server, http):
        address = httpx.URL(server.url)
        for _ in range(limits.UPLOADS_AT_ONCE + 1):
            _, writer = await asyncio.open_connection(address.host, address.port)
            head = b"POST /conversations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"
            writer.write(head + b"{" * 100)
            await begun.acquire()
            writer.close()
            await writer.wait_closed()
            await over.acquire()
        assert (await http.post("/conversations", content=transcript())).status_code == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


# A full disk ----------------------------------------------------------------------------------------------------------


@contextmanager
def longest_file(length: int) -> Iterator[None]:
    """No file of this process can become longer, as if the disk was full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def noise(recorder: Recorder, seconds: int) -> None:
    """Sound that can't be compressed, written to disk."""
    chance = np.random.default_rng(1)
    for number in range(seconds * 50):
        frame = chance.integers(-9_000, 9_000, FRAME_SAMPLES).astype(np.int16)
        recorder.played(frame, ahead=number * FRAME_SAMPLES)
    recorder.take().close()


@pytest.mark.parametrize("length", [0, 100, 2_000, 100_000])
async def test_a_download_is_refused_with_503_when_the_disk_is_full(length: int) -> None:
    async with bot() as (server, http):
        recorder = recorded(server)
        noise(recorder, 4)
        with longest_file(length):
            refused = await http.get(f"/recordings/{recorder.name}.zip")
        assert (refused.status_code, refused.json()["code"]) == (503, "full")
        assert (await http.get(f"/recordings/{recorder.name}.zip")).status_code == 200


@pytest.mark.parametrize("method", ["write", "flush", "close", "tell", "seek"])
async def test_a_download_can_be_repeated_after_its_temporary_file_failed(
    monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    temporary = tempfile.TemporaryFile

    def failing(*args: Any, **options: Any) -> Any:
        file = temporary(*args, **options)

        class Full:
            def __getattr__(self, name: str) -> Any:
                return full if name == method else getattr(file, name)

        def full(*_: Any) -> None:
            if method == "close":
                file.close()
            raise OSError(errno.ENOSPC, "No space left on device")

        return Full()

    async with bot() as (server, http):
        address = f"/recordings/{recorded(server).name}.zip"
        with monkeypatch.context() as patch:
            patch.setattr(tempfile, "TemporaryFile", failing)
            response = await http.get(address)
        assert response.status_code == (200 if method == "close" else 503)
        assert (await http.get(address)).status_code == 200


@pytest.mark.parametrize("folder", ["/nowhere", "/proc"])
async def test_an_unusable_temporary_folder_stops_downloads_and_imports_but_no_sessions(
    monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    async with bot() as (server, http):
        before = recorded(server)
        with monkeypatch.context() as patch:
            patch.setattr(tempfile, "tempdir", folder)
            assert (await http.get(f"/recordings/{before.name}.zip")).status_code == 503
            assert (await http.post("/conversations", content=b"PK" + bytes(2_000_000))).status_code == 503
            session = recorded(server)
            session.heard(Audio(np.full(FRAME_SAMPLES, 1_000, np.int16), WIRE_RATE_HZ))
            session.played(np.full(FRAME_SAMPLES, 1_000, np.int16))
        taken = await http.get(f"/recordings/{session.name}.zip")
        assert taken.status_code == 200
        assert "conversation.wav" not in zipfile.ZipFile(io.BytesIO(taken.content)).namelist()


async def test_a_long_import_is_refused_with_503_when_the_disk_is_full() -> None:
    async with bot() as (_, http):
        with longest_file(1_000_000):
            refused = await http.post("/conversations", content=b"PK" + bytes(3_000_000))
        assert (refused.status_code, refused.json()["code"]) == (503, "full")
        assert (await http.post("/conversations", content=transcript())).status_code == 200


# Slow clients ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "TRANSFER_GRACE_S", 0.2)


class RawClient:
    """One that sends, and reads, no more than it is told to."""

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


@asynccontextmanager
async def slow_uploads(server: LiveServer, *addresses: str) -> AsyncIterator[list[RawClient]]:
    """Each sends a byte of its megabyte, and waits."""
    clients = []
    for address in addresses:
        clients.append(await RawClient.connected(server, "POST /conversations HTTP/1.1", address))
        clients[-1].writer.write(b"Content-Length: 1000000\r\n\r\n{")
    try:
        yield clients
    finally:
        for client in clients:
            await client.close()


async def imported(http: httpx.AsyncClient, address: str) -> int:
    sent = await http.post("/conversations", content=transcript(), headers={"X-Forwarded-For": address}, timeout=10)
    return sent.status_code


@pytest.mark.usefixtures("short_grace")
@pytest.mark.parametrize("addresses", [4, 20, 60])
async def test_slow_uploads_do_not_keep_other_addresses_from_importing(
    monkeypatch: pytest.MonkeyPatch, addresses: int
) -> None:
    monkeypatch.setattr(places, "MIN_TRANSFER_BYTES_PER_S", 0.01)
    async with bot() as (server, http), slow_uploads(server, *(f"10.0.0.{n}" for n in range(addresses))) as slow:
        await asyncio.sleep(0.3)
        for number in range(8):
            assert await imported(http, f"10.0.1.{number}") == 200
        if addresses > limits.UPLOADS_AT_ONCE:
            assert await slow[0].status() == 503


@pytest.mark.usefixtures("short_grace")
async def test_slow_uploads_do_not_keep_their_own_address_from_importing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MIN_TRANSFER_BYTES_PER_S", 0.01)
    async with bot() as (server, http), slow_uploads(server, *["10.0.0.1"] * 4):
        for _ in range(3):
            assert await imported(http, "10.0.0.1") == 200


@pytest.mark.usefixtures("short_grace")
async def test_a_stalled_upload_ends_with_408() -> None:
    async with bot() as (server, _), slow_uploads(server, "10.0.0.1") as (slow,):
        assert await slow.status() == 408


@pytest.mark.usefixtures("short_grace")
@pytest.mark.parametrize("same", [True, False])
async def test_unread_downloads_do_not_keep_other_clients_from_downloading(
    monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    async with bot() as (server, http):
        recorder = recorded(server)
        noise(recorder, 160)  # more than the buffers of two sockets hold
        short = recorded(server)
        clients = []
        for number in range(4 if same else limits.DOWNLOADS_AT_ONCE + 2):
            address = "10.0.0.1" if same else f"10.0.0.{number}"
            clients.append(await RawClient.connected(server, f"GET /recordings/{recorder.name}.zip HTTP/1.1", address))
            clients[-1].writer.write(b"\r\n")
            if number < 2:
                assert await clients[-1].status() == 200
        for number in range(3):
            headers = {"X-Forwarded-For": "10.0.0.1" if same else f"10.0.1.{number}"}
            taken = await http.get(f"/recordings/{short.name}.zip", headers=headers, timeout=30)
            assert taken.status_code == 200
        for client in clients:
            await client.close()


# Rates and threads ----------------------------------------------------------------------------------------------------


async def test_imports_are_rate_limited_for_each_address() -> None:
    async with bot() as (_, http):
        statuses = [await imported(http, "10.0.0.1") for _ in range(limits.IMPORTS_AT_ONCE + 1)]
        assert statuses == [200] * limits.IMPORTS_AT_ONCE + [429]
        assert await imported(http, "10.0.0.2") == 200
        unknown = await http.get(f"/conversations/{'A' * 32}", headers={"X-Forwarded-For": "10.0.0.1"})
        assert unknown.status_code == 404


async def test_downloads_are_rate_limited_for_each_address_and_head_requests_show_the_limit() -> None:
    async with bot() as (server, http):
        address = f"/recordings/{recorded(server).name}.zip"
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
        assert await imported(http, "10.0.0.1") == 200
        assert await imported(http, "10.0.0.2") == 200


async def test_slow_imports_and_downloads_do_not_use_up_the_default_thread_pool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on, busy = threading.Event(), threading.Semaphore(0)

    def slow(*_: Any) -> Any:
        busy.release()
        go_on.wait(20)
        raise ImportFileError("it took too long")

    for name in ("read_packed", "pack"):
        monkeypatch.setattr(take, name, slow)
    async with bot() as (server, http):
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(imported(http, f"10.0.0.{number}")) for number in range(8)
        ]
        address = f"/recordings/{recorded(server).name}.zip"
        tasks.append(asyncio.create_task(http.get(address)))
        await asyncio.to_thread(busy.acquire)
        await asyncio.to_thread(busy.acquire)
        for _ in range(40):  # more than asyncio has threads
            await asyncio.wait_for(asyncio.to_thread(int), 5)
        go_on.set()
        await asyncio.gather(*tasks)


async def test_uploads_are_written_by_transfer_threads_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, int]] = []
    write = tempfile.SpooledTemporaryFile.write

    def watched(self: Any, data: bytes) -> int:
        written.append((threading.current_thread().name, len(data)))
        return int(write(self, data))

    monkeypatch.setattr("tempfile.SpooledTemporaryFile.write", watched)
    async with bot() as (_, http):
        sent = await http.post("/conversations", content=b"PK" + bytes(5_000_000))
    assert sent.status_code == 422
    assert sum(length for _, length in written) == 5_000_002
    assert all(name.startswith("transfers") for name, _ in written)
    assert max(length for _, length in written) < 2 * take.CHUNK_BYTES
