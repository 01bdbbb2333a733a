"""Who is let in to `/ws`."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI
from starlette.websockets import WebSocket

from voicebot.config import Settings
from voicebot.core.audio import SPEECH_RATE_HZ
from voicebot.doors.address import client_address
from voicebot.doors.admission import RefusedError, Ticket
from voicebot.doors.ending import SHUTDOWN
from voicebot.doors.refusal import Reason
from voicebot.engines.base import Engines
from voicebot.store.conversations import is_id
from voicebot.transports.connections import Connections
from voicebot.transports.ws.protocol import Error
from voicebot.transports.ws.session import Session, say_goodbye

TRY_AGAIN_LATER, POLICY_VIOLATION = 1013, 1008
"""Close codes of WebSockets (IANA's registry)."""


def add_websocket(app: FastAPI, engines: Engines, settings: Settings, connections: Connections) -> None:
    """The route, whose sessions share their places with those of `connections`."""

    count = connections.telemetry.metrics.count_refusal

    async def refuse(socket: WebSocket, why: Reason, message: str, code: int) -> None:
        count(why)
        await say_goodbye(socket, [Error(message=message)], why, message, code)

    @app.websocket("/ws")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        rate = socket.query_params.get("rate", str(SPEECH_RATE_HZ))
        if not (rate.isascii() and rate.isdecimal() and len(rate) <= 5 and 8_000 <= int(rate) <= 48_000):
            await refuse(socket, Reason.REQUEST, "rate: must be a number from 8000 to 48000", POLICY_VIOLATION)
            return
        wanted = socket.query_params.get("conversation") or None
        if wanted is not None and not is_id(wanted):
            await refuse(socket, Reason.REQUEST, "conversation: must be as `connected` named it", POLICY_VIOLATION)
            return
        try:
            address = client_address(socket.scope, settings.trusted_proxies)
            ticket = connections.admission.enter(address, connections.place_of(wanted))
            try:
                await connections.turns.admit()
                await converse(socket, ticket, wanted, int(rate))
            finally:
                ticket.leave()
        except RefusedError as refused:
            await refuse(socket, refused.reason, str(refused), TRY_AGAIN_LATER)

    async def converse(socket: WebSocket, ticket: Ticket, wanted: str | None, rate_hz: int) -> None:
        """Run a session until it ends. Raises RefusedError if no engine of some stage can work."""
        if connections.preflight.problem is not None:
            await connections.preflight.check()
        if (problem := connections.preflight.problem) is not None:
            raise RefusedError(503, Reason.ENGINES, problem)
        can_pause = socket.query_params.get("pause") == "1"
        meter = partial(connections.telemetry.meter, "ws")
        conversation = await connections.conversations.open(wanted)
        session = Session(
            socket,
            engines,
            settings,
            ticket,
            meter,
            conversation,
            connections.options,
            connections.recordings,
            connections.decoder,
            rate_hz=rate_hz,
            can_pause=can_pause,
            turns=connections.turns,
        )
        connections.sockets.add(session)
        if connections.closing:
            session.leave(SHUTDOWN)
        try:
            await session.run()
        finally:
            connections.sockets.discard(session)
            conversation.end()
            session.ended.set()
