"""Fixtures for unit tests, which only compute: no socket, no process, and time passes on a simulated clock."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import looptime
import pytest
import urllib3.util.connection  # noqa: F401 - it binds a socket when it is loaded, which a test must not do
from hypothesis import HealthCheck, settings

from voicebot.runtime.threads import DaemonThreads

TICK_S = 1e-9

# These tests run on the processor time that others leave, so that the time of an example says nothing.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


class TickingLoop(looptime.LoopTimeEventLoop, asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next event as soon as all tasks wait.

    Each reading of the clock also advances it a little. Otherwise code that waits for a point in time, and was woken
    just before it by a rounding error, would wait for ever.
    """

    _looks = 0

    def time(self) -> float:
        self._looks += 1
        return super().time() + self._looks * TICK_S


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"own clock": lambda: TickingLoop(resolution=TICK_S)}


@pytest.fixture(autouse=True)
def clock_waits_for_tools_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the simulated clock run no faster than the real one while a tool works in a thread.

    The clock knows only of threads that `run_in_executor` starts. It would jump to the next time limit meanwhile.
    """
    run = DaemonThreads.run

    async def watched(self: DaemonThreads, name: str, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        ended = threading.Event()

        def job(*args: Any, **kwargs: Any) -> Any:
            try:
                return work(*args, **kwargs)
            finally:
                ended.set()

        asyncio.get_running_loop().run_in_executor(None, ended.wait)
        return await run(self, name, job, *args, **kwargs)

    monkeypatch.setattr(DaemonThreads, "run", watched)


class _NoProcess(subprocess.Popen[Any]):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.returncode = 0
        pytest.fail(f"a unit test tried to start a process: {arguments}")


@pytest.fixture(autouse=True)
def nothing_but_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_socket(self: socket.socket, address: Any) -> None:
        self.close()
        pytest.fail(f"a unit test tried to use a socket: {address}")

    monkeypatch.setattr(socket.socket, "connect", no_socket)
    monkeypatch.setattr(socket.socket, "bind", no_socket)
    monkeypatch.setattr(subprocess, "Popen", _NoProcess)
