"""Unit tests compute and nothing else: they open no socket, start no process, and wait on a clock of their own."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Callable
from typing import Any

import looptime
import pytest
from hypothesis import HealthCheck, settings

TICK_S = 1e-9

# These tests run on what others leave of the processor: however long an example takes says nothing.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


class TickingLoop(looptime.LoopTimeEventLoop, asyncio.SelectorEventLoop):
    """When all its tasks wait, its clock goes on to what comes next, at once.

    It also goes on a little whenever somebody looks at it: code that waits until a time has come, and was woken by a
    rounding error before it, would otherwise wait for ever.
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
        pytest.fail(f"a unit test wanted a process: {arguments}")


@pytest.fixture(autouse=True)
def nothing_but_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_socket(self: socket.socket, address: Any) -> None:
        self.close()
        pytest.fail(f"a unit test wanted a socket: {address}")

    monkeypatch.setattr(socket.socket, "connect", no_socket)
    monkeypatch.setattr(socket.socket, "bind", no_socket)
    monkeypatch.setattr(subprocess, "Popen", _NoProcess)
