"""uvicorn's WebSocket protocol with limits on what a client may send.

uvicorn parses everything that one read returns: up to 256 kB, which may be 40,000 frames of about 12 µs each. This
protocol parses in slices, within the connection's budget. Meanwhile it reads nothing more, so that TCP slows the client
down.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from voicebot.runtime import limits
from voicebot.settings.config import Settings
from voicebot.transports.websocket.connection import LARGE_TEXT
from voicebot.web.http_server import SlotWebSocket

TURN_S = 0.003
"""Parsing gives way to other connections after this time."""


def max_message_bytes(settings: Settings) -> int:
    """Returns the length of the longest message that is read, for uvicorn's `ws_max_size`."""
    audio = round(settings.tuning.ws_max_audio_mb * 1_000_000 * limits.WS_BYTES_PER_AUDIO_BYTE)
    return max(limits.WS_LEAST_BYTES, audio)


class WebSocketServerProtocol(SlotWebSocket, WebSocketsSansIOProtocol):
    """One WebSocket connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._input = bytearray()
        """Data that is not parsed yet: no more than the event loop reads at once."""
        self._parsing: asyncio.Handle | None = None
        """The next call of `_parse`."""
        self._discards_input = False
        """True if the app has closed the connection of a client that sends too much. Its data is still read, but
        ignored, because TCP would otherwise reset the connection before the client has read the reason."""
        self._units = float(limits.WS_BURST_UNITS)
        self._units_s = self.loop.time()
        self._message = bytearray()
        """The fragments of a message that is not complete yet."""
        self._pong: bytes | None = None
        """The answer to the last ping, which waits while the client does not read."""

    # Input ------------------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._discards_input:
            return
        self._input += data
        if self._parsing is None:
            self._parse()

    def _parse(self) -> None:
        """Parses slices until the budget or `TURN_S` is used up."""
        self._parsing = None
        begun_s = self.loop.time()
        while self._input and not self.read_paused and not self.transport.is_closing():
            now_s = self.loop.time()
            if (wait_s := self._refill_budget(now_s)) > 0:
                if self.close_sent:
                    self._discards_input = True
                    self._input.clear()
                    break
                self._parsing = self.loop.call_later(wait_s, self._parse)
                break
            if now_s - begun_s > TURN_S:
                self._parsing = self.loop.call_soon(self._parse)
                break
            piece = bytes(self._input[: limits.WS_SLICE_BYTES])
            del self._input[: limits.WS_SLICE_BYTES]
            self.conn.receive_data(piece)
            self._units -= len(self.conn.events) + len(piece) / limits.WS_BYTES_PER_UNIT
            if self.conn.parser_exc is not None:
                self.handle_parser_exception()
                break
            self.handle_events()
        if self._input or self.read_paused:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _refill_budget(self, now_s: float) -> float:
        """Refills the budget. Returns how long to wait before the next slice may be parsed."""
        self._units += (now_s - self._units_s) * limits.WS_UNITS_PER_S
        self._units, self._units_s = min(self._units, limits.WS_BURST_UNITS), now_s
        return max(0.0, -self._units / limits.WS_UNITS_PER_S)

    def _resume_parsing(self) -> None:
        """Continues to parse, because the app can take another message."""
        self.read_paused = False
        if self._parsing is None:
            self._parsing = self.loop.call_soon(self._parse)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._parsing is not None:
            self._parsing.cancel()
        super().connection_lost(exc)
        # This object is part of a reference cycle and lives until the garbage collector finds it: free its data now.
        self._input.clear()
        self._message.clear()
        self.conn.reader.discard()

    async def receive(self) -> ASGIReceiveEvent:
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self._resume_parsing()
        return message

    # Messages -------------------------------------------------------------------------------------------------------

    def handle_text(self, event: Frame) -> None:
        self.curr_msg_data_type = "text"
        self._start_message(event)

    def handle_bytes(self, event: Frame) -> None:
        self.curr_msg_data_type = "bytes"
        self._start_message(event)

    def _start_message(self, event: Frame) -> None:
        if event.fin:
            self._deliver(bytes(event.data))
        else:
            self._message = bytearray(event.data)

    def handle_cont(self, event: Frame) -> None:
        """Joins the fragments. uvicorn keeps them in a list, which would grow with empty ones."""
        self._message += event.data
        if event.fin:
            data, self._message = bytes(self._message), bytearray()
            self._deliver(data)

    def _deliver(self, data: bytes) -> None:
        """Hands a complete message to the app."""
        if self.close_sent:
            return  # the app has closed the connection and only waits for the client's close
        event: dict[str, Any] = {"type": "websocket.receive"}
        if self.curr_msg_data_type == "bytes":
            event["bytes"] = data
        elif len(data) > limits.WS_TEXT_BYTES:
            event[LARGE_TEXT] = data
        else:
            try:
                event["text"] = data.decode()
            except UnicodeDecodeError:
                self.conn.fail(1007)
                self.handle_parser_exception()
                return
        self.queue.put_nowait(event)  # type: ignore[arg-type]
        self.read_paused = True

    # Keep-alive -----------------------------------------------------------------------------------------------------

    def handle_ping(self) -> None:
        output = self.conn.data_to_send()
        if self.writable.is_set():
            self.transport.write(b"".join(output))
        elif output:  # the client does not read: only the last ping is answered (RFC 6455, 5.5.3)
            self._pong = output[-1]

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._pong is not None and not self.close_sent:
            self.transport.write(self._pong)
        self._pong = None

    def keepalive_timeout(self) -> None:
        if self._input or self.read_paused:  # the pong may be in the data that is not read yet
            assert self.ping_timeout is not None
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
        else:
            super().keepalive_timeout()

    # Output -----------------------------------------------------------------------------------------------------------

    async def send(self, message: Any) -> None:
        """Sends a message, and marks the handshake as complete once an HTTP response has refused it.

        uvicorn does not, so it takes each refusal for an app that gave no answer, and logs "ASGI callable returned
        without completing handshake" as an ERROR (github.com/Kludex/uvicorn/issues/3138).
        """
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True
        if self.close_sent:  # what the client still sends is dropped, up to its close
            self._resume_parsing()
