"""The worker's side: the code that runs in the child process that `WorkerPool` starts."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from voicebot.engines.worker.messages import DONE, HEAD, Value, WorkerMessage

_PR_SET_PDEATHSIG = 1
"""From Linux's sys/prctl.h."""

_NICENESS = 10
"""The niceness of a confined worker. The server and the other workers have priority."""

_OPEN_FILES = 32
"""The limit on open files of a confined worker. Python and its pipes need a few."""


class Parent:
    """The server's process, seen from its worker. Only one thread may use it."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._input = os.fdopen(read_fd, "rb")
        self._output = os.fdopen(write_fd, "wb")

    def send(self, fields: dict[str, Value], body: bytes = b"") -> None:
        """Sends a message, and waits while the pipe is full. Raises BrokenPipeError if the server is gone."""
        message = WorkerMessage(fields, body)
        self._output.write(message.encoded_head())
        self._output.write(message.body)
        self._output.flush()

    def receive(self) -> WorkerMessage | None:
        """Waits for the next message. Returns None if the server has closed the pipe or died."""
        head = self._input.read(HEAD.size)
        if len(head) < HEAD.size:
            return None
        fields_size, body_size = HEAD.unpack(head)
        data = self._input.read(fields_size + body_size)
        return WorkerMessage.decoded(data, fields_size) if len(data) == fields_size + body_size else None


class JobHandler(Protocol):
    """Does the jobs of a worker, one after the other."""

    def __init__(self) -> None:
        """Loads what the jobs need. Raises OSError, RuntimeError or ValueError if a voice or file is unusable."""

    def handle(self, request: WorkerMessage, parent: Parent) -> None:
        """Does one job and sends all answers to the parent. `serve` adds the message that the job is done."""
        ...


def serve(handler_class: type[JobHandler], *, memory_bytes: int | None = None) -> None:
    """Creates a handler of this class, then does jobs until the server closes the pipe.

    Any exception of the handler ends the process. The server logs the traceback from stderr, reports its last line, and
    starts another worker. If the handler cannot be created, stderr gets one line without a traceback.

    With `memory_bytes` the worker is confined, for data from strangers: once loaded it may allocate only that much more
    memory, has a low priority, and may write no files.
    """
    # Ctrl-C reaches the whole process group, but it is the server that closes its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold what people said
    # The pipe moves away from descriptor 1, so that what a library prints does not get between the messages.
    parent = Parent(os.dup(0), os.dup(1))
    os.dup2(2, 1)
    try:
        handler = handler_class()
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit(str(error))
    if memory_bytes is not None:
        _confine(memory_bytes)
    parent.send({DONE: 1})
    while (request := parent.receive()) is not None:
        handler.handle(request, parent)
        parent.send({DONE: 1})


@contextlib.contextmanager
def limited_processor_time(limit_s: float) -> Iterator[None]:
    """Ends the process with SIGPROF if the block takes more processor time. Nothing milder stops C code."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _die_with_parent() -> None:
    """Has Linux kill this process when its parent dies. The end of stdin would not end a process that is stopped."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _confine(memory_bytes: int) -> None:
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    if sys.platform == "linux":  # macOS ignores this limit
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
