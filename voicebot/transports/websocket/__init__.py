"""The WebSocket transport: sessions over the JSON protocol of `docs/websocket.md`, one for each connection."""

from voicebot.transports.websocket.endpoint import add_websocket

__all__ = ["add_websocket"]
