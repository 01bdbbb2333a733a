"""The WebSocket door: the JSON protocol of `docs/websocket.md` over an orchestrator of its own for each connection."""

from voicebot.transports.websocket.endpoint import add_websocket

__all__ = ["add_websocket"]
