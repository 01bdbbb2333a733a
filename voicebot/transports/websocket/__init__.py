"""The WebSocket transport: one session for each connection, over the protocol of `docs/protocols/websocket.md`."""

from voicebot.transports.websocket.endpoint import add_websocket

__all__ = ["add_websocket"]
