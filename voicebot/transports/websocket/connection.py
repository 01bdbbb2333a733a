"""A session over a WebSocket: what comes is read in order, what is told is sent, clips are played by the client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from voicebot.access.admission import SessionSlot
from voicebot.access.close_codes import CloseCode, SessionClosed
from voicebot.access.rates import FloodError
from voicebot.access.refusal import Reason
from voicebot.dialogue.errors import ErrorCode
from voicebot.runtime import limits
from voicebot.session.messages import (
    ByeMessage,
    ClientMessage,
    ClientPlaybackComplete,
    ClientPlaybackStarted,
    ClipPlayed,
    Closed,
    ErrorMessage,
    InterruptMessage,
    MessageError,
    ServerMessage,
    SpeechEnd,
    SpeechStart,
    client_message,
)
from voicebot.session.services import AppServices
from voicebot.session.session import Session
from voicebot.storage.conversation import StoredConversation
from voicebot.transports.websocket.event_emitter import EventEmitter
from voicebot.transports.websocket.inbox import Inbox, LargeMessage
from voicebot.transports.websocket.incoming_sound import IncomingSound
from voicebot.transports.websocket.playout import Playout
from voicebot.transports.websocket.recording_decoder import RecordingDecoder

logger = logging.getLogger(__name__)

LARGE_TEXT = "voicebot.large_text"
"""Our server's key in a received ASGI message for text that is longer than WS_TEXT_BYTES, as bytes."""

MIN_SIZE = 100
"""Bytes of memory that any message in the inbox takes."""

SLOW = SessionClosed(CloseCode.SLOW, "You read too slowly.")

GOODBYE_S = 1.0
"""A client may take so long to be told why its session ends."""


class WebSocketConnection:
    """Connects a session with a client of `/ws`, which plays the bot's sound by itself.

    What the client sends is read at once. Sound, and messages that must keep their place between sound, wait in an
    inbox, as the session works on no more sound than can have been spoken.
    """

    def __init__(
        self,
        socket: WebSocket,
        services: AppServices,
        slot: SessionSlot,
        conversation: StoredConversation,
        decoder: RecordingDecoder,
        *,
        rate_hz: int,
        can_pause: bool,
    ) -> None:
        self._socket, self._send_timeout_s = socket, services.settings.tuning.media_timeout_s
        self._inbox = Inbox()
        self._unsent: asyncio.Queue[ServerMessage] = asyncio.Queue(limits.WS_UNSENT)
        self.session = Session("ws", services, slot, conversation, self)
        self._sound = IncomingSound(self.session, decoder, rate_hz)
        self._playout = Playout(self.session.player, self, can_pause=can_pause)
        self.session.watch("events", EventEmitter(self))
        self.session.watch("playout", self._playout)

    async def run(self) -> None:
        """Carries on the session until one side leaves, and tells the client why it ended."""
        work = {
            "receiving": self._receive(),
            "inbox": self._work_off(),
            "sending": self._transmit(),
            "clips": self._playout.run(),
        }
        try:
            closed = await self.session.run(work)
        finally:
            self._sound.close()
        await say_goodbye(self._socket, self._left_over(), closed.code, closed.reason)

    # Out ----------------------------------------------------------------------------------------------------------

    def send(self, message: ServerMessage) -> None:
        try:
            self._unsent.put_nowait(message)
        except asyncio.QueueFull:
            self.session.leave(SLOW)

    def _left_over(self) -> list[ServerMessage]:
        left: list[ServerMessage] = []
        while not self._unsent.empty():
            left.append(self._unsent.get_nowait())
        return left if len(left) < limits.WS_UNSENT else []

    async def _transmit(self) -> None:
        while True:
            message = await self._unsent.get()
            try:
                async with asyncio.timeout(self._send_timeout_s):
                    await self._socket.send_text(message.model_dump_json())
            except TimeoutError:
                self.session.leave(SLOW)
                return
            except WebSocketDisconnect:
                return

    def tick(self) -> None:
        self._playout.tick()

    def played(self, most: int) -> None:
        """The client is taken to have played so many samples."""
        self.session.sent(self.session.next_frame(most))

    def stalled(self) -> None:
        """The client acknowledges clips, and does not play any more."""
        self.send(
            ErrorMessage(code=ErrorCode.PLAYBACK, message="no clip was acknowledged for a while: the reply is given up")
        )
        self.session.take(InterruptMessage(type="interrupt"))

    async def cut(self) -> None:
        await self._playout.cut()

    # In -----------------------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        """Reads messages. Most wait in the inbox for their turn, behind the sound that came before them."""
        while True:
            frame = await self._socket.receive()
            if frame["type"] == "websocket.disconnect":
                return
            try:
                try:
                    await self._read(frame)
                except MessageError as error:
                    await self._inbox.put(error, MIN_SIZE)
            except FloodError as flood:
                self.session.leave(SessionClosed(CloseCode.FLOOD, str(flood)))
                return

    async def _read(self, frame: Mapping[str, Any]) -> None:
        """Raises MessageError and FloodError."""
        if (pcm := frame.get("bytes")) is not None:
            self._sound.comes()
            await self._inbox.put(pcm, len(pcm) + MIN_SIZE)
            return
        self.session.count_message()
        large: bytes | None = frame.get(LARGE_TEXT)
        text: str = frame.get("text") or ""
        if large is None and len(text) > limits.WS_TEXT_BYTES:  # from a server that is not ours
            large = text.encode()
        if large is not None:
            await self._inbox.put(LargeMessage(large), len(large))
            return
        match client_message(text):
            case ByeMessage() as message:
                self.session.take(message)
            case InterruptMessage() as message if self._sound.held_back:
                self.session.take(message)
            case ClientPlaybackStarted():
                self._playout.started()
            case ClientPlaybackComplete():
                self._playout.complete()
            case ClipPlayed(sequence=sequence, played_ms=played_ms):
                self._playout.acknowledge(sequence, played_ms)
            case message:
                await self._inbox.put(message, len(text) + MIN_SIZE)

    async def _work_off(self) -> None:
        """Does what waits in the inbox, in order, and no faster than the sound in it can have been spoken."""
        while True:
            async with self._inbox.next() as item:
                try:
                    match item:
                        case bytes():
                            await self._sound.receive_audio(item)
                        case LargeMessage(data):
                            await self._sound.upload_message(data)
                        case MessageError():
                            raise item
                        case _:
                            await self._take(item)
                except MessageError as error:
                    if error.type == "speech_end":
                        self._sound.fail_upload()
                    self.send(ErrorMessage(code=ErrorCode.MESSAGE, message=str(error)))

    async def _take(self, message: ClientMessage) -> None:
        """Raises MessageError."""
        match message:
            case SpeechStart():
                self._sound.announce()
            case SpeechEnd(audio=encoded):
                await self._sound.upload(encoded.encode())
            case ClientPlaybackStarted() | ClientPlaybackComplete() | ClipPlayed():
                raise AssertionError("these are not kept waiting")
            case _:
                self.session.take(message)


async def say_goodbye(
    socket: WebSocket, messages: list[ServerMessage], why: CloseCode | Reason, reason: str, code: int = 1000
) -> None:
    """Send what is left and close. A client that has gone already, or does not read, is not waited for."""
    try:
        async with asyncio.timeout(GOODBYE_S):
            for message in (*messages, Closed(code=why, reason=reason)):
                await socket.send_text(message.model_dump_json())
            await socket.close(code)
    except (WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
        logger.debug("a client did not wait for its goodbye")
