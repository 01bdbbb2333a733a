"""Files that are fetched on first use, such as a further voice: in the background, and never while somebody waits.

A file is written beside its place, checked, and renamed when it is complete and right: what is in its place is always
whole. What has come before a break is kept, and the next try goes on from there. A lock keeps several processes from
writing the same file.
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
"""What counts as progress: a server that sends less than this before it breaks off, or stalls, has got nowhere."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that must be exactly this one, wherever it comes from."""

    url: str
    size: int
    sha256: str = ""
    crc32c: str = ""
    """In base64, as Google's storage tells it: for files whose sha256 nobody has published."""


@dataclass(frozen=True, slots=True)
class DownloadRules:
    """How patient a download is."""

    connect_s: float = 10.0
    stall_s: float = 30.0
    """Each 64 kB must come within this time: slower networks (2 kB/s) carry no sound either."""
    tries: int = 5
    """How often in a row a download may break off before 64 kB have come."""
    pause_s: float = 1.0
    """Before the second try; twice as long before each further one."""


class DownloadError(Exception):
    """The file could not be fetched. The text says why, and is safe to show: it names no address and no folder."""


class _BrokenOffError(Exception):
    """Something that the next try may not meet. `got_on`: something came before it."""

    def __init__(self, message: str, *, got_on: bool) -> None:
        super().__init__(message)
        self.got_on = got_on


class Progress(Protocol):
    """Follows a file on its way."""

    def advance(self, received: int) -> None:
        """Learns how many of the file's bytes have come; fewer than before when the file has to be begun anew."""
        ...


class _Unwatched:
    """Stands where nobody follows the progress."""

    def advance(self, received: int) -> None:
        """Does nothing."""


def cache_folder() -> Path:
    """Where files that can be fetched again are kept, by the custom of the operating system. It need not exist."""
    return platformdirs.user_cache_path("voicebot", appauthor=False)


