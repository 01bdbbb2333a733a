"""Fixtures and set-up for all tests: no test reaches the outside network or reads this machine's settings."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tests.support.loop_clock  # noqa: F401 (it sets the clock)
from tests.support.postgres import Postgres, running_postgres
from voicebot.settings.config import SETTINGS, Settings

for name in SETTINGS:
    os.environ.pop(name.upper(), None)
os.environ["NO_PROXY"] = "127.0.0.1,localhost"


gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lets long tests begin first, so that none of them is the last one, for which all processes wait."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """Excludes all that is loaded by now from garbage collection, as the server does. It took a fifth of the time.

    Also removes the event loop that is set. pytest-asyncio would otherwise create one to return to and leave it open,
    and a later test would fail because of that.
    """
    asyncio.set_event_loop(None)
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def no_outside_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails a test that connects to another machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = address[0]
            assert host == "localhost" or ipaddress.ip_address(host).is_loopback, f"a test tried to connect to {host}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def no_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps a developer's own .env file out of the tests."""
    monkeypatch.setitem(Settings.model_config, "env_file", None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running Postgres. Skips the test where Postgres is not installed, or fails it if REQUIRE_POSTGRES=1."""
    with running_postgres() as server:
        yield server
