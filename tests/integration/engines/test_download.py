"""A download yields the whole right file or none, whatever the network does."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.simulators.faults import Fault, Planned
from tests.simulators.files import PIECE_BYTES, FileHost
from voicebot.engines.download import Download, DownloadError, DownloadRules, RemoteFile, cache_folder, fetch
from voicebot.runtime import limits

CONTENT = random.Random(14).randbytes(10 * PIECE_BYTES + 1234)
PATH = "/voices/emma.onnx"
QUICK = DownloadRules(connect_s=5.0, stall_s=0.3, tries=3, pause_s=0.01)


class ProgressList(list[int]):
    """Keeps each reported number of bytes."""

    def advance(self, received: int) -> None:
        self.append(received)


@pytest.fixture
async def host() -> AsyncIterator[FileHost]:
    async with FileHost({PATH: CONTENT}) as running:
        yield running


def remote(host: FileHost, path: str = PATH, content: bytes = CONTENT) -> RemoteFile:
    return RemoteFile(f"{host.url}{path}", len(content), hashlib.sha256(content).hexdigest())


async def downloaded_progress(host: FileHost, folder: Path, path: str = PATH) -> list[int]:
    """Downloads the file and returns the reported progress."""
    progress = ProgressList()
    await fetch(remote(host, path), folder / "emma.onnx", progress, QUICK)
    return progress


async def refusal(host: FileHost, folder: Path) -> str:
    with pytest.raises(DownloadError) as raised:
        await downloaded_progress(host, folder)
    assert not (folder / "emma.onnx").exists()
    return str(raised.value)


def names(folder: Path) -> set[str]:
    """Returns the names in the folder without the lock."""
    return {path.name for path in folder.iterdir()} - {"emma.onnx.lock"}


def asked(host: FileHost) -> list[str]:
    return [request.headers.get("range", "all") for request in host.requests]


async def test_a_redirected_file_is_downloaded_whole_into_a_created_folder(host: FileHost, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "voices"
    progress = await downloaded_progress(host, folder, path=f"/moved{PATH}")
    assert (folder / "emma.onnx").read_bytes() == CONTENT
    assert names(folder) == {"emma.onnx"}
    assert progress == sorted(progress)
    assert progress[-1] == len(CONTENT)
    assert len(progress) > 5, "progress is reported on the way"


async def test_a_file_with_a_wrong_checksum_is_discarded(host: FileHost, tmp_path: Path) -> None:
    host.files[PATH] = bytes([CONTENT[0] ^ 1]) + CONTENT[1:]
    assert await refusal(host, tmp_path) == "the downloaded file is not the expected one"
    assert names(tmp_path) == set()
    host.files[PATH] = CONTENT
    await downloaded_progress(host, tmp_path)
    assert asked(host) == ["all", "all"], "no byte of the wrong file is used"


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.RESET, Fault.STALL])
async def test_an_interrupted_download_resumes_where_it_broke_off(fault: Fault, host: FileHost, tmp_path: Path) -> None:
    host.pace_s = 0.01
    host.faults.plan(Planned(fault, after=4), Planned(fault, after=3))
    await downloaded_progress(host, tmp_path)
    assert (tmp_path / "emma.onnx").read_bytes() == CONTENT
    first, *others = asked(host)
    assert first == "all"
    places = [int(place.removeprefix("bytes=").removesuffix("-")) for place in others]
    assert len(places) == 2
    assert 0 < places[0] <= 4 * PIECE_BYTES < places[1] <= 7 * PIECE_BYTES


async def test_a_later_fetch_resumes_a_failed_download(host: FileHost, tmp_path: Path) -> None:
    host.faults.plan(*[Planned(Fault.CUT, after=5), *[Planned(Fault.CUT, after=0)] * (QUICK.tries - 1)])
    assert await refusal(host, tmp_path) in ("the connection broke", "no connection")
    assert names(tmp_path) == {"emma.onnx.part"}
    kept = (tmp_path / "emma.onnx.part").stat().st_size
    assert kept > 0
    await downloaded_progress(host, tmp_path)
    assert asked(host)[-1] == f"bytes={kept}-"
    assert (tmp_path / "emma.onnx").read_bytes() == CONTENT


async def test_a_partial_file_that_is_complete_is_put_in_place_without_a_request(
    host: FileHost, tmp_path: Path
) -> None:
    (tmp_path / "emma.onnx.part").write_bytes(CONTENT)
    await downloaded_progress(host, tmp_path)
    assert (tmp_path / "emma.onnx").read_bytes() == CONTENT
    assert host.requests == []


async def test_a_server_without_range_requests_sends_the_whole_file_again(host: FileHost, tmp_path: Path) -> None:
    host.ranges = False
    host.faults.plan(Planned(Fault.CUT, after=4))
    await downloaded_progress(host, tmp_path)
    assert (tmp_path / "emma.onnx").read_bytes() == CONTENT
    assert len(host.requests) == 2


async def test_a_file_that_changes_during_the_download_is_discarded(host: FileHost, tmp_path: Path) -> None:
    """The checksum finds the mixture of two versions, and the next download begins from the start."""
    host.files[PATH] = bytes(len(CONTENT))
    host.faults.plan(*[Planned(Fault.CUT, after=5), *[Planned(Fault.CUT, after=0)] * (QUICK.tries - 1)])
    await refusal(host, tmp_path)
    host.files[PATH] = CONTENT
    assert await refusal(host, tmp_path) == "the downloaded file is not the expected one"
    await downloaded_progress(host, tmp_path)
    assert asked(host)[-1] == "all"
    assert (tmp_path / "emma.onnx").read_bytes() == CONTENT


@pytest.mark.parametrize("shift", [-10, 10])
async def test_a_range_that_was_not_requested_is_not_used(shift: int, host: FileHost, tmp_path: Path) -> None:
    host.shift = shift
    host.faults.plan(Planned(Fault.CUT, after=4))
    await downloaded_progress(host, tmp_path)
    assert (tmp_path / "emma.onnx").read_bytes() == CONTENT


async def test_a_partial_file_longer_than_the_servers_file_is_discarded(host: FileHost, tmp_path: Path) -> None:
    (tmp_path / "emma.onnx.part").write_bytes(bytes(len(CONTENT) - 1))
    host.files[PATH] = CONTENT[:100]
    assert await refusal(host, tmp_path) == "the server's file does not have the expected length"
    assert asked(host) == [f"bytes={len(CONTENT) - 1}-", "all"]
    host.says_length = False
    assert await refusal(host, tmp_path) == "the server sent less than the expected file has"


@pytest.mark.parametrize("says_length", [True, False])
async def test_a_file_longer_than_expected_is_refused_and_discarded(
    says_length: bool, host: FileHost, tmp_path: Path
) -> None:
    host.files[PATH] = CONTENT + bytes(50 * PIECE_BYTES)
    host.says_length = says_length
    another = "the server's file does not have the expected length"
    progress = ProgressList()
    with pytest.raises(DownloadError) as raised:
        await fetch(remote(host), tmp_path / "emma.onnx", progress, QUICK)
    assert str(raised.value) == (another if says_length else "the server sent more than the expected file has")
    assert max(progress, default=0) <= len(CONTENT), "no more bytes are taken than the file has"
    assert (progress == []) == says_length, "a wrong length is noticed before the body is read"
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    ("fault", "requests", "message"),
    [
        (Fault.FORBIDDEN, 1, "the server refuses the file (HTTP 403)"),
        (Fault.SERVER_ERROR, 3, "the server has failed (HTTP 500)"),
        (Fault.RATE_LIMITED, 3, "the server has failed (HTTP 429)"),
        (Fault.HANG, 3, "no answer in time"),
        (Fault.REFUSE, 3, "the connection broke"),
    ],
)
async def test_a_download_from_a_failing_host_ends_with_an_error_that_names_the_cause(
    fault: Fault, requests: int, message: str, host: FileHost, tmp_path: Path
) -> None:
    host.faults.always(fault)
    assert await refusal(host, tmp_path) == message
    assert len(host.requests) == requests


async def test_a_missing_file_fails_without_a_retry(host: FileHost, tmp_path: Path) -> None:
    host.files.clear()
    assert await refusal(host, tmp_path) == "the server refuses the file (HTTP 404)"
    assert len(host.requests) == 1


async def test_a_trickling_download_times_out(tmp_path: Path) -> None:
    """Each byte comes in time, but 64 kB never do."""
    async with FileHost({PATH: CONTENT}, piece_bytes=100) as host:
        host.pace_s = 0.05
        assert await refusal(host, tmp_path) == "no answer in time"
        assert len(host.requests) == QUICK.tries


async def test_a_refused_connection_is_reported_as_no_connection(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # No server listens at this port, and none can begin to.
        file = RemoteFile(f"http://127.0.0.1:{unused.getsockname()[1]}/voice", 10, "0" * 64)
        with pytest.raises(DownloadError, match=r"^no connection$"):
            await fetch(file, tmp_path / "voice", rules=QUICK)


async def test_an_unwritable_folder_is_reported_without_its_path(host: FileHost, tmp_path: Path) -> None:
    (tmp_path / "voices").write_text("a file, not a folder")
    with pytest.raises(DownloadError, match=r"the folder for it cannot be written") as raised:
        await fetch(remote(host), tmp_path / "voices" / "emma.onnx", rules=QUICK)
    assert str(tmp_path) not in str(raised.value), "visitors see this message"


# In the background ------------------------------------------------------------------------------------------------


async def test_a_download_runs_once_in_the_background_and_logs_its_progress(
    host: FileHost, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "voicebot")
    download = Download(remote(host), tmp_path / "emma.onnx", QUICK)
    assert (download.present, download.running, download.error) == (False, False, None)
    download.begin()
    download.begin()
    assert download.running
    await download.wait_until_finished()
    assert (download.present, download.running, download.error) == (True, False, None)
    assert download.received == len(CONTENT)
    download.begin()
    assert len(host.requests) == 1, "the file is downloaded once"
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "downloading emma.onnx (0.7 MB)"
    assert "50 % of emma.onnx is downloaded" in lines
    assert lines[-1] == "emma.onnx is complete"
    await download.close()


async def test_a_failed_download_is_not_retried_at_once(
    host: FileHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.faults.plan(Fault.FORBIDDEN)
    download = Download(remote(host), tmp_path / "emma.onnx", QUICK)
    download.begin()
    await download.wait_until_finished()
    assert download.error == "the server refuses the file (HTTP 403)"
    download.begin()
    assert not download.running
    monkeypatch.setattr(limits, "DOWNLOAD_AGAIN_S", 0.0)
    download.begin()
    assert download.error is None
    await download.wait_until_finished()
    assert download.present


async def until_received(download: Download, count: int) -> None:
    async with asyncio.timeout(10):
        while download.received < count:  # noqa: ASYNC110 (progress has no event)
            await asyncio.sleep(0.01)


async def test_a_closed_download_keeps_its_received_bytes_and_resumes_later(host: FileHost, tmp_path: Path) -> None:
    host.faults.plan(Planned(Fault.STALL, after=4))
    patient = DownloadRules(stall_s=60.0)
    download = Download(remote(host), tmp_path / "emma.onnx", patient)
    download.begin()
    await until_received(download, 3 * PIECE_BYTES)
    await download.close()
    assert not download.running
    kept = (tmp_path / "emma.onnx.part").stat().st_size
    assert kept >= 3 * PIECE_BYTES
    await downloaded_progress(host, tmp_path)
    assert asked(host)[-1] == f"bytes={kept}-"


async def test_a_download_does_not_block_the_event_loop(host: FileHost, tmp_path: Path) -> None:
    """The loop is also free while 20 MB are checked. The test counts the CPU time of the loop's thread, as the
    machine may be busy."""
    content = bytes(20_000_000)
    host.files[PATH] = content
    file = remote(host, content=content)
    computed_s: list[float] = []

    async def measure() -> None:
        while True:
            before_s = time.thread_time()
            await asyncio.sleep(0.005)
            computed_s.append(time.thread_time() - before_s)

    measuring = asyncio.create_task(measure())
    await fetch(file, tmp_path / "emma.onnx", rules=QUICK)
    measuring.cancel()
    assert len(computed_s) > 5
    assert sorted(computed_s)[int(len(computed_s) * 0.99)] < 0.02


FETCH = """
import asyncio, sys
from pathlib import Path
from voicebot.engines.download import DownloadError, RemoteFile, fetch

url, size, sha256, target = sys.argv[1:]
try:
    asyncio.run(fetch(RemoteFile(url, int(size), sha256), Path(target)))
except DownloadError as error:
    sys.stdout.write(str(error))
else:
    sys.stdout.write("here")
"""


async def test_processes_that_download_the_same_file_at_once_get_one_whole_file(host: FileHost, tmp_path: Path) -> None:
    host.pace_s = 0.05
    file = remote(host)
    command = [sys.executable, "-c", FETCH, file.url, str(file.size), file.sha256, str(tmp_path / "emma.onnx")]
    processes = [await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE) for _ in range(4)]
    outputs = [(await process.communicate())[0].decode() for process in processes]
    assert "here" in outputs
    assert set(outputs) <= {"here", "another process is downloading it"}
    assert (tmp_path / "emma.onnx").read_bytes() == CONTENT
    assert names(tmp_path) == {"emma.onnx"}


def test_files_are_stored_in_the_operating_systems_cache_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache_folder() == tmp_path / "voicebot"
    assert cache_folder().is_absolute()
