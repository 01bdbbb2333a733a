"""MCP over the standard input and output of a process: one JSON-RPC message a line.

The SDK's own `stdio_client` does not limit the length of a line, and leaves the children of a server that was killed
running.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp_types import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)

from voicebot.agent.mcp.failures import McpServerError, end_of_process
from voicebot.agent.mcp.traffic import MAX_MESSAGE_BYTES, MAX_STRUCTURE, MESSAGE_BYTES, TrafficLimit, structure
from voicebot.engines.errors import Fault
from voicebot.settings.mcp_servers import McpCommand

logger = logging.getLogger(__name__)

ToServer = MemoryObjectSendStream[SessionMessage]
FromServer = MemoryObjectReceiveStream[SessionMessage | Exception]

EXIT_S = 1.0
"""How long a server may take to end once its standard input is closed, and again after SIGTERM. Then it is killed."""

UNREAD_S = 10.0
"""A server that has not read its standard input for this long does not work any more."""

BYTES_PER_S = {1: 32_000_000, 2: 64_000}
"""How much is read in a second of standard output (1) and error (2). A server that writes more has to wait."""

STDERR_LINE_CHARS = 300
ENDS_BYTES = 200
"""How much of both ends of a line that is too long is kept, to find out which request it answers."""

GROUP_POLL_S = 0.02
"""How often it is looked whether all processes of a server have ended, for at most `EXIT_S`: the system tells only of
the first one's end."""

KILL = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL

READ_BYTES = 16_384
"""How much is read at once. Four times as much took 6 ms if each line had one character."""

TOO_LONG = "the answer is too long"
NOT_VALID = "the answer is not valid JSON-RPC"

_BLANK = re.compile(rb"\n\s+")
"""Empty lines, and space before a message. Within messages the ends of lines are escaped."""
_ID_AT_START = re.compile(rb'\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d+)\s*,')
_ID_AT_END = re.compile(rb'"id"\s*:\s*(\d+)\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$')
_ANSWER = re.compile(rb'"(?:result|error)"\s*:')
_METHOD_AT_START = re.compile(rb'\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"method"\s*:')


class _UnreadLine:
    """A line that was not kept as it is too long, or cannot be read, with its two ends."""

    def __init__(self, start: bytes, end: bytes) -> None:
        self.start = start
        self.end = end


