"""The worker's side: what runs in the child process that `WorkerPool` starts."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable

from voicebot.engines.worker.frames import FrameBuffer, Kind, Message

_READ_BYTES = 1 << 16

Handler = Callable[[Message, "Parent"], None]
"""Does one job: takes its START, talks with the parent, and returns when there is nothing more to send but DONE."""


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


def serve(load: Callable[[], Handler]) -> None:
    """Loads the handler, then does jobs until the parent closes the pipe.

    Anything the handler raises ends the process: the traceback goes to stderr, whose last line the parent reports, and
    the pool starts another worker. What `load` can't use (a voice, a file) is one line there, without a traceback.
    """
    # Ctrl-C reaches the whole process group; it is for the parent to close its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The pipe is moved off descriptor 1, so that nothing a library prints can get between the messages.
    parent = Parent(os.dup(0), os.dup(1))
    os.dup2(2, 1)
    try:
        handle = load()
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit(str(error))
    parent.send(Message(Kind.READY))
    while (message := parent.receive()) is not None:
        # Between jobs there can be late input of a job that was cancelled: it is of no use to the next.
        if message.kind is Kind.START:
            handle(message, parent)
            parent.send(Message(Kind.DONE))
