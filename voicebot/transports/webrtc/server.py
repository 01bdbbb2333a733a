"""All WebRTC connections: answers the offers of the page and of programs, and cleans up after each connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

from aiortc import RTCConfiguration, RTCDataChannel, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError

from voicebot.access.admission import RefusedError, SessionSlot
from voicebot.access.refusal import Reason
from voicebot.runtime import limits
from voicebot.session.services import AppServices
from voicebot.storage.conversation import StoredConversation
from voicebot.storage.conversations import ID_PATTERN
from voicebot.transports.webrtc import aiortc_tuning
from voicebot.transports.webrtc.aiortc_tuning import peer_limits
from voicebot.transports.webrtc.aiortc_tuning.peer_closing import close_peer
from voicebot.transports.webrtc.connection import VoiceTrack, WebRtcConnection
from voicebot.transports.webrtc.ice.servers import IceServers
from voicebot.transports.webrtc.offer import CheckedOffer, SdpError, check_offer

logger = logging.getLogger(__name__)

GOODBYE_S = 0.1
"""The pause between the last message and the end of a connection, so that the message arrives."""

BUSY_S = 5.0
"""A client that was displaced while it was connecting may try again after this time."""

IsWanted: TypeAlias = Callable[[], Awaitable[bool]]
"""Returns whether whoever has sent an offer still waits for its answer."""


class OfferError(RefusedError):
    """An offer that is refused."""


class Offer(BaseModel):
    """The body of `POST /webrtc/offer`, in FastRTC's form."""

    sdp: str = Field(min_length=1, max_length=limits.OFFER_BYTES)
    type: Literal["offer"]
    webrtc_id: str = Field(min_length=1, max_length=200)
    conversation: str | None = Field(default=None, pattern=ID_PATTERN)
    """The conversation to continue. FastRTC's own offers have no such field."""


async def offer_of(request: Request) -> Offer:
    """Returns the offer in a request's body. Raises RefusedError or RequestValidationError."""
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
    """The client's name for the connection."""
    slot: SessionSlot
    connection: WebRtcConnection
    rtc: RTCPeerConnection
    connected: asyncio.Future[bool]
    """Set once the client has connected: True if there was a place for its session."""
    negotiation: asyncio.Task[dict[str, str]] | None = None
    """It is never cancelled, and the connection is closed only after it has ended. Otherwise aioice would lose the
    sockets that it is just opening, and leave them open."""
    running: asyncio.Task[None] | None = None
    """Runs the session once the offer is answered."""
    closing: asyncio.Task[None] | None = None


