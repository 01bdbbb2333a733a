"""All WebRTC connections: takes offers from the page and from programs alike, and cleans up after each."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, Protocol

from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastrtc.utils import Context
from fastrtc.webrtc_connection_mixin import WebRTCConnectionMixin
from pydantic import BaseModel, Field, ValidationError

from voicebot import limits
from voicebot.config import Settings
from voicebot.core.state import State
from voicebot.doors.admission import Admission, RefusedError, Ticket
from voicebot.doors.ending import SHUTDOWN, Cause, Ending
from voicebot.doors.refusal import Reason
from voicebot.doors.turns import DailyTurns
from voicebot.engines.base import Engines
from voicebot.engines.preflight import Preflight
from voicebot.options import Options
from voicebot.recording.recorder import Recordings
from voicebot.store.conversation import Conversation
from voicebot.store.conversations import ID_PATTERN, Conversations
from voicebot.telemetry import Telemetry
from voicebot.transports import aiortc_limits, aiortc_tuning
from voicebot.transports.offer import CheckedOffer, SdpError, checked
from voicebot.transports.peer_closing import close_peer
from voicebot.transports.recording_decoder import RecordingDecoder
from voicebot.transports.turn.ice import IceServers
from voicebot.transports.webrtc import VoiceHandler, VoiceTrack
from voicebot.transports.workers import Workers

logger = logging.getLogger(__name__)

GOODBYE_S = 0.1
"""Between the message that says why and the end of the connection, so that the message arrives."""

LAST_WORDS_S = 8.0
"""How long the last words of all sessions may take to be kept when the server ends."""

BUSY_S = 5.0
"""When a client may try again that was pushed out while it was connecting."""


class OfferError(RefusedError):
    """An offer that can't be used."""


class SocketSession(Protocol):
    """A session over `/ws`."""

    @property
    def ticket(self) -> Ticket: ...

    @property
    def conversation_id(self) -> str | None: ...

    @property
    def leaving(self) -> bool: ...

    @property
    def underruns(self) -> int: ...

    @property
    def ended(self) -> asyncio.Event: ...

    def leave(self, ending: Ending) -> None: ...


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


