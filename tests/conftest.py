"""For all tests: nothing reaches the outside network, and no setting of this machine reaches the tests."""

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


def pytest_collection_finish() -> None:
    """All that was loaded is out of the garbage collector's rounds, as in the server: they took a fifth of the time.

    Nor is there an event loop yet: pytest-asyncio would make one to have one to return to, and leave it open, at which
    a later test fails.
    """
    asyncio.set_event_loop(None)
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def no_outside_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anything but this machine fails the test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = address[0]
            assert host == "localhost" or ipaddress.ip_address(host).is_loopback, f"a test wanted to reach {host}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def no_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own .env does not count."""
    monkeypatch.setitem(Settings.model_config, "env_file", None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running Postgres. Skips where it is absent, unless the suite must be whole (REQUIRE_POSTGRES=1)."""
    with running_postgres() as server:
        yield server
