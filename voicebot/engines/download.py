"""Downloads files on first use, such as a further voice, in the background.

A file is written beside its place, checked, and renamed when it is complete and right, so a file in its place is always
whole. When a download breaks off, the next attempt resumes it. A lock keeps processes from writing the same file.

`huggingface_hub.file_download.http_get` resumes as well, but it blocks a thread that cannot be cancelled, and does not
time out while a server sends a few bytes now and then.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import os
import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import httpx
import platformdirs
from filelock import FileLock, Timeout

from voicebot.runtime import limits
from voicebot.runtime.threads import Threads

logger = logging.getLogger(__name__)

_STEP_BYTES = 65_536
"""An attempt that brings at least this much counts as progress."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file with a known size and checksum."""

    url: str
    size: int
    sha256: str = ""
    crc32c: str = ""
    """In base64, as Google's storage reports it. It is used for files without a published SHA-256."""


@dataclass(frozen=True, slots=True)
class DownloadRules:
    """Time limits and attempts of a download."""

    connect_s: float = 10.0
    stall_s: float = 30.0
    """Each 64 kB must come within this time. Slower networks (2 kB/s) carry no sound either."""
    tries: int = 5
    """This many attempts in a row may break off without progress."""
    pause_s: float = 1.0
    """The wait before the second attempt, which doubles with each further one."""


class DownloadError(Exception):
    """A file could not be downloaded. The text says why and is safe to show, as it names no address and no folder."""


class _BrokenOffError(Exception):
    """An attempt broke off, and another one may succeed. `progressed` is true if the attempt brought 64 kB."""

    def __init__(self, message: str, *, progressed: bool) -> None:
        super().__init__(message)
        self.progressed = progressed


class Progress(Protocol):
    """Is told how a download gets on."""

    def advance(self, received: int) -> None:
        """Takes how many of the file's bytes have come. The number falls if the download begins again."""
        ...


def cache_folder() -> Path:
    """Returns the operating system's folder for this program's downloaded files. It need not exist."""
    return platformdirs.user_cache_path("voicebot", appauthor=False)


