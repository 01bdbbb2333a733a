"""All WebRTC connections: takes offers from the page and from programs alike, and cleans up after each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from fastrtc.webrtc_connection_mixin import WebRTCConnectionMixin
from pydantic import BaseModel, Field

from voicebot.config import Settings
from voicebot.core.state import State
from voicebot.engines.base import Engines
from voicebot.transports.webrtc import VoiceHandler

logger = logging.getLogger(__name__)

GOODBYE_S = 0.1
"""Between the message that says why and the end of the connection, so that the message arrives."""


class OfferError(Exception):
    """An offer is refused: an HTTP status, and a text for the user."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Offer(BaseModel):
    """What a client sends to `POST /webrtc/offer`, in FastRTC's form."""

    sdp: str = Field(min_length=1, max_length=100_000)
    type: Literal["offer"]
    webrtc_id: str = Field(min_length=1, max_length=200)


class Connections(WebRTCConnectionMixin):
    """All WebRTC connections of this process: takes offers, and sees that nothing of a closed one stays behind."""

    def __init__(self, engines: Engines, settings: Settings, view: Callable[[State], dict[str, Any]]) -> None:
        super().__init__()
        self.mode = "send-receive"
        self.modality = "audio"
        self.concurrency_limit = settings.max_sessions
        self.time_limit = None
        self.allow_extra_tracks = False
        self.rtc_configuration = {"iceServers": settings.ice_servers}
        self.server_rtc_configuration = self.convert_to_aiortc_format(self.rtc_configuration)
        self.event_handler = VoiceHandler(engines, settings, view, self._leave)
        self._closing: dict[str, asyncio.Task[None]] = {}

    @property
    def sessions(self) -> list[VoiceHandler]:
        return list(self.handlers.values())

    async def answer(self, offer: Offer) -> Any:
        """The answer to an offer, as FastRTC gives it. Raises OfferError for one that can't be used."""
        if len(self.pcs) >= self.concurrency_limit:
            raise OfferError(503, f"All {self.concurrency_limit} places are taken. Please try again in a few minutes.")
        if offer.webrtc_id in self.pcs:
            raise OfferError(409, "webrtc_id: there is a connection of this name already")
        if "m=audio" not in offer.sdp or "m=application" not in offer.sdp:
            raise OfferError(400, "sdp: an audio track and a data channel must be offered")
        try:
            answer = await self.handle_offer(offer.model_dump(), self.set_additional_outputs(offer.webrtc_id))
        except Exception as error:  # the transport edge: aiortc says "bad SDP" in many ways
            logger.info("an offer was refused", exc_info=True)
            await self._close(offer.webrtc_id)
            raise OfferError(400, f"sdp: it can't be understood ({type(error).__name__})") from None
        if offer.webrtc_id not in self.connections:
            await self._close(offer.webrtc_id)
            raise OfferError(400, "sdp: the audio must be sent (sendrecv), even if it is silence")
        return answer

    def clean_up(self, webrtc_id: str) -> Any:
        """FastRTC calls this when a connection is closed, but forgets its handler when ICE failed first."""
        handler = self.handlers.get(webrtc_id)
        connections = super().clean_up(webrtc_id)
        if handler is not None:
            handler.shutdown()
        return connections

    def _leave(self, handler: VoiceHandler, reason: str) -> None:
        """Close a handler's connection, telling its client why."""
        for webrtc_id, known in self.handlers.items():
            if known is handler and webrtc_id not in self._closing:
                handler.say_goodbye(reason)
                task = asyncio.create_task(self._close(webrtc_id, GOODBYE_S), name=f"close {webrtc_id}")
                self._closing[webrtc_id] = task
                task.add_done_callback(partial(self._closed, webrtc_id))

    def _closed(self, webrtc_id: str, _: asyncio.Task[None]) -> None:
        del self._closing[webrtc_id]

    async def _close(self, webrtc_id: str, delay_s: float = 0.0) -> None:
        await asyncio.sleep(delay_s)
        peer = self.pcs.get(webrtc_id)
        if peer is not None:
            await peer.close()
        self.clean_up(webrtc_id)

    async def close(self) -> None:
        """Close all connections, and wait until they are."""
        for handler in self.sessions:
            self._leave(handler, "The server is shutting down.")
        await asyncio.gather(*self._closing.values(), *(peer.close() for peer in list(self.pcs.values())))
