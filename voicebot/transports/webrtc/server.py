"""All WebRTC connections: takes offers from the page and from programs alike, and cleans up after each."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from aiortc import RTCConfiguration, RTCDataChannel, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastrtc.utils import Context
from pydantic import BaseModel, Field, ValidationError

from voicebot.access.admission import RefusedError, Ticket
from voicebot.access.refusal import Reason
from voicebot.runtime import limits
from voicebot.session.services import AppServices
from voicebot.storage.conversation import StoredConversation
from voicebot.storage.conversations import ID_PATTERN
from voicebot.transports.webrtc import aiortc_limits, aiortc_tuning
from voicebot.transports.webrtc.connection import VoiceTrack, WebRtcConnection
from voicebot.transports.webrtc.ice.servers import IceServers
from voicebot.transports.webrtc.offer import CheckedOffer, SdpError, checked
from voicebot.transports.webrtc.peer_closing import close_peer

logger = logging.getLogger(__name__)

GOODBYE_S = 0.1
"""Between the message that says why and the end of the connection, so that the message arrives."""

BUSY_S = 5.0
"""When a client may try again that was pushed out while it was connecting."""


class OfferError(RefusedError):
    """An offer that can't be used."""


class Offer(BaseModel):
    """What a client sends to `POST /webrtc/offer`, in FastRTC's form."""

    sdp: str = Field(min_length=1, max_length=limits.OFFER_BYTES)
    type: Literal["offer"]
    webrtc_id: str = Field(min_length=1, max_length=200)
    conversation: str | None = Field(default=None, pattern=ID_PATTERN)
    """The one to go on with; FastRTC knows nothing of it."""


async def offer_of(request: Request) -> Offer:
    """The offer in a request's body. Raises RefusedError or RequestValidationError."""
    body = await request.body()
    if len(body) > limits.OFFER_BYTES:
        message = f"the offer has {len(body)} bytes; {limits.OFFER_BYTES} are allowed"
        raise OfferError(413, Reason.BODY, message)
    try:
        return Offer.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in problems]) from None


@dataclass(eq=False, slots=True)
class Peer:
    """One client, from its offer until its peer connection is closed."""

    webrtc_id: str
    """What the client calls the connection."""
    ticket: Ticket
    connection: WebRtcConnection
    rtc: RTCPeerConnection
    connected: asyncio.Future[bool]
    """Done when the client has connected: whether there was a place for its session."""
    negotiation: asyncio.Task[dict[str, str]] | None = None
    """It is never cancelled, and the connection is closed only after it has ended: aioice would forget the sockets that
    it is just opening, and leave them open."""
    carrying: asyncio.Task[None] | None = None
    """Carries on the session, from when the offer is answered."""
    closing: asyncio.Task[None] | None = None