class ServerProcess(asyncio.SubprocessProtocol):
    """A server's process. Lines that it writes wait here until they are read; meanwhile no more is read from it."""

    def __init__(self, name: str, hide: Callable[[str], str]) -> None:
        self._name = name
        self._hide = hide
        self.over = asyncio.Event()
        """Set once the process has ended, or has closed its standard output."""
        self.stderr_end = ""
        """The last line of the standard error."""
        self._transport: asyncio.SubprocessTransport | None = None
        self._exited = asyncio.Event()
        self._lines: deque[bytes | _UnreadLine] = deque()
        self._arrived = asyncio.Event()
        self._rest = bytearray()
        self._long_start: bytes | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._read_until_s = {1: 0.0, 2: 0.0}
        """When the data read so far would have been read at `BYTES_PER_S`."""
        self._resting: set[int] = set()
        """The outputs that are not read for a while, as there was too much."""
        self._unread: McpServerError | None = None
        self._is_stopping = False
        self._ended_by_itself = False
        self._is_killed = False

    @classmethod
    async def start(cls, name: str, place: McpCommand, hide: Callable[[str], str]) -> ServerProcess:
        """Starts the process in a group of its own. Raises McpServerError."""
        env = {**get_default_environment(), **place.env}
        command = shutil.which(place.command, path=env.get("PATH"))
        if command is None:
            cure = ": put its arguments into args" if " " in place.command.strip() else ""
            raise McpServerError("its command was not found", Fault.MISSING, f"{place.command}{cure}")
        try:
            _, protocol = await asyncio.get_running_loop().subprocess_exec(
                lambda: cls(name, hide), command, *place.args, env=env, cwd=place.cwd, start_new_session=True
            )
        except OSError as error:
            raise McpServerError("its command cannot be started", Fault.MISSING, str(error)) from None
        return protocol

    @property
    def ended_by_itself(self) -> bool:
        """True if it did not work any more before it was stopped."""
        return self._ended_by_itself if self._is_stopping else self.over.is_set()

    async def ended(self) -> McpServerError:
        """Waits until it does not work any more, and returns why."""
        await self.over.wait()
        if self._unread is not None:
            return self._unread
        await self._wait_for_exit()
        code = None if self._is_killed else self._made.get_returncode()
        return McpServerError(end_of_process(code), Fault.UNREACHABLE, self.stderr_end)

    @property
    def _made(self) -> asyncio.SubprocessTransport:
        assert self._transport is not None
        return self._transport

    # Called by asyncio ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        for fd in (1, 2):
            cast(Any, self._pipe(fd)).max_size = READ_BYTES

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        if fd == 1:
            self._receive(data)
        else:
            self._log(data)
        now_s = time.monotonic()
        self._read_until_s[fd] = max(now_s, self._read_until_s[fd]) + len(data) / BYTES_PER_S[fd]
        if self._read_until_s[fd] > now_s + 1:
            self._resting.add(fd)
            self._pipe(fd).pause_reading()
            asyncio.get_running_loop().call_later(self._read_until_s[fd] - now_s, self._read_again, fd)

    def _read_again(self, fd: int) -> None:
        self._resting.discard(fd)
        if fd == 2 or not self._lines:
            self._pipe(fd).resume_reading()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self.over.set()
            self._arrived.set()
        if fd == 0:
            self._writable.set()

    def process_exited(self) -> None:
        self._exited.set()
        self.over.set()
        self._arrived.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # Its output -------------------------------------------------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        *ended, rest = _BLANK.sub(b"\n", data).split(b"\n")
        for piece in ended:
            self._append(piece)
            if self._long_start is not None:
                self._lines.append(_UnreadLine(self._long_start, bytes(self._rest[-ENDS_BYTES:])))
            elif not self._rest.isspace() and self._rest:
                self._lines.append(bytes(self._rest))
            self._rest.clear()
            self._long_start = None
        self._append(rest)
        if self._lines:
            self._arrived.set()
            self._pipe(1).pause_reading()

    def _append(self, piece: bytes) -> None:
        self._rest += piece
        if len(self._rest) > MAX_MESSAGE_BYTES and self._long_start is None:
            self._long_start = bytes(self._rest[:ENDS_BYTES])
        if self._long_start is not None:
            del self._rest[:-ENDS_BYTES]

    async def next_line(self) -> bytes | _UnreadLine | None:
        """Returns the next line that is not empty; None once the process is over."""
        while not self._lines:
            if self.over.is_set():
                return None
            self._arrived.clear()
            if 1 not in self._resting:
                self._pipe(1).resume_reading()
            await self._arrived.wait()
        return self._lines.popleft()

    def _log(self, data: bytes) -> None:
        """Logs what the server writes to its standard error, as far as it is not too much."""
        last = data[-4 * STDERR_LINE_CHARS :].decode(errors="replace").rstrip().rpartition("\n")[2]
        self.stderr_end = self._hide(last[-STDERR_LINE_CHARS:]) or self.stderr_end
        if logger.isEnabledFor(logging.DEBUG):
            text = self._hide(data[: BYTES_PER_S[2]].decode(errors="replace"))
            for line in text.splitlines():
                logger.debug("%s: %s", self._name, line[:STDERR_LINE_CHARS])

    def _pipe(self, fd: int) -> asyncio.ReadTransport:
        return cast(asyncio.ReadTransport, self._made.get_pipe_transport(fd))

    # Its input and its end --------------------------------------------------------------------------------------------

    async def write(self, line: bytes) -> None:
        """Writes a line once the server has read enough of those before. One that does not do so in time is over."""
        try:
            async with asyncio.timeout(UNREAD_S):
                await self._writable.wait()
        except TimeoutError:
            self._unread = McpServerError("it does not read its input", Fault.TIMEOUT)
            self.over.set()
        stdin = cast(asyncio.WriteTransport | None, self._made.get_pipe_transport(0))
        if stdin is not None:
            stdin.write(line)

    async def stop(self) -> None:
        """Closes its standard input, and ends all processes of its group that do not end by themselves."""
        self._ended_by_itself, self._is_stopping = self.ended_by_itself, True
        try:
            stdin = cast(asyncio.WriteTransport | None, self._made.get_pipe_transport(0))
            if stdin is not None and not stdin.is_closing():
                stdin.abort()
            # A server that is blocked as nobody reads its output cannot end.
            self._lines.clear()
            for fd in (1, 2):
                with suppress(RuntimeError):
                    self._pipe(fd).resume_reading()
            await self._wait_for_exit()
            if self._signal(signal.SIGTERM):
                await self._wait_for_group()
                if self._signal(KILL):
                    await self._wait_for_group()
                    await self._wait_for_exit()
        finally:
            self._signal(KILL)
            self._made.close()

    async def _wait_for_exit(self) -> None:
        """Waits until the process has ended, for at most `EXIT_S`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(EXIT_S):
                await self._exited.wait()

    async def _wait_for_group(self) -> None:
        """Waits until all processes of its group have ended, for at most `EXIT_S`."""
        until_s = time.monotonic() + EXIT_S
        while self._signal(0) and time.monotonic() < until_s:  # noqa: ASYNC110 - the system tells of no end
            await asyncio.sleep(GROUP_POLL_S)

    def _signal(self, number: int) -> bool:
        """Sends a signal to all processes of the group, or asks with 0. Returns False if there are none any more."""
        self._is_killed |= number != 0 and not self._exited.is_set()
        if sys.platform == "win32":
            if number and not self._exited.is_set():
                self._made.kill()
            return not self._exited.is_set()
        try:
            os.killpg(self._made.get_pid(), number)
        except ProcessLookupError:
            return False
        except PermissionError:  # on macOS a process that has ended but was not waited for
            return False
        return True


@asynccontextmanager
async def process_streams(process: ServerProcess, limit: TrafficLimit) -> AsyncIterator[tuple[FromServer, ToServer]]:
    """Yields the streams of messages that the SDK's client takes. Stops the process at the end."""
    inward, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_server, outward = anyio.create_memory_object_stream[SessionMessage](0)
    waiting: set[RequestId] = set()
    tasks = (
        asyncio.create_task(_read(process, limit, inward, waiting), name="MCP: standard output"),
        asyncio.create_task(_write(process, outward, waiting), name="MCP: standard input"),
    )
    try:
        yield from_server, to_server
    finally:
        try:
            await process.stop()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for stream in (inward, from_server, to_server, outward):
                stream.close()


