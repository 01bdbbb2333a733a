"""Opens the port that the server listens on."""

from __future__ import annotations

import socket

DEFAULT_PORT = 7860

PORTS_TRIED = 100
"""The number of ports, from the default upwards, that are tried if the settings name none, as Gradio does."""


def address_of(listener: socket.socket) -> str:
    """Returns the address at which a browser on this machine reaches the server."""
    host, port = listener.getsockname()[:2]
    name = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def bind(host: str, port: int | None) -> socket.socket:
    """Returns a socket that listens on `port`, or on the first free one from the default upwards. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ports = range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED) if port is None else (port,)
    refused: OSError | None = None
    for each in ports:
        # asyncio sets TCP_NODELAY only on sockets that name IPPROTO_TCP. Without it, each answer's second packet and
        # each websocket message waits up to 40 ms for the client to acknowledge the one before.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit the option.
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