class WebRtcServer:
    """All WebRTC connections of this process: takes offers, and sees that nothing of a closed one stays behind.

    FastRTC's own way of answering an offer would send each message of the client's back, take any number of data
    channels, and wait 30 s for each client.
    """

    def __init__(self, services: AppServices) -> None:
        self._services = services
        self.ice = IceServers(services.settings)
        self.peers: set[Peer] = set()
        """All that are not closed, with those that are still connecting."""
        self._costly = asyncio.Lock()
        """Held by whoever makes or closes a connection next: see `_wait_to_compute`."""

    async def page_configuration(self) -> dict[str, Any]:
        """For a visitor who is about to connect, in FastRTC's form. It is asked for anew each time, as credentials
        expire."""
        return {"iceServers": [server.as_json() for server in await self.ice.for_page()]}

    async def answer(self, offer: Offer, address: str) -> dict[str, str]:
        """The answer to an offer of a client at `address`, as FastRTC gives it. Raises RefusedError."""
        ticket = self._services.admission.ask(address, self._services.sessions.place_of(offer.conversation))
        for peer in tuple(self.peers):
            if peer.ticket.lost:  # the new ticket has pushed it out
                self._end(peer)
        try:
            return await self._connect(offer, address, ticket)
        except BaseException:
            ticket.leave()
            raise

    async def _connect(self, offer: Offer, address: str, ticket: Ticket) -> dict[str, str]:
        await self._services.must_be_able_to_answer()
        try:
            checked_offer = checked(offer.sdp, address)
        except SdpError as error:
            raise _refused(str(error)) from None
        servers = [RTCIceServer(**server.as_json()) for server in await self.ice.for_server()]
        conversation = await self._services.conversations.open(offer.conversation)
        try:
            await self._wait_to_compute()
            return await self._handle(offer.webrtc_id, checked_offer, ticket, conversation, RTCConfiguration(servers))
        except BaseException:
            conversation.end()
            raise

    async def _handle(
        self,
        webrtc_id: str,
        offer: CheckedOffer,
        ticket: Ticket,
        conversation: StoredConversation,
        configuration: RTCConfiguration,
    ) -> dict[str, str]:
        # Nothing is awaited until the client's name is taken
        if any(peer.webrtc_id == webrtc_id for peer in self.peers):
            raise OfferError(409, Reason.REQUEST, "webrtc_id: there is a connection of this name already")
        connection = WebRtcConnection(self._services, ticket, conversation, offer.max_message_bytes)
        connected = asyncio.get_running_loop().create_future()
        peer = Peer(webrtc_id, ticket, connection, RTCPeerConnection(configuration), connected)
        self.peers.add(peer)
        peer.negotiation = asyncio.create_task(self._negotiate(peer, offer.sdp), name="negotiation")
        try:
            answer = await asyncio.shield(peer.negotiation)
        except Exception as error:  # the transport edge: aiortc says "bad SDP" in many ways
            await self._close(peer)
            logger.debug("why the offer was refused", exc_info=True)
            understood = isinstance(error, SdpError)
            raise _refused(str(error) if understood else f"it can't be understood ({type(error).__name__})") from None
        except BaseException:
            self._end(peer)
            raise
        if ticket.lost or peer.closing is not None:
            self._end(peer)
            message = "Too many others are connecting at the same time. Please try again in a moment."
            raise OfferError(503, Reason.FULL, message, BUSY_S)
        peer.carrying = asyncio.create_task(self._carry(peer), name="session over WebRTC")
        return answer

    async def _negotiate(self, peer: Peer, sdp: str) -> dict[str, str]:
        """The answer to the offer."""
        rtc = peer.rtc
        rtc.on("connectionstatechange", partial(self._connection_changed, peer))
        rtc.on("track", partial(self._track_came, peer))
        rtc.on("datachannel", partial(self._channel_opened, peer))
        await rtc.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
        if peer.connection.track is None:
            raise SdpError("no audio track")
        await rtc.setLocalDescription(await rtc.createAnswer())
        if aiortc_tuning.apply():  # nothing has been awaited since the sockets were opened
            aiortc_limits.guard(rtc, self._services.settings.messages_per_s, peer.connection)
        return {"sdp": rtc.localDescription.sdp, "type": rtc.localDescription.type}

    def _connection_changed(self, peer: Peer) -> None:
        if peer.rtc.connectionState in ("failed", "closed"):
            self._end(peer)

    def _track_came(self, peer: Peer, track: MediaStreamTrack) -> None:
        if track.kind != "audio":
            raise SdpError("no other media than sound can be sent")
        context = Context(webrtc_id=peer.webrtc_id)
        peer.connection.track = VoiceTrack(track, event_handler=peer.connection, context=context)
        peer.rtc.addTrack(peer.connection.track)

    def _channel_opened(self, peer: Peer, channel: RTCDataChannel) -> None:
        """The client has connected: its session begins, if there is a place for it. Further channels are not read."""
        if peer.connected.done() or peer.closing is not None:
            return
        peer.connection.set_channel(channel)
        try:
            peer.ticket.begin()
        except RefusedError as refused:
            self._services.telemetry.metrics.count_refusal(refused.reason)
            peer.connection.refuse(refused)
            peer.connected.set_result(False)
        else:
            peer.connected.set_result(True)

    async def _carry(self, peer: Peer) -> None:
        """Wait for the client to connect, then carry on its session until that ends; or until it is to end before."""
        session, delay_s = peer.connection.session, 0.0
        try:
            either: set[asyncio.Future[Any]] = {peer.connected, session.ending}
            await asyncio.wait(either, timeout=limits.CONNECTING_S, return_when=asyncio.FIRST_COMPLETED)
            if peer.connected.done():
                delay_s = GOODBYE_S
                if peer.connected.result():
                    await peer.connection.run()
        except Exception:  # the transport edge: whatever went wrong ends this connection alone
            logger.exception("a session over WebRTC failed")
        finally:
            session.conversation.end()
            self._end(peer, delay_s)

    def _end(self, peer: Peer, delay_s: float = 0.0) -> None:
        """Close a connection in the background, unless that is being done already."""
        if peer in self.peers and peer.closing is None:
            peer.closing = asyncio.create_task(self._close(peer, delay_s), name="close a connection")

    async def _close(self, peer: Peer, delay_s: float = 0.0) -> None:
        """Close a connection. Whatever becomes of that, its place is free and its session over."""
        try:
            await asyncio.sleep(delay_s)
            if peer.negotiation is not None:
                await asyncio.wait({peer.negotiation}, timeout=limits.PEER_CLOSING_S)
            await self._wait_to_compute()
            await close_peer(peer.rtc, limits.PEER_CLOSING_S)
        except Exception:  # the transport edge: aiortc may raise anything, and others wait for this place
            logger.exception("a connection could not be closed")
        finally:
            self._clean_up(peer)

    def _clean_up(self, peer: Peer) -> None:
        """Forget a connection that is closed, and end what it was for."""
        self.peers.discard(peer)
        peer.connection.shutdown()
        if peer.carrying is None:
            peer.connection.session.conversation.end()
        peer.ticket.leave()

    async def _wait_to_compute(self) -> None:
        """Waits before a connection is made or closed, which takes 3 to 5 ms of computing.

        Others get as much time in between: sixty offers at once held everybody else up for 240 ms.
        """
        async with self._costly:
            await asyncio.sleep(limits.CONNECTION_PACE_S)

    async def close(self) -> None:
        """Close all connections. The sessions over them must have been ended."""
        for peer in tuple(self.peers):
            self._end(peer)
        if closing := [peer.closing for peer in self.peers if peer.closing is not None]:
            await asyncio.wait(closing)


def _refused(why: str) -> OfferError:
    """An offer that makes no sense. One line in the log: strangers decide how often it comes."""
    logger.info("an offer was refused: %s", why)
    return OfferError(400, Reason.REQUEST, f"sdp: {why}")
