"""What a supervisor and its worker tell each other, over a pipe."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection
from typing import TypeAlias


class WorkerState(StrEnum):
    """What a worker does."""

    STARTING = "starting"
    """It loads its packages and engines."""
    SERVING = "serving"
    ENDING = "ending"
    """It takes no new sessions, and its process ends by itself."""


class Order(StrEnum):
    """How a process shall end."""

    DRAIN = "drain"
    """Its clients go on elsewhere. A worker then stays until its recordings are too old to be fetched."""
    STOP = "stop"
    """Its clients go on elsewhere, and the process ends."""
    END = "end"
    """Its sessions end, and the process ends."""
    HURRY = "hurry"
    """What still waits for clients or tools ends at once. Last words are stored all the same."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks a worker to answer with its state."""


@dataclass(frozen=True, slots=True)
class NewName:
    """Tells a worker a name under which its server can now be reached: the host of a share link."""

    host: str


@dataclass(frozen=True, slots=True)
class StartFailure:
    """Tells the supervisor why the worker cannot start. `text` is for the operator."""

    text: str


FromSupervisor: TypeAlias = Ping | NewName | Order
FromWorker: TypeAlias = WorkerState | StartFailure


class SupervisorLink:
    """A worker's end of the pipe. Pings are answered in the event loop, so that they show that it runs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._state = WorkerState.STARTING
        self._loop: asyncio.AbstractEventLoop | None = None

    def listen(self, obey: Callable[[Order], None], add_name: Callable[[str], None]) -> None:
        """Answers pings, and hands orders and names on, until `close`.

        If the supervisor has died, that counts as the order to stop: nobody would replace this worker.
        """
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._connection.fileno(), self._read, obey, add_name)

    def report(self, state: WorkerState) -> None:
        """Tells the supervisor that this worker has reached a state."""
        self._state = state
        self._send(state)

    def fail(self, text: str) -> None:
        """Tells the supervisor why this worker cannot start."""
        self._send(StartFailure(text))

    def close(self) -> None:
        """Listens no more. Can be called more than once."""
        if self._loop is not None:
            self._loop.remove_reader(self._connection.fileno())
            self._loop = None

    def _read(self, obey: Callable[[Order], None], add_name: Callable[[str], None]) -> None:
        try:
            message: FromSupervisor = self._connection.recv()
        except (EOFError, OSError):
            self.close()
            obey(Order.STOP)
            return
        match message:
            case Ping():
                self._send(self._state)
            case NewName():
                add_name(message.host)
            case Order():
                obey(message)

    def _send(self, message: FromWorker) -> None:
        with contextlib.suppress(OSError):  # the supervisor has died, which `_read` notices
            self._connection.send(message)