class Connections(WebRTCConnectionMixin):
    """All WebRTC connections of this process: takes offers, and sees that nothing of a closed one stays behind.

    Of FastRTC it uses the handler's base and the track that calls it. FastRTC's own way of answering an offer would
    send each message of the client's back, take any number of data channels, and wait 30 s for each client.
    """

    def __init__(self, engines: Engines, settings: Settings, view: Callable[[State], dict[str, Any]]) -> None:
        super().__init__()
        self.view = view
        self.closing = False
        """The server is shutting down: no session begins any more."""
        self.preflight = Preflight(engines)
        self.admission = Admission(settings)
        self.conversations = Conversations(settings)
        self.turns = DailyTurns(settings.turns_per_day, self.conversations)
        self.recordings = Recordings(settings)
        self.workers = Workers()
        self.ice = IceServers(settings)
        self.telemetry = Telemetry(settings)
        meter = partial(self.telemetry.meter, "webrtc")
        self.options = Options(engines, settings.choices)
        self.event_handler = VoiceHandler(
            *(engines, settings, view, self._leave, meter, self.options, self.recordings, self.turns)
        )
        self._messages_per_s = settings.messages_per_s
        self._clients: dict[str, str] = {}
        """What the client of each connection calls it. Our own names are never used again: what is still under way for
        a connection that failed can't touch the client's next try."""
        self._tickets: dict[str, Ticket] = {}
        self._patience: dict[str, asyncio.TimerHandle] = {}
        """Ends the connections that do not come about in time."""
        self.sockets: set[SocketSession] = set()
        """The sessions over `/ws`."""
        self.decoder = RecordingDecoder(round(settings.ws_max_audio_mb * 1_000_000))
        self.telemetry.metrics.watch(
            {"webrtc": lambda: len(self.sessions), "ws": lambda: len(self.sockets)},
            lambda: self.preflight.health,
            lambda: (self.turns.used, self.turns.limit),
        )
        self.preflight.tell_failures(self.telemetry.metrics.count_failure)
        self._closing: dict[str, asyncio.Task[None]] = {}
        self._negotiations: dict[str, asyncio.Task[dict[str, str]]] = {}
        """Those under way, by the connection. None is ever cancelled, and a connection is closed only after its own has
        ended: aioice would forget the sockets that it is just opening, and leave them open."""
        self._costly = asyncio.Lock()
        """Of whoever makes or closes a connection next: see `_turn`."""

    @property
    def sessions(self) -> list[VoiceHandler]:
        """Those that have begun, without the clients that are still connecting."""
        return [handler for name, handler in self.handlers.items() if name in self.data_channels]

    async def page_configuration(self) -> dict[str, Any]:
        """For a visitor who is about to connect, in FastRTC's form: a callable, as credentials expire."""
        return {"iceServers": [server.as_json() for server in await self.ice.for_page()]}

    async def answer(self, offer: Offer, address: str) -> Any:
        """The answer to an offer of a client at `address`, as FastRTC gives it. Raises RefusedError."""
        ticket = self.admission.ask(address, self.place_of(offer.conversation))
        try:
            return await self._connect(offer, address, ticket)
        except BaseException:
            ticket.leave()
            raise

    def place_of(self, conversation: str | None) -> Ticket | None:
        """The place of the session that is in this conversation, and ends when another one goes on with it.

        One that is ending already for a third one has given its place away.
        """
        if conversation is None:
            return None
        for webrtc_id, handler in self.handlers.items():
            if handler.conversation.id == conversation and webrtc_id not in self._closing:
                return self._tickets.get(webrtc_id)
        here = (each for each in self.sockets if each.conversation_id == conversation and not each.leaving)
        return next((each.ticket for each in here), None)

    async def _connect(self, offer: Offer, address: str, ticket: Ticket) -> dict[str, str]:
        await self.turns.admit()
        if self.preflight.problem is not None:
            await self.preflight.check()
        if (problem := self.preflight.problem) is not None:
            raise OfferError(503, Reason.ENGINES, problem)
        try:
            checked_offer = checked(offer.sdp, address)
        except SdpError as error:
            raise _refused(str(error)) from None
        servers = [server.as_json() for server in await self.ice.for_server()]
        conversation = await self.conversations.open(offer.conversation)
        try:
            await self._turn()
            return await self._handle(offer, checked_offer, ticket, conversation, servers)
        except BaseException:
            conversation.end()
            raise

    async def _handle(
        self,
        offer: Offer,
        checked_offer: CheckedOffer,
        ticket: Ticket,
        conversation: Conversation,
        servers: list[dict[str, Any]],
    ) -> dict[str, str]:
        # Nothing is awaited until the client's name is taken and the event handler's copy made
        if offer.webrtc_id in self._clients.values():
            raise OfferError(409, Reason.REQUEST, "webrtc_id: there is a connection of this name already")
        name = secrets.token_hex(8)
        self.event_handler.conversation = conversation
        handler = self.event_handler.copy()
        handler.ticket, handler.max_message_bytes = ticket, checked_offer.max_message_bytes
        self._clients[name], self._tickets[name], self.handlers[name] = offer.webrtc_id, ticket, handler
        ticket.on_lost = partial(self._end, name)
        configuration = self.convert_to_aiortc_format({"iceServers": servers})
        negotiation = asyncio.create_task(self._negotiate(name, checked_offer.sdp, configuration), name="negotiation")
        self._negotiations[name] = negotiation
        negotiation.add_done_callback(lambda _: self._negotiations.pop(name))
        try:
            answer = await asyncio.shield(negotiation)
        except Exception as error:  # the transport edge: aiortc says "bad SDP" in many ways
            await self._close(name)
            logger.debug("why the offer was refused", exc_info=True)
            understood = isinstance(error, SdpError)
            raise _refused(str(error) if understood else f"it can't be understood ({type(error).__name__})") from None
        except BaseException:
            self._end(name)
            raise
        if ticket.lost or name in self._closing:
            self._end(name)
            message = "Too many others are connecting at the same time. Please try again in a moment."
            raise OfferError(503, Reason.FULL, message, BUSY_S)
        if name not in self.data_channels:
            loop = asyncio.get_running_loop()
            self._patience[name] = loop.call_later(limits.CONNECTING_S, self._end, name)
        return answer

    async def _negotiate(self, name: str, sdp: str, configuration: RTCConfiguration | None) -> dict[str, str]:
        """Make the peer connection and its answer."""
        peer = self.pcs[name] = RTCPeerConnection(configuration)
        peer.on("connectionstatechange", partial(self._connection_changed, name, peer))
        peer.on("track", partial(self._track_came, name, peer))
        peer.on("datachannel", partial(self._channel_opened, name))
        await peer.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
        if name not in self.connections:
            raise SdpError("no audio track")
        await peer.setLocalDescription(await peer.createAnswer())
        if aiortc_tuning.apply():  # nothing has been awaited since the sockets were opened
            aiortc_limits.guard(peer, self._messages_per_s, partial(self._flooded, name))
        return {"sdp": peer.localDescription.sdp, "type": peer.localDescription.type}

    def _connection_changed(self, name: str, peer: RTCPeerConnection) -> None:
        if peer.connectionState in ("failed", "closed"):
            self._end(name)

    def _track_came(self, name: str, peer: RTCPeerConnection, track: MediaStreamTrack) -> None:
        if track.kind != "audio":
            raise SdpError("no other media than sound can be sent")
        callback = VoiceTrack(track, event_handler=self.handlers[name], context=Context(webrtc_id=name))
        self.connections[name].append(callback)
        peer.addTrack(callback)

    def _channel_opened(self, name: str, channel: RTCDataChannel) -> None:
        """The client has connected: its session begins, if there is a place for it. Further channels are not read."""
        handler, ticket = self.handlers.get(name), self._tickets.get(name)
        if handler is None or ticket is None or name in self.data_channels or name in self._closing:
            return
        self.data_channels[name] = channel
        if (patience := self._patience.pop(name, None)) is not None:
            patience.cancel()
        try:
            ticket.begin()
        except RefusedError as refused:
            self.telemetry.metrics.count_refusal(refused.reason)
            handler.refuse(channel, refused)
            self._end(name, GOODBYE_S)
            return
        for callback in self.connections[name]:
            callback.set_channel(channel)

    def _flooded(self, name: str, reason: str) -> None:
        if (handler := self.handlers.get(name)) is not None:
            self._leave(handler, Ending(Cause.FLOOD, reason))

    def clean_up(self, webrtc_id: str) -> Any:
        """Forget a connection that is closed, and end what it was for."""
        handler = self.handlers.get(webrtc_id)
        connections = super().clean_up(webrtc_id)
        if handler is not None:
            handler.shutdown()
        if (patience := self._patience.pop(webrtc_id, None)) is not None:
            patience.cancel()
        if (ticket := self._tickets.pop(webrtc_id, None)) is not None:
            ticket.leave()
        self._clients.pop(webrtc_id, None)
        return connections

    def _leave(self, handler: VoiceHandler, ending: Ending) -> None:
        """Close a handler's connection, telling its client why."""
        for name, known in self.handlers.items():
            if known is handler and name not in self._closing:
                if ending.cause is Cause.ELSEWHERE and name in self._tickets:
                    self._tickets[name].leave()
                handler.say_goodbye(ending)
                self._end(name, GOODBYE_S)

    def _end(self, name: str, delay_s: float = 0.0) -> None:
        """Close a connection in the background, unless that is being done already."""
        if name in self._clients and name not in self._closing:
            task = asyncio.create_task(self._close(name, delay_s), name=f"close {name}")
            self._closing[name] = task
            task.add_done_callback(lambda _: self._closing.pop(name))

    async def _close(self, name: str, delay_s: float = 0.0) -> None:
        """Close a connection. Whatever becomes of that, its place is free and its session over."""
        try:
            await asyncio.sleep(delay_s)
            if (negotiation := self._negotiations.get(name)) is not None:
                await asyncio.wait({negotiation}, timeout=limits.PEER_CLOSING_S)
            await self._turn()
            if (peer := self.pcs.get(name)) is not None:
                await close_peer(peer, limits.PEER_CLOSING_S)
        except Exception:  # the transport edge: aiortc may raise anything, and others wait for this place
            logger.exception("a connection could not be closed")
        finally:
            self.clean_up(name)

    async def _turn(self) -> None:
        """Wait for one's turn to make or close a connection, which takes 3 to 5 ms of computing.

        Others get as much time in between: sixty offers at once held everybody else up for 240 ms.
        """
        async with self._costly:
            await asyncio.sleep(limits.CONNECTION_PACE_S)

    async def end_sessions(self) -> None:
        """End all sessions, telling their clients why, and wait until they have ended, but not for ever.

        None begins after that. What goes wrong with one of them keeps no other from its end.
        """
        self.closing = True
        for socket in list(self.sockets):
            with _each_alone("a session"):
                socket.leave(SHUTDOWN)
        for handler in list(self.handlers.values()):
            with _each_alone("a session"):
                self._leave(handler, SHUTDOWN)
        await _closed_alone("the connections", self._close_all, limits.PEER_CLOSING_S + 1)

    async def close(self) -> None:
        """Close all connections, and wait until their last words are kept; each step whatever became of the others."""
        await self.end_sessions()
        await _closed_alone("the conversations", self.conversations.close, LAST_WORDS_S)
        await _closed_alone("the workers that decode recordings", self.decoder.close, limits.PEER_CLOSING_S)
        with _each_alone("the recordings"):
            self.recordings.close()
        with _each_alone("the threads"):
            self.workers.close()
        await _closed_alone("the TURN servers' credentials", self.ice.close, limits.PEER_CLOSING_S)
        await _closed_alone("telemetry", self.telemetry.close, limits.PEER_CLOSING_S)

    async def _close_all(self) -> None:
        for name in list(self._clients):
            self._end(name)
        if self._closing:
            await asyncio.wait(self._closing.values())
        for socket in list(self.sockets):
            await socket.ended.wait()


@contextmanager
def _each_alone(what: str) -> Iterator[None]:
    try:
        yield
    except Exception:  # what can't be closed keeps nothing else from being closed
        logger.exception("%s could not be closed", what)


async def _closed_alone(what: str, close: Callable[[], Awaitable[None]], patience_s: float) -> None:
    with _each_alone(what):
        async with asyncio.timeout(patience_s):
            await close()


def _refused(why: str) -> OfferError:
    """An offer that makes no sense. One line in the log: strangers decide how often it comes."""
    logger.info("an offer was refused: %s", why)
    return OfferError(400, Reason.REQUEST, f"sdp: {why}")
