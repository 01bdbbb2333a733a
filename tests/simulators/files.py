"""Simulates a file host for downloads: whole files, ranges, versions (ETag), a redirect, and faults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from tests.simulators.faults import Fault
from tests.simulators.http_simulator import HttpSimulator
from tests.simulators.http_wire import Exchange

PIECE_BYTES = 65_536


class FileHost(HttpSimulator):
    """Serves `files` by their paths. The path prefix `/moved` redirects to the file, as model hubs do."""

    def __init__(self, files: Mapping[str, bytes], *, piece_bytes: int = PIECE_BYTES) -> None:
        super().__init__()
        self.files = dict(files)
        self.ranges = True
        """Whether the host answers range requests."""
        self.shift = 0
        """The number of bytes by which the range that is sent differs from the one that was requested."""
        self.says_length = True
        self._piece_bytes = piece_bytes

    async def answer(self, exchange: Exchange) -> None:
        planned = self.faults.next()
        if planned is not None and await self.failed(exchange, planned, _told):
            return
        path = urlsplit(exchange.request.target).path
        if path.startswith("/moved/"):
            await exchange.respond(302, [("location", path.removeprefix("/moved"))], b"")
            return
        content = self.files.get(path)
        if content is None:
            await exchange.respond(404, [("content-type", "text/plain")], b"Entry not found")
            return
        first, status, headers = self._part(exchange.request.headers, content)
        if status == 416:
            await exchange.respond(416, headers, b"")
            return
        body = content[first:]
        if self.says_length:
            headers.append(("content-length", str(len(body))))
        exchange.start(status, headers)
        size = self._piece_bytes
        await self.pieces(exchange, (body[at : at + size] for at in range(0, len(body), size)), planned)

    def _part(self, asked: Mapping[str, str], content: bytes) -> tuple[int, int, list[tuple[str, str]]]:
        """Returns the offset at which the answer begins in the file, the status and the headers."""
        version = f'"{len(content)}-{content[:16].hex()}"'
        headers = [("etag", version)]
        part = re.fullmatch(r"bytes=(\d+)-", asked.get("range", ""))
        if part is None or not self.ranges or asked.get("if-range", version) != version:
            return 0, 200, headers
        first = int(part[1]) + self.shift
        if first >= len(content):
            return 0, 416, [*headers, ("content-range", f"bytes */{len(content)}")]
        return first, 206, [*headers, ("content-range", f"bytes {first}-{len(content) - 1}/{len(content)}")]


def _told(fault: Fault) -> tuple[str, bytes]:
    return "text/plain", fault.value.encode()
