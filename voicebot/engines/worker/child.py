"""The worker's side: what runs in the child process that `WorkerPool` starts."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from voicebot.engines.worker.frames import FrameBuffer, Kind, Message

_READ_BYTES = 1 << 16

_PR_SET_PDEATHSIG = 1
"""From Linux's sys/prctl.h."""

_NICENESS = 10
"""Of a worker that does strangers' work: the server and the other workers come first."""

_OPEN_FILES = 32
"""Of such a worker: a few for Python and its pipes."""


class Handler(Protocol):
    """Does a worker's jobs, one after the other."""

    def __init__(self) -> None:
        """Loads what the jobs need. A voice or file that it can't use raises OSError, RuntimeError or ValueError."""

    def handle(self, start: Message, parent: Parent) -> None:
        """Does one job: takes its START, talks with the parent, and returns when nothing is left to send but DONE."""
        ...


class Parent:
    """The engine's process, seen from its worker. One thread only."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._buffer = FrameBuffer()
        self._gone = False

    def send(self, message: Message) -> None:
        """Waits while the pipe is full. BrokenPipeError once the parent is gone."""
        data = memoryview(message.encoded())
        while data:
            data = data[os.write(self._write_fd, data) :]

    def receive(self) -> Message | None:
        """The next message; None once the parent has closed the pipe or died."""
        while (message := self._buffer.take()) is None:
            if self._gone:
                return None
            self._read()
        return message

    def poll(self) -> Message | None:
        """The next message if it is there already. A parent that is gone reads as CANCEL, so that jobs stop."""
        while (message := self._buffer.take()) is None:
            if self._gone:
                return Message(Kind.CANCEL)
            if not select.select([self._read_fd], [], [], 0)[0]:
                return None
            self._read()
        return message

    def _read(self) -> None:
        data = os.read(self._read_fd, _READ_BYTES)
        self._gone = not data
        self._buffer.push(data)


def serve(handler_class: type[Handler], *, memory_bytes: int | None = None) -> None:
    """Makes a handler of this class, then does jobs until the parent closes the pipe.

    Anything the handler raises ends the process: the traceback goes to stderr, whose last line the parent reports, and
    the pool starts another worker. What the handler can't load is one line there, without a traceback.

    With `memory_bytes` the worker is confined, as it does what strangers ask for: once loaded it gets so much more
    memory, low priority, and may write no files.
    """
    # Ctrl-C reaches the whole process group; it is for the parent to close its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold what people said
    # The pipe is moved off descriptor 1, so that nothing a library prints can get between the messages.
    parent = Parent(os.dup(0), os.dup(1))
    os.dup2(2, 1)
    try:
        handler = handler_class()
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit(str(error))
    if memory_bytes is not None:
        _confine(memory_bytes)
    parent.send(Message(Kind.READY))
    while (message := parent.receive()) is not None:
        # Between jobs there can be late input of a job that was cancelled: it is of no use to the next.
        if message.kind is Kind.START:
            parent.send(Message(Kind.BEGUN))
            handler.handle(message, parent)
            parent.send(Message(Kind.DONE))


@contextlib.contextmanager
def limited_processor_time(limit_s: float) -> Iterator[None]:
    """Ends the process with SIGPROF if the block takes more processor time: C code can't be stopped in another way."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _die_with_parent() -> None:
    """Has Linux kill this process when its parent dies. The end of stdin does so too, but not while it is stopped."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _confine(memory_bytes: int) -> None:
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    if sys.platform == "linux":  # macOS does not keep to this limit
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
