"""The route `/ws`: checks requests, admits them, and runs their sessions."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.websockets import WebSocket

from voicebot.access.address import client_address
from voicebot.access.admission import RefusedError
from voicebot.access.refusal import Reason
from voicebot.audio.sound import SPEECH_RATE_HZ
from voicebot.session.messages import ErrorMessage
from voicebot.session.services import AppServices
from voicebot.storage.conversations import is_id
from voicebot.transports.websocket.connection import WebSocketConnection, say_goodbye
from voicebot.transports.websocket.recording_decoder import RecordingDecoder

TRY_AGAIN_LATER, POLICY_VIOLATION = 1013, 1008
"""Close codes of WebSockets (IANA's registry)."""


def add_websocket(app: FastAPI, services: AppServices, decoder: RecordingDecoder) -> None:
    """Adds the route. Its sessions share their slots with those of all other transports."""
    proxies = services.settings.trusted_proxies

    async def refuse(socket: WebSocket, why: Reason, message: str, code: int) -> None:
        services.telemetry.metrics.count_refusal(why)
        await say_goodbye(socket, [ErrorMessage(code=why, message=message)], why, message, code)

    @app.websocket("/ws")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        rate = socket.query_params.get("rate", str(SPEECH_RATE_HZ))
        if not (rate.isascii() and rate.isdecimal() and len(rate) <= 5 and 8_000 <= int(rate) <= 48_000):
            await refuse(socket, Reason.REQUEST, "The rate must be a number from 8000 to 48000.", POLICY_VIOLATION)
            return
        wanted = socket.query_params.get("conversation") or None
        if wanted is not None and not is_id(wanted):
            message = "The conversation must be an id from a `connected` message."
            await refuse(socket, Reason.REQUEST, message, POLICY_VIOLATION)
            return
        try:
            address = client_address(socket.scope, proxies)
            slot = await services.admission.take_slot(address, services.sessions.place_of(wanted), wanted)
            try:
                await services.must_be_able_to_answer()
                conversation = await services.conversations.open(wanted, slot.place)
                try:
                    await slot.confirm(conversation.id)
                except BaseException:
                    conversation.end()
                    raise
                connection = WebSocketConnection(
                    *(socket, services, slot, conversation, decoder),
                    rate_hz=int(rate),
                    can_pause=socket.query_params.get("pause") == "1",
                )
                await connection.run()
            finally:
                slot.release()
        except RefusedError as refused:
            await refuse(socket, refused.reason, str(refused), TRY_AGAIN_LATER)