class Download:
    """The background download of one file. It belongs to one event loop."""

    def __init__(self, file: RemoteFile, target: Path, rules: DownloadRules | None = None) -> None:
        self.file = file
        self.target = target
        self.received = 0
        """How many bytes have come."""
        self.error: str | None = None
        """Why the last download failed; None if it did not."""
        self._rules = rules or DownloadRules()
        self._task: asyncio.Task[None] | None = None
        self._failed_s: float | None = None

    @property
    def present(self) -> bool:
        """Whether the file is in its place. Whoever reads the file checks its content as well."""
        try:
            return self.target.stat().st_size == self.file.size
        except OSError:
            return False

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    def begin(self) -> None:
        """Starts the download, unless the file is present, is being downloaded, or has failed a moment ago."""
        soon = self._failed_s is not None and time.monotonic() - self._failed_s < limits.DOWNLOAD_AGAIN_S
        if not (self.running or soon or self.present):
            self.error, self.received = None, 0
            self._task = asyncio.create_task(self._run(), name=f"download of {self.target.name}")

    def advance(self, received: int) -> None:
        """Notes how many bytes have come. Logs each further quarter of the file."""
        before, quarter = (4 * count // self.file.size for count in (self.received, received))
        self.received = received
        if before < quarter < 4:
            logger.info("%d %% of %s is downloaded", 25 * quarter, self.target.name)

    async def wait_until_finished(self) -> None:
        """Waits until no download is running. Then `present` and `error` tell its outcome."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def close(self) -> None:
        """Stops the download. The bytes that have come are kept for the next time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        name, megabytes = self.target.name, self.file.size / 1e6
        logger.info("downloading %s (%.1f MB)", name, megabytes)
        try:
            await fetch(self.file, self.target, self, self._rules)
        except DownloadError as error:
            self.error, self._failed_s = str(error), time.monotonic()
            logger.warning("%s could not be downloaded: %s", self.target, error)
        except Exception as error:  # housekeeping boundary: the engine works without the file
            self.error, self._failed_s = f"an internal error ({type(error).__name__})", time.monotonic()
            logger.exception("the download of %s failed", name)
        else:
            logger.info("%s is complete", name)


async def fetch(
    file: RemoteFile, target: Path, progress: Progress | None = None, rules: DownloadRules | None = None
) -> None:
    """Downloads the file to `target`. Raises DownloadError."""
    rules = rules or DownloadRules()
    threads = Threads("download", 1)
    try:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(target.with_name(f"{target.name}.lock"), blocking=False, thread_local=False)
            with lock:
                await _Partial(file, target, threads).complete(progress, rules)
        except Timeout:
            raise DownloadError("another process is downloading it") from None
        except OSError as error:
            raise DownloadError(f"the folder for it cannot be written ({error.strerror})") from None
    finally:
        threads.close()


class _Partial:
    """The bytes of a file that have come. They are written in a thread. Errors of the file system are OSErrors."""

    def __init__(self, file: RemoteFile, target: Path, threads: Threads) -> None:
        self._file = file
        self._target = target
        self._threads = threads
        self._part = target.with_name(f"{target.name}.part")

    async def complete(self, progress: Progress | None, rules: DownloadRules) -> None:
        """Downloads the missing bytes, with several attempts if need be, and puts the file in its place."""
        failures = 0
        while self._size() != self._file.size:
            try:
                await self._fetch(progress, rules)
            except _BrokenOffError as error:
                failures = 1 if error.progressed else failures + 1
                if failures == rules.tries:
                    raise DownloadError(str(error)) from None
                await asyncio.sleep(rules.pause_s * 2 ** (failures - 1))
        if not await self._threads.run(is_right, self._part, self._file):
            self._discard()
            raise DownloadError("the downloaded file is not the expected one")
        os.replace(self._part, self._target)

    def _size(self) -> int:
        """Returns how many bytes have come. Discards them if they are more than the file has."""
        size = self._part.stat().st_size if self._part.exists() else 0
        if size > self._file.size:
            self._discard()
            return 0
        return size

    def _discard(self) -> None:
        self._part.unlink(missing_ok=True)

    async def _fetch(self, progress: Progress | None, rules: DownloadRules) -> None:
        """Requests the whole file or the rest of it. Raises _BrokenOffError or DownloadError."""
        begun = self._size()
        headers = {"accept-encoding": "identity"}
        if begun:
            headers["range"] = f"bytes={begun}-"
        progressed = False
        timeout = httpx.Timeout(rules.stall_s, connect=rules.connect_s)
        try:
            async with (
                httpx.AsyncClient(timeout=timeout, follow_redirects=True, max_redirects=5) as client,
                client.stream("GET", self._file.url, headers=headers) as response,
            ):
                at = first = self._start_of(response, begun)
                if progress is not None:
                    progress.advance(at)
                with self._part.open("r+b" if at else "wb") as part:
                    part.seek(at)
                    async with aclosing(_body(response, rules.stall_s)) as body:
                        async for data in body:
                            at += len(data)
                            if at > self._file.size:
                                raise DownloadError("the server sent more than the expected file has")
                            await self._threads.run(_write, part, data)
                            progressed = at - first >= _STEP_BYTES
                            if progress is not None:
                                progress.advance(at)
        except DownloadError:
            self._discard()
            raise
        except (TimeoutError, httpx.TimeoutException):
            raise _BrokenOffError("no answer in time", progressed=progressed) from None
        except httpx.NetworkError:
            raise _BrokenOffError("no connection", progressed=progressed) from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise _BrokenOffError("the connection broke", progressed=progressed) from None
        if at < self._file.size:
            raise _BrokenOffError("the server sent less than the expected file has", progressed=progressed)

    def _start_of(self, response: httpx.Response, begun: int) -> int:
        """Returns where in the file the response begins. A server may send all of it instead of the rest."""
        match response.status_code:
            case 200:
                at = 0
            case 206:
                place = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
                at = int(place[1]) if place else -1
                if at != begun:
                    self._discard()
                    raise _BrokenOffError("the server sent another range than the requested one", progressed=False)
            case 416:  # the server's file is shorter than the bytes that have come
                self._discard()
                raise _BrokenOffError("the server does not have the rest", progressed=False)
            case 408 | 429 | 500 | 502 | 503 | 504 as status:
                raise _BrokenOffError(f"the server has failed (HTTP {status})", progressed=False)
            case status:
                raise DownloadError(f"the server refuses the file (HTTP {status})")
        length = response.headers.get("content-length", "")
        if length.isdecimal() and at + int(length) != self._file.size:
            raise DownloadError("the server's file does not have the expected length")
        return at


async def _body(response: httpx.Response, stall_s: float) -> AsyncGenerator[bytes]:
    """Yields the body as it comes. Raises TimeoutError if 64 kB do not come within `stall_s`."""
    loop = asyncio.get_running_loop()
    received, until_s = 0, loop.time() + stall_s
    async with aclosing(cast(AsyncGenerator[bytes], response.aiter_raw())) as pieces:
        while True:
            async with asyncio.timeout_at(until_s):
                data = await anext(pieces, None)
            if data is None:
                return
            yield data
            received += len(data)
            if received >= _STEP_BYTES:
                received, until_s = 0, loop.time() + stall_s


def _write(part: BinaryIO, data: bytes) -> None:
    part.write(data)
    part.flush()


def is_right(path: Path, file: RemoteFile) -> bool:
    """Returns whether the file at `path` has the right content. Raises OSError if it can't be read."""
    if path.stat().st_size != file.size:
        return False
    with path.open("rb") as content:
        if file.sha256:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
        return _crc32c(content) == file.crc32c


def _crc32c(content: BinaryIO) -> str:
    import google_crc32c  # a dependency of moonshine-voice, whose larger models are the only files without a SHA-256

    checksum = google_crc32c.Checksum()
    while piece := content.read(1 << 20):
        checksum.update(piece)
    return base64.b64encode(checksum.digest()).decode("ascii")
