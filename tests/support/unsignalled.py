"""Web servers in a test's own process. Several may run side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from voicebot.web.http_server import BoundedServer


class Unsignalled(uvicorn.Server):
    """A server that does not handle signals. Servers that end in another order than they began would mix them up."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class UnsignalledBounded(Unsignalled, BoundedServer):
    """Our HTTP server, for any app."""
