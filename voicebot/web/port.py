"""The port that the server listens on."""

from __future__ import annotations

import socket

DEFAULT_PORT = 7860

PORTS_TRIED = 100
"""Without a port of its own the server takes the first free one from the default upwards, as Gradio does."""


def bind(host: str, port: int | None) -> socket.socket:
    """A listening socket: on `port`, or on the first free one from the default upwards. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ports = range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED) if port is None else (port,)
    refused: OSError | None = None
    for each in ports:
        # Named, or asyncio would not set TCP_NODELAY: a second small message would wait 40 ms for the first one's ACK.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. asyncio sets it only on sockets made with IPPROTO_TCP; without it each answer's second
        # packet, and each websocket message, waits up to 40 ms for the client to acknowledge the one before.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listener.bind((host, each))
            listener.listen()
        except OSError as error:
            listener.close()
            refused = error
        else:
            return listener
    raise OSError(f"can't listen on {host}, port {ports[0]}: {refused}")
