"""uvicorn's WebSocket protocol, without the error that it logs for every handshake the app refuses."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from voicebot.http_server import HeldWebSocket


class WebSocketServerProtocol(HeldWebSocket, WebSocketsSansIOProtocol):
    """Marks the handshake as complete once an HTTP response has refused it.

    uvicorn forgets that, so it takes every refusal for an app that gave no answer, and logs "ASGI callable returned
    without completing handshake" as an ERROR (Kludex/uvicorn#3138). An app that really gives no answer is still logged.
    """

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True