async def _read(
    process: ServerProcess,
    limit: TrafficLimit,
    inward: MemoryObjectSendStream[SessionMessage | Exception],
    waiting: set[RequestId],
) -> None:
    """Passes the server's messages on, each as soon as the one before was taken, and no faster than the limit."""
    with inward, suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        while (line := await process.next_line()) is not None:
            size = 0 if isinstance(line, _UnreadLine) else len(line)
            if rest_s := limit.take(1 + size / MESSAGE_BYTES):
                await asyncio.sleep(rest_s)
            for message in _messages(line, waiting):
                await inward.send(message)


def _messages(line: bytes | _UnreadLine, waiting: set[RequestId]) -> list[SessionMessage | Exception]:
    """Returns the message of a line. In place of an answer that cannot be read it returns errors for who waits for it.

    Such are answers that are too long, and those that are not valid: the SDK does not find out whose they are.
    """
    if isinstance(line, bytes) and structure(line) > MAX_STRUCTURE:
        line = _UnreadLine(line[:ENDS_BYTES], line[-ENDS_BYTES:])
    if isinstance(line, _UnreadLine):
        return _errors(TOO_LONG, _answered(line, waiting))
    try:
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError as error:
        # Only what names a request can be an answer: servers print all kinds of lines.
        ends = _UnreadLine(line[:ENDS_BYTES], line[-ENDS_BYTES:])
        answers = _answered(ends, waiting) if _id_of(ends) is not None and _ANSWER.search(line) else []
        return [error, *_errors(NOT_VALID, answers)]
    if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id is not None:
        waiting.discard(message.id)
    return [SessionMessage(message)]


def _errors(message: str, requests: Iterable[RequestId]) -> list[SessionMessage | Exception]:
    error = ErrorData(code=INTERNAL_ERROR, message=message)
    return [SessionMessage(JSONRPCError(jsonrpc="2.0", id=each, error=error)) for each in requests]


def _answered(line: _UnreadLine, waiting: set[RequestId]) -> list[RequestId]:
    """Returns the requests that a line that cannot be read may answer: the one that its ends name, or else all."""
    if _METHOD_AT_START.match(line.start):
        return []
    id = _id_of(line)
    answered = list(waiting) if id is None else [each for each in waiting if str(each) == id]
    waiting.difference_update(answered)
    return answered


def _id_of(line: _UnreadLine) -> str | None:
    """Returns the request that one of the ends of a line names, or None."""
    found = _ID_AT_START.match(line.start) or _ID_AT_END.search(line.end)
    return None if found is None else found[1].decode()


async def _write(
    process: ServerProcess, outward: MemoryObjectReceiveStream[SessionMessage], waiting: set[RequestId]
) -> None:
    with outward:
        async for each in outward:
            if isinstance(each.message, JSONRPCRequest):
                waiting.add(each.message.id)
            if isinstance(each.message, JSONRPCNotification) and each.message.method == "notifications/cancelled":
                waiting.discard((each.message.params or {}).get("requestId", 0))
            await process.write(each.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