class WebRtcServer:
    """All WebRTC connections of this process.

    FastRTC's own way of answering an offer is not used: it sends each message back to its client, accepts any number of
    data channels, and waits 30 s for each client.
    """

    def __init__(self, services: AppServices) -> None:
        self._services = services
        self.ice = IceServers(services.settings)
        self.peers: set[Peer] = set()
        """All connections that are not closed, including those that are still connecting."""
        self._costly = asyncio.Lock()
        """Serialises what takes long to compute: see `_wait_to_compute`."""

    async def page_configuration(self) -> dict[str, Any]:
        """Returns the ICE servers for a visitor who is about to connect, in FastRTC's form."""
        return {"iceServers": [server.as_json() for server in await self.ice.for_page()]}

    async def answer(self, offer: Offer, address: str, is_wanted: IsWanted | None = None) -> dict[str, str]:
        """Returns the answer to an offer of a client at `address`, in FastRTC's form. Raises RefusedError.

        A conversation is taken over only if the answer `is_wanted` by then.
        """
        replaced = self._services.sessions.place_of(offer.conversation)
        slot = await self._services.admission.add_pending(address, replaced, offer.conversation)
        for peer in tuple(self.peers):
            if peer.slot.displaced:  # the new slot has displaced it
                self._end(peer)
        try:
            return await self._connect(offer, address, slot, is_wanted)
        except BaseException:
            slot.release()
            raise

    async def _connect(
        self, offer: Offer, address: str, slot: SessionSlot, is_wanted: IsWanted | None
    ) -> dict[str, str]:
        await self._services.must_be_able_to_answer()
        try:
            checked_offer = check_offer(offer.sdp, address)
        except SdpError as error:
            raise _refused(str(error)) from None
        servers = [RTCIceServer(**server.as_json()) for server in await self.ice.for_server()]
        if is_wanted is not None and not await is_wanted():
            raise OfferError(503, Reason.MOVING, "Nobody waits for the answer any more.")
        conversation = await self._services.conversations.open(offer.conversation, slot.place)
        try:
            await self._wait_to_compute()
            return await self._handle(offer.webrtc_id, checked_offer, slot, conversation, RTCConfiguration(servers))
        except BaseException:
            conversation.end()
            raise

    async def _handle(
        self,
        webrtc_id: str,
        offer: CheckedOffer,
        slot: SessionSlot,
        conversation: StoredConversation,
        configuration: RTCConfiguration,
    ) -> dict[str, str]:
        # Nothing is awaited before the peer is registered under the client's name.
        if any(peer.webrtc_id == webrtc_id for peer in self.peers):
            raise OfferError(409, Reason.REQUEST, "webrtc_id: there is a connection of this name already")
        connection = WebRtcConnection(self._services, slot, conversation, offer.max_message_bytes)
        connected = asyncio.get_running_loop().create_future()
        peer = Peer(webrtc_id, slot, connection, RTCPeerConnection(configuration), connected)
        self.peers.add(peer)
        peer.negotiation = asyncio.create_task(self._negotiate(peer, offer.sdp), name="negotiation")
        try:
            answer = await asyncio.shield(peer.negotiation)
        except Exception as error:  # the transport boundary: aiortc raises many errors for bad SDP
            await self._close(peer)
            logger.debug("why the offer was refused", exc_info=True)
            understood = isinstance(error, SdpError)
            raise _refused(str(error) if understood else f"it can't be understood ({type(error).__name__})") from None
        except BaseException:
            self._end(peer)
            raise
        if (ending := self._services.sessions.closing) is not None:
            self._end(peer)
            raise OfferError(503, Reason.MOVING, ending.reason)
        if slot.displaced or peer.closing is not None:
            self._end(peer)
            message = "Too many others are connecting at the same time. Please try again in a moment."
            raise OfferError(503, Reason.FULL, message, BUSY_S)
        peer.running = asyncio.create_task(self._run_session(peer), name="session over WebRTC")
        return answer

    async def _negotiate(self, peer: Peer, sdp: str) -> dict[str, str]:
        """Returns the answer to the offer."""
        rtc = peer.rtc
        rtc.on("connectionstatechange", partial(self._connection_changed, peer))
        rtc.on("track", partial(self._track_came, peer))
        rtc.on("datachannel", partial(self._channel_opened, peer))
        await rtc.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
        if peer.connection.track is None:
            raise SdpError("no audio track")
        await rtc.setLocalDescription(await rtc.createAnswer())
        if aiortc_tuning.apply():  # nothing is awaited between opening the sockets and this
            peer_limits.guard(rtc, self._services.settings.tuning.messages_per_s, peer.connection)
        return {"sdp": rtc.localDescription.sdp, "type": rtc.localDescription.type}

    def _connection_changed(self, peer: Peer) -> None:
        if peer.rtc.connectionState in ("failed", "closed"):
            self._end(peer)

    def _track_came(self, peer: Peer, track: MediaStreamTrack) -> None:
        if track.kind != "audio":
            raise SdpError("no other media than sound can be sent")
        peer.connection.track = VoiceTrack(track, peer.connection, peer.webrtc_id)
        peer.rtc.addTrack(peer.connection.track)

    def _channel_opened(self, peer: Peer, channel: RTCDataChannel) -> None:
        """Lets the session of a client that has connected begin, if there is a place. Further channels are ignored."""
        if peer.connected.done() or peer.closing is not None:
            return
        peer.connection.set_channel(channel)
        try:
            peer.slot.occupy()
        except RefusedError as refused:
            self._refuse(peer, refused)
            peer.connected.set_result(False)
        else:
            peer.connected.set_result(True)

    def _refuse(self, peer: Peer, refused: RefusedError) -> None:
        self._services.telemetry.metrics.count_refusal(refused.reason)
        peer.connection.refuse(refused)

    async def _run_session(self, peer: Peer) -> None:
        """Waits for the client to connect, and runs its session until it ends."""
        session, delay_s = peer.connection.session, 0.0
        try:
            either: set[asyncio.Future[Any]] = {peer.connected, session.closed}
            await asyncio.wait(either, timeout=limits.CONNECTING_S, return_when=asyncio.FIRST_COMPLETED)
            if peer.connected.done():
                delay_s = GOODBYE_S
                if peer.connected.result() and await self._confirm(peer):
                    await peer.connection.run()
        except Exception:  # the transport boundary: an error ends only this connection
            logger.exception("a session over WebRTC failed")
        finally:
            session.conversation.end()
            self._end(peer, delay_s)

    async def _confirm(self, peer: Peer) -> bool:
        """Returns whether there is a place for the session among those of all processes. Otherwise tells the client."""
        try:
            await peer.slot.confirm(peer.connection.session.conversation_id)
        except RefusedError as refused:
            self._refuse(peer, refused)
            return False
        return True

    def _end(self, peer: Peer, delay_s: float = 0.0) -> None:
        """Closes a connection in the background, unless it is being closed already."""
        if peer in self.peers and peer.closing is None:
            peer.closing = asyncio.create_task(self._close(peer, delay_s), name="close a connection")

    async def _close(self, peer: Peer, delay_s: float = 0.0) -> None:
        """Closes a connection. Even if that fails, its slot is released and its session over."""
        try:
            await asyncio.sleep(delay_s)
            if peer.negotiation is not None:
                await asyncio.wait({peer.negotiation}, timeout=limits.PEER_CLOSING_S)
            await self._wait_to_compute()
            await close_peer(peer.rtc, limits.PEER_CLOSING_S)
        except Exception:  # the transport boundary: aiortc may raise anything, and others wait for this slot
            logger.exception("a connection could not be closed")
        finally:
            self._clean_up(peer)

    def _clean_up(self, peer: Peer) -> None:
        """Forgets a connection that is closed, and ends its session."""
        self.peers.discard(peer)
        peer.connection.shutdown()
        if peer.running is None:
            peer.connection.session.conversation.end()
        peer.slot.release()

    async def _wait_to_compute(self) -> None:
        """Waits before a connection is created or closed, which takes 3 to 5 ms of computing.

        So other tasks get as much time in between. Sixty offers at once delayed them by 240 ms.
        """
        async with self._costly:
            await asyncio.sleep(limits.CONNECTION_PACE_S)

    async def close(self) -> None:
        """Closes all connections. Their sessions must have ended."""
        for peer in tuple(self.peers):
            self._end(peer)
        if closing := [peer.closing for peer in self.peers if peer.closing is not None]:
            await asyncio.wait(closing)


def _refused(why: str) -> OfferError:
    """Returns the refusal of an invalid offer, and logs one line, as strangers decide how often that happens."""
    logger.info("an offer was refused: %s", why)
    return OfferError(400, Reason.REQUEST, f"sdp: {why}")
