"""Web servers in a test's own process, of which several may run side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from voicebot.web import server
from voicebot.web.http_server import BoundedServer


class Unsignalled(uvicorn.Server):
    """Leaves the signals of the process to others: servers that end in another order than they began mix them up."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class UnsignalledBounded(Unsignalled, BoundedServer):
    """Ours, for any app."""


class UnsignalledVoicebot(Unsignalled, server.Server):
    """Ours, for our app."""
