"""Unit tests compute and nothing else: they open no socket, start no process, and wait on a clock of their own."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

real_monotonic = time.monotonic


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """While all tasks of an event loop wait, its time goes on to what comes next, at once (looptime)."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.looptime(start=real_monotonic))


@pytest.fixture(autouse=True)
def one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """`time.monotonic` tells the time of the running event loop."""

    def monotonic() -> float:
        try:
            loop: Any = asyncio.get_running_loop()
        except RuntimeError:
            return real_monotonic()
        return float(loop.time()) if getattr(loop, "looptime_on", False) else real_monotonic()

    monkeypatch.setattr(time, "monotonic", monotonic)


@pytest.fixture(autouse=True)
def nothing_but_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_socket(self: socket.socket, address: Any) -> None:
        pytest.fail(f"a unit test wanted a socket: {address}")

    def no_process(*arguments: Any, **options: Any) -> None:
        pytest.fail(f"a unit test wanted a process: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", no_socket)
    monkeypatch.setattr(socket.socket, "bind", no_socket)
    monkeypatch.setattr(subprocess.Popen, "__init__", no_process)