class Download:
    """One file and its way to this machine. All of it belongs to one event loop."""

    def __init__(self, file: RemoteFile, target: Path, rules: DownloadRules | None = None) -> None:
        self.file = file
        self.target = target
        self.received = 0
        """How many bytes have come; watch it for the progress."""
        self.error: str | None = None
        """Why the last attempt failed; None if there was none, or it did not."""
        self._rules = rules or DownloadRules()
        self._task: asyncio.Task[None] | None = None
        self._failed_s: float | None = None

    @property
    def present(self) -> bool:
        """Whether the file is in its place. Only complete files get there; what reads it checks it all the same."""
        try:
            return self.target.stat().st_size == self.file.size
        except OSError:
            return False

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    def begin(self) -> None:
        """Fetches the file in the background, unless it is there, on its way, or could not be fetched a moment ago."""
        soon = self._failed_s is not None and time.monotonic() - self._failed_s < limits.DOWNLOAD_AGAIN_S
        if not (self.running or soon or self.present):
            self.error, self.received = None, 0
            self._task = asyncio.create_task(self._run(), name=f"download of {self.target.name}")

    def advance(self, received: int) -> None:
        """Notes how many bytes have come, and logs each further quarter of the file."""
        before, quarter = (4 * count // self.file.size for count in (self.received, received))
        self.received = received
        if before < quarter < 4:
            logger.info("%d %% of %s has come", 25 * quarter, self.target.name)

    async def finished(self) -> None:
        """Returns when nothing is on its way any more; `present` and `error` tell what became of it."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def close(self) -> None:
        """Gives the download up. What has come is kept for the next time."""
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
        except Exception as error:  # housekeeping boundary: the engine works on without what was to come
            self.error, self._failed_s = f"a mistake ({type(error).__name__})", time.monotonic()
            logger.exception("the download of %s failed", name)
        else:
            logger.info("%s is here", name)


async def fetch(
    file: RemoteFile, target: Path, progress: Progress | None = None, rules: DownloadRules | None = None
) -> None:
    """Brings the file to `target`. Raises DownloadError."""
    rules = rules or DownloadRules()
    threads = Threads("download", 1)
    try:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(target.with_name(f"{target.name}.lock"), blocking=False, thread_local=False)
            with lock:
                await _Partial(file, target, threads).complete(_Unwatched() if progress is None else progress, rules)
        except Timeout:
            raise DownloadError("another process is downloading it") from None
        except OSError as error:
            raise DownloadError(f"the folder for it cannot be written ({error.strerror})") from None
    finally:
        threads.close()


class _Partial:
    """The part of a file that has come, and the server's mark of the version that it belongs to.

    All its writing is done in a thread, piece by piece. Its errors are OSErrors.
    """

    def __init__(self, file: RemoteFile, target: Path, threads: Threads) -> None:
        self._file = file
        self._target = target
        self._threads = threads
        self._part = target.with_name(f"{target.name}.part")
        self._mark = target.with_name(f"{target.name}.part.version")

    async def complete(self, progress: Progress, rules: DownloadRules) -> None:
        """Fetches what is missing, over several connections if need be, and puts the file in its place."""
        failures = 0
        while self._size() != self._file.size:
            try:
                await self._fetch(progress, rules)
            except _BrokenOffError as error:
                failures = 1 if error.got_on else failures + 1
                if failures == rules.tries:
                    raise DownloadError(str(error)) from None
                await asyncio.sleep(rules.pause_s * 2 ** (failures - 1))
        if not await self._threads.run(is_right, self._part, self._file):
            self._forget()
            raise DownloadError("what came is not the file that was expected")
        self._mark.unlink(missing_ok=True)
        os.replace(self._part, self._target)

    def _size(self) -> int:
        """How much has come. More than there should be is of another file, and forgotten."""
        size = self._part.stat().st_size if self._part.exists() else 0
        if size > self._file.size:
            self._forget()
            return 0
        return size

    def _forget(self) -> None:
        self._part.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)

    async def _fetch(self, progress: Progress, rules: DownloadRules) -> None:
        """One request, for all or for the rest. Raises _BrokenOffError or DownloadError."""
        begun = self._size()
        version = self._mark.read_text("ascii") if begun and self._mark.exists() else ""
        headers = {"accept-encoding": "identity"}
        if begun:
            headers["range"] = f"bytes={begun}-"
            if version:
                headers["if-range"] = version
        got_on = False
        timeout = httpx.Timeout(rules.stall_s, connect=rules.connect_s)
        try:
            async with (
                httpx.AsyncClient(timeout=timeout, follow_redirects=True, max_redirects=5) as client,
                client.stream("GET", self._file.url, headers=headers) as response,
            ):
                at = first = self._place(response, begun)
                self._mark.write_text(_version(response), "ascii")
                progress.advance(at)
                with self._part.open("r+b" if at else "wb") as part:
                    part.seek(at)
                    async with aclosing(_body(response, rules.stall_s)) as body:
                        async for data in body:
                            at += len(data)
                            if at > self._file.size:
                                raise DownloadError("more came than the file should have")
                            await self._threads.run(_write, part, data)
                            got_on = at - first >= _STEP_BYTES
                            progress.advance(at)
        except DownloadError:
            self._forget()
            raise
        except (TimeoutError, httpx.TimeoutException):
            raise _BrokenOffError("no answer in time", got_on=got_on) from None
        except httpx.NetworkError:
            raise _BrokenOffError("no connection", got_on=got_on) from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise _BrokenOffError("the connection broke", got_on=got_on) from None
        if at < self._file.size:
            raise _BrokenOffError("less came than the file should have", got_on=got_on)

    def _place(self, response: httpx.Response, begun: int) -> int:
        """Where in the file the answer's body begins. A server may send all of it, whatever it was asked for."""
        match response.status_code:
            case 200:
                at = 0
            case 206:
                place = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
                at = int(place[1]) if place else -1
                if at != begun:
                    self._forget()
                    raise _BrokenOffError("the server sent another part than was asked for", got_on=False)
            case 416:  # it has less than we have: ours was of something else
                self._forget()
                raise _BrokenOffError("the server has not got the rest", got_on=False)
            case 408 | 429 | 500 | 502 | 503 | 504 as status:
                raise _BrokenOffError(f"the server is in trouble (HTTP {status})", got_on=False)
            case status:
                raise DownloadError(f"the server does not give it (HTTP {status})")
        length = response.headers.get("content-length", "")
        if length.isdecimal() and at + int(length) != self._file.size:
            raise DownloadError("the server's file has another length than it should have")
        return at


def _version(response: httpx.Response) -> str:
    """What the server calls this version of the file; "" if it has no name by which it could be asked for again."""
    version: str = response.headers.get("etag", "")
    return version if version.startswith('"') and version.isascii() else ""


async def _body(response: httpx.Response, stall_s: float) -> AsyncGenerator[bytes]:
    """The body as it comes. Raises TimeoutError when 64 kB take longer than they may."""
    loop = asyncio.get_running_loop()
    came, until_s = 0, loop.time() + stall_s
    async with aclosing(cast(AsyncGenerator[bytes], response.aiter_raw())) as pieces:
        while True:
            async with asyncio.timeout_at(until_s):
                data = await anext(pieces, None)
            if data is None:
                return
            yield data
            came += len(data)
            if came >= _STEP_BYTES:
                came, until_s = 0, loop.time() + stall_s


def _write(part: BinaryIO, data: bytes) -> None:
    part.write(data)
    part.flush()


def is_right(path: Path, file: RemoteFile) -> bool:
    """Whether this is the file. Reads all of it; raises OSError if it can't."""
    if path.stat().st_size != file.size:
        return False
    with path.open("rb") as content:
        if file.sha256:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
        return _crc32c(content) == file.crc32c


def _crc32c(content: BinaryIO) -> str:
    import google_crc32c  # comes with moonshine-voice, whose larger models are the only files without a sha256

    checksum = google_crc32c.Checksum()
    while piece := content.read(1 << 20):
        checksum.update(piece)
    return base64.b64encode(checksum.digest()).decode("ascii")
