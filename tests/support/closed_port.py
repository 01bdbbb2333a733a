"""An address at which nothing answers."""

from __future__ import annotations

import socket


def closed_port() -> int:
    """Returns a port of this machine on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
