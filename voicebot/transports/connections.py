"""All WebRTC connections: takes offers from the page and from programs alike, and cleans up after each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, Protocol

from fastrtc.webrtc_connection_mixin import WebRTCConnectionMixin
from pydantic import BaseModel, Field

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
from voicebot.transports.recording_decoder import RecordingDecoder
from voicebot.transports.turn.ice import IceServers
from voicebot.transports.webrtc import VoiceHandler

logger = logging.getLogger(__name__)

GOODBYE_S = 0.1
"""Between the message that says why and the end of the connection, so that the message arrives."""


END_S = 3.0
"""How long all sessions together may take to end when the server shuts down: each tells its client why within 1 s."""


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
    def ended(self) -> asyncio.Event: ...

    def leave(self, ending: Ending) -> None: ...


class Offer(BaseModel):
    """What a client sends to `POST /webrtc/offer`, in FastRTC's form."""

    sdp: str = Field(min_length=1, max_length=100_000)
    type: Literal["offer"]
    webrtc_id: str = Field(min_length=1, max_length=200)
    conversation: str | None = Field(default=None, pattern=ID_PATTERN)
    """The one to go on with; FastRTC knows nothing of it."""


class Connections(WebRTCConnectionMixin):
    """All WebRTC connections of this process: takes offers, and sees that nothing of a closed one stays behind."""

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
        self.mode = "send-receive"
        self.modality = "audio"
        # `admission` decides; FastRTC also counts connections that are just being closed for a newer one.
        self.concurrency_limit = 2 * settings.max_sessions
        self.time_limit = None
        self.allow_extra_tracks = False
        self.ice = IceServers(settings)
        self.rtc_configuration = self.page_configuration
        self.server_rtc_configuration = None
        self.telemetry = Telemetry(settings)
        meter = partial(self.telemetry.meter, "webrtc")
        self.options = Options(engines, settings.choices)
        self.event_handler = VoiceHandler(
            *(engines, settings, view, self._leave, meter, self.options, self.recordings, self.turns)
        )
        self._tickets: dict[str, Ticket] = {}
        self.sockets: set[SocketSession] = set()
        """The sessions over `/ws`."""
        self.decoder = RecordingDecoder(round(settings.ws_max_audio_mb * 1_000_000))
        self.telemetry.metrics.watch(
            {"webrtc": lambda: len(self.handlers), "ws": lambda: len(self.sockets)},
            lambda: self.preflight.health,
            lambda: (self.turns.used, self.turns.limit),
        )
        self.preflight.tell_failures(self.telemetry.metrics.count_failure)
        self._closing: dict[str, asyncio.Task[None]] = {}

    @property
    def sessions(self) -> list[VoiceHandler]:
        return list(self.handlers.values())

    async def page_configuration(self) -> dict[str, Any]:
        """For a visitor who is about to connect, in FastRTC's form: a callable, as credentials expire."""
        return {"iceServers": [server.as_json() for server in await self.ice.for_page()]}

    async def answer(self, offer: Offer, address: str) -> Any:
        """The answer to an offer of a client at `address`, as FastRTC gives it. Raises RefusedError."""
        ticket = self.admission.enter(address, self.place_of(offer.conversation))
        try:
            return await self._connect(offer, ticket)
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

    async def _connect(self, offer: Offer, ticket: Ticket) -> Any:
        await self.turns.admit()
        if self.preflight.problem is not None:
            await self.preflight.check()
        if (problem := self.preflight.problem) is not None:
            raise OfferError(503, Reason.ENGINES, problem)
        if "m=audio" not in offer.sdp or "m=application" not in offer.sdp:
            raise OfferError(400, Reason.REQUEST, "sdp: an audio track and a data channel must be offered")
        servers = {"iceServers": [server.as_json() for server in await self.ice.for_server()]}
        conversation = await self.conversations.open(offer.conversation)
        try:
            return await self._handle(offer, ticket, conversation, servers)
        except BaseException:
            conversation.end()
            raise

    async def _handle(self, offer: Offer, ticket: Ticket, conversation: Conversation, servers: dict[str, Any]) -> Any:
        # Nothing is awaited until the name is taken, the event handler's copy made, and FastRTC has taken the servers.
        if offer.webrtc_id in self.pcs:
            raise OfferError(409, Reason.REQUEST, "webrtc_id: there is a connection of this name already")
        self._tickets[offer.webrtc_id] = ticket
        self.event_handler.conversation = conversation
        self.server_rtc_configuration = self.convert_to_aiortc_format(servers)
        try:
            answer = await self.handle_offer(offer.model_dump(), self.set_additional_outputs(offer.webrtc_id))
        except Exception as error:  # the transport edge: aiortc says "bad SDP" in many ways
            logger.info("an offer was refused", exc_info=True)
            await self._close(offer.webrtc_id)
            problem = f"sdp: it can't be understood ({type(error).__name__})"
            raise OfferError(400, Reason.REQUEST, problem) from None
        if offer.webrtc_id not in self.connections:
            await self._close(offer.webrtc_id)
            problem = "sdp: the audio must be sent (sendrecv), even if it is silence"
            raise OfferError(400, Reason.REQUEST, problem)
        if (handler := self.handlers.get(offer.webrtc_id)) is not None:
            handler.ticket = ticket
        return answer

    def clean_up(self, webrtc_id: str) -> Any:
        """FastRTC calls this when a connection is closed, but forgets its handler when ICE failed first."""
        handler = self.handlers.get(webrtc_id)
        connections = super().clean_up(webrtc_id)
        if handler is not None:
            handler.shutdown()
        if webrtc_id in self._tickets:
            self._tickets.pop(webrtc_id).leave()
        return connections

    def _leave(self, handler: VoiceHandler, ending: Ending) -> None:
        """Close a handler's connection, telling its client why."""
        for webrtc_id, known in self.handlers.items():
            if known is handler and webrtc_id not in self._closing:
                if ending.cause is Cause.ELSEWHERE and webrtc_id in self._tickets:
                    self._tickets[webrtc_id].leave()
                handler.say_goodbye(ending)
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

    async def end_sessions(self) -> None:
        """End all sessions, telling their clients why, and wait until they have ended. None begins after that."""
        self.closing = True
        for socket in list(self.sockets):
            socket.leave(SHUTDOWN)
        for handler in self.sessions:
            self._leave(handler, SHUTDOWN)
        ended = [socket.ended.wait() for socket in self.sockets]
        with contextlib.suppress(TimeoutError):  # a session that hangs in a fault is ended with the server's loop
            async with asyncio.timeout(END_S):
                await asyncio.gather(*self._closing.values(), *ended)

    async def close(self) -> None:
        """Close all connections, and wait until they are and their last words are kept."""
        await self.end_sessions()
        await asyncio.gather(*(peer.close() for peer in list(self.pcs.values())))
        await self.decoder.close()
        self.recordings.close()
        await self.ice.close()
        await self.conversations.close()
        await self.telemetry.close()
