"""Connects a session with a client over a WebSocket: reads the client's messages and sends it the session's."""

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
    TalkMessage,
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
"""The key under which our server puts text that is longer than WS_TEXT_BYTES into an ASGI message, as bytes."""

MESSAGE_OVERHEAD_BYTES = 100
"""How much memory a message in the inbox takes beside its content."""

SLOW = SessionClosed(CloseCode.SLOW, "You read too slowly.")

GOODBYE_S = 1.0
"""How long sending the last messages to a client may take."""


class WebSocketConnection:
    """Connects a session with a client of `/ws`, which plays the bot's sound by itself.

    All messages are read as soon as they arrive. The session takes no more sound than a person can have spoken, so
    sound waits in an inbox, together with the messages whose place in the sound matters.
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
        """Runs the session until one side ends it, then tells the client why it ended."""
        work = {
            "receiving": self._receive(),
            "inbox": self._handle_inbox(),
            "sending": self._transmit(),
            "clips": self._playout.run(),
        }
        try:
            closed = await self.session.run(work)
        finally:
            self._sound.close()
        await say_goodbye(self._socket, self._unsent_messages(), closed.code, closed.reason)

    # Out ----------------------------------------------------------------------------------------------------------

    def send(self, message: ServerMessage) -> None:
        try:
            self._unsent.put_nowait(message)
        except asyncio.QueueFull:
            self.session.leave(SLOW)

    def _unsent_messages(self) -> list[ServerMessage]:
        """Returns the messages that were not sent; none if the queue is full, as the client then reads too slowly."""
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
        """Moves the player on by one frame, as the client has played up to `most` samples."""
        self.session.sent(self.session.next_frame(most))

    def stalled(self) -> None:
        """Gives up the reply: the client acknowledges clips, but has stopped playing."""
        problem = "You have acknowledged no clip for a while, so the reply is cancelled."
        self.send(ErrorMessage(code=ErrorCode.PLAYBACK, message=problem))
        self.session.take(InterruptMessage(type="interrupt"))

    async def cut(self) -> None:
        await self._playout.cut()

    # In -----------------------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        """Reads messages until the client leaves. Most of them go into the inbox, behind the sound before them."""
        while True:
            frame = await self._socket.receive()
            if frame["type"] == "websocket.disconnect":
                return
            try:
                try:
                    await self._read(frame)
                except MessageError as error:
                    await self._inbox.put(error, MESSAGE_OVERHEAD_BYTES)
            except FloodError as flood:
                self.session.leave(SessionClosed(CloseCode.FLOOD, str(flood)))
                return

    async def _read(self, frame: Mapping[str, Any]) -> None:
        """Reads one ASGI message. Raises MessageError, FloodError."""
        if (pcm := frame.get("bytes")) is not None:
            self._sound.announce_live_sound()
            await self._inbox.put(pcm, len(pcm) + MESSAGE_OVERHEAD_BYTES)
            return
        self.session.count_message()
        large: bytes | None = frame.get(LARGE_TEXT)
        text: str = frame.get("text") or ""
        if large is None and len(text) > limits.WS_TEXT_BYTES:  # under another ASGI server
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
                await self._inbox.put(message, len(text) + MESSAGE_OVERHEAD_BYTES)

    async def _handle_inbox(self) -> None:
        """Handles the messages in the inbox in their order, and no faster than their sound can have been spoken."""
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
        """Handles a message from the inbox that is not too large. Raises MessageError."""
        match message:
            case SpeechStart():
                self._sound.begin_utterance()
            case SpeechEnd(audio=encoded):
                await self._sound.upload(encoded.encode())
            case ClientPlaybackStarted() | ClientPlaybackComplete() | ClipPlayed():
                raise AssertionError("these messages are handled as soon as they arrive")
            case TalkMessage():
                self._sound.require_live("talk")
                self.session.take(message)
            case _:
                self.session.take(message)


async def say_goodbye(
    socket: WebSocket, messages: list[ServerMessage], why: CloseCode | Reason, reason: str, code: int = 1000
) -> None:
    """Sends `messages` and the reason for the end, then closes the socket with `code`.

    A client that has left, or that does not read within `GOODBYE_S`, misses them.
    """
    try:
        async with asyncio.timeout(GOODBYE_S):
            for message in (*messages, Closed(code=why, reason=reason)):
                await socket.send_text(message.model_dump_json())
            await socket.close(code)
    except (WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
        logger.debug("a client did not receive its last messages")
