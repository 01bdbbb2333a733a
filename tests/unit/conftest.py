"""Fixtures for unit tests, which only compute: no socket, no process, and time passes on a simulated clock."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Callable
from typing import Any

import looptime
import pytest
import urllib3.util.connection  # noqa: F401 - it binds a socket when it is loaded, which a test must not do
from hypothesis import HealthCheck, settings

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
