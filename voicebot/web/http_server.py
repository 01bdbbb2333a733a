"""uvicorn's server with limits on the number of connections and on the time that clients take to send and to read.

uvicorn 0.54 only limits how long a connection may be idle after an answer. Its `limit_concurrency` counts all
connections together, keeps each of them open, and refuses health probes like all other requests.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any, cast

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from voicebot.access.address import client_address
from voicebot.access.fair_queue import FairQueue
from voicebot.access.refusal import Reason, RefusalCounter, refuse
from voicebot.runtime import limits
from voicebot.web.connection_slots import ConnectionSlot, ConnectionSlots

logger = logging.getLogger(__name__)

PROBES = ("/health", "/ready", "/metrics")
"""Connections beyond the limit may only ask for these paths."""

LIMITED_MESSAGES = ("Invalid HTTP request received.", "Unsupported upgrade request.")
"""Messages that uvicorn logs for each faulty request. Strangers can cause any number of them."""

OUT_OF_FILES = "socket.accept() out of system resource"
"""asyncio's message whenever a connection cannot be accepted because the limit on open files is reached."""


@dataclass(frozen=True)
class ConnectionRules:
    """The limits that all connections of one server share."""

    slots: ConnectionSlots
    counter: RefusalCounter
    """Counts each connection that is refused or evicted."""
    trusted_proxies: int = 0
    queue: FairQueue = field(default_factory=lambda: FairQueue(0, limits.CONNECTIONS * 2, limits.CONNECTIONS * 2))
    """Starts one request per iteration of the event loop, so that a thousand simultaneous ones do not delay the audio
    of the sessions."""


class BoundedTransport:
    """A transport whose `close` takes a bounded time and lets the client read the answer.

    asyncio's `close` waits for ever for a client that does not read. If a client is still sending, the system answers
    data that arrives after the close with a reset, and many clients then discard an answer that they have not read.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._closing: asyncio.TimerHandle | None = None
        self.is_receiving = False
        """True in the middle of a request. `close` then sends EOF first, and goes on receiving for a while."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def read_at_most(self, size: int) -> None:
        """Limits how many bytes are read at once, so that other connections get their turn in between."""
        cast(Any, self._transport).max_size = size

    @property
    def is_ending(self) -> bool:
        """True once `close` was called. Incoming data is then ignored."""
        return self._closing is not None

    def is_closing(self) -> bool:
        return self.is_ending or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        loop = asyncio.get_running_loop()
        if self.is_receiving:
            self._closing = loop.call_later(limits.REFUSED_BODY_S, self._transport.abort)
            try:
                self._transport.write_eof()
            except OSError:  # the client has gone
                self._transport.abort()
            self._transport.resume_reading()
        else:
            self._closing = loop.call_later(limits.CLOSING_S, self._transport.abort)
            self._transport.close()

    def lost(self) -> None:
        if self._closing is not None:
            self._closing.cancel()


class SlotConnection(asyncio.Protocol):
    """A mixin for uvicorn's protocols: the connection has a slot, which it releases when it is lost."""

    slot: ConnectionSlot | None = None
    transport: asyncio.Transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.slot is not None:
            self.slot.release()
        if isinstance(self.transport, BoundedTransport):
            self.transport.lost()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """Closes the transport after the client's EOF. asyncio would do so without a time limit."""
        if isinstance(self.transport, BoundedTransport):
            self.transport.is_receiving = False
        self.transport.close()

    def evict(self) -> None:
        self.transport.abort()


class SlotWebSocket(SlotConnection):
    """A mixin for a websocket's protocol, which takes over the slot of its handshake request."""

    handshake_complete: bool
    close_sent: bool

    @property
    def is_expendable(self) -> bool:
        """True if only the client's close is awaited, because the session is over or was refused."""
        return self.close_sent or self.transport.is_closing()


class _RequestPhase(Enum):
    HEAD = auto()
    """The server waits for the head of a request."""
    BODY = auto()
    REFUSED_BODY = auto()
    """The body is still coming although the answer has been sent."""
    ANSWER = auto()
    """The request is complete, and the app answers it."""


class BoundedHttpProtocol(SlotConnection, H11Protocol):
    """One HTTP connection, with a deadline for each phase in which the server waits for the client."""

    def __init__(self, rules: ConnectionRules, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._rules = rules
        self._routes = cast(ASGIApp, self.app)
        self.app = cast(Any, self._run_app)
        self._turn: asyncio.Future[bool] | None = None
        self._phase: tuple[_RequestPhase, object] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._began_s = 0.0
        self._received = 0
        """The bytes received since the head of the current request."""
        self._lines: int | None = None
        """The number of line ends in the body; None unless it is chunked."""
        self._unread_since_s: float | None = None
        self._unread: asyncio.TimerHandle | None = None

    # Called by uvicorn -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._bounded = bounded = BoundedTransport(cast(asyncio.Transport, transport))
        super().connection_made(cast(asyncio.Transport, bounded))
        scope: Scope = {"client": self.client}
        self.slot = self._rules.slots.take_slot(client_address(scope, 0), self)
        if self.slot is None:
            self._rules.counter.count_refusal(Reason.CONNECTIONS)
            bounded.abort()
            return
        if self.slot.probes_only:
            self._routes = _ProbeApp(self._routes, self._rules.counter)
        bounded.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.SEND_BUFFER_BYTES)
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        self._cancel_unread_timer()
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(False)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._bounded.is_ending:
            return
        self._received += len(data)
        if self._lines is not None:
            self._lines += data.count(b"\n")
            if self._lines > limits.CHUNK_LINES + self._received / limits.CHUNK_LINE_BYTES:
                self._give_up(400, "The chunks of the body are too small.", Reason.BODY)
                return
        super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        self._set_deadline()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._cancel_deadline()
        self._cancel_unread_timer()
        self._bounded.read_at_most(limits.BODY_READ_BYTES)
        super().handle_websocket_upgrade(event)
        protocol = self.transport.get_protocol()
        if self.slot is not None and isinstance(protocol, SlotWebSocket):
            protocol.slot, self.slot.holder = self.slot, protocol

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._set_deadline()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_since_s = time.monotonic()
        self._unread = self.loop.call_later(limits.UNREAD_S, self._abort_unread)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel_unread_timer()

    def send_400_response(self, msg: str) -> None:
        self._give_up(400, msg, Reason.REQUEST)

    def _should_upgrade(self) -> bool:
        probes_only = self.slot is not None and self.slot.probes_only
        return False if probes_only else super()._should_upgrade()

    async def _run_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the app when the request's turn comes, unless the client has left by then."""
        self._turn = self._rules.queue.enter(client_address(scope, self._rules.trusted_proxies))
        if await self._turn:
            await self._routes(scope, receive, send)

    # Called by ConnectionSlots ----------------------------------------------------------------------------------------

    @property
    def is_expendable(self) -> bool:
        if self._phase is None or self.transport.is_closing():
            return True
        if self._unread_since_s is not None and time.monotonic() - self._unread_since_s > limits.STALLED_S:
            return True
        return self._phase[0] in (_RequestPhase.HEAD, _RequestPhase.BODY, _RequestPhase.REFUSED_BODY)

    def evict(self) -> None:
        self._rules.counter.count_refusal(Reason.CONNECTIONS)
        super().evict()

    # Deadlines --------------------------------------------------------------------------------------------------------

    def _set_deadline(self) -> None:
        """Sets a deadline if a new phase has begun."""
        if self.transport.get_protocol() is not self:
            return  # the connection has become a websocket
        phase = self._current_phase()
        if phase == self._phase:
            return
        self._phase = phase
        self._bounded.is_receiving = self.conn.their_state is h11.SEND_BODY
        self._cancel_deadline()
        limit_s = {
            _RequestPhase.HEAD: limits.HEAD_S,
            _RequestPhase.BODY: limits.BODY_S,
            _RequestPhase.REFUSED_BODY: limits.REFUSED_BODY_S,
        }.get(phase[0])
        if phase[0] is _RequestPhase.HEAD and self.slot is not None:
            self.slot.mark_idle()
        self._received = 0
        self._lines = None
        if phase[0] is _RequestPhase.BODY:
            chunked = any(name == b"transfer-encoding" for name, _ in self.headers)
            self._lines = 0 if chunked else None
            self._bounded.read_at_most(limits.READ_BYTES if chunked else limits.BODY_READ_BYTES)
        else:
            self._bounded.read_at_most(limits.READ_BYTES)
        if limit_s is not None and not self.transport.is_closing():
            self._began_s = self.loop.time()
            self._deadline = self.loop.call_later(limit_s, self._deadline_passed)

    def _current_phase(self) -> tuple[_RequestPhase, object]:
        """Returns the phase together with its request, so that phases of two requests differ."""
        their = self.conn.their_state
        if their is h11.IDLE:
            return _RequestPhase.HEAD, self.cycle
        if their is not h11.SEND_BODY:
            return _RequestPhase.ANSWER, self.cycle
        if self.cycle is None or self.cycle.response_complete:
            return _RequestPhase.REFUSED_BODY, self.cycle
        return _RequestPhase.BODY, self.cycle

    def _deadline_passed(self) -> None:
        assert self._phase is not None
        if self._phase[0] is _RequestPhase.BODY:
            limit_s = limits.BODY_S + self._received / limits.BODY_BYTES_PER_S
            left_s = self._began_s + limit_s - self.loop.time()
            if left_s > 0:
                self._deadline = self.loop.call_later(left_s, self._deadline_passed)
                return
        self._give_up(408, "The request took too long to arrive.", Reason.TIMEOUT)

    def _give_up(self, status: int, message: str, reason: Reason) -> None:
        """Closes the connection, with an answer if a request has begun and has none yet."""
        self._cancel_deadline()
        nothing_came = self._current_phase()[0] is _RequestPhase.HEAD and not self.conn.trailing_data[0]
        if self.transport.is_closing():
            return
        if not (nothing_came and self.cycle is not None):  # an idle keep-alive connection ends as usual
            self._rules.counter.count_refusal(reason)
        if not nothing_came and self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps({"error": message}).encode()
            headers = [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
            ]
            for event in (h11.Response(status_code=status, headers=headers), h11.Data(body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._bounded.is_receiving = not nothing_came
        self.transport.close()

    def _abort_unread(self) -> None:
        self._rules.counter.count_refusal(Reason.TIMEOUT)
        self.transport.abort()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cancel_unread_timer(self) -> None:
        self._unread_since_s = None
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


class _ProbeApp:
    """The app for a connection beyond the limit: it answers probes and refuses everything else."""

    def __init__(self, app: ASGIApp, counter: RefusalCounter) -> None:
        self._app = app
        self._counter = counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        self._counter.count_refusal(Reason.CONNECTIONS)
        headers = {"Connection": "close", "Retry-After": "5"}
        await refuse(scope, receive, send, 503, "Too many connections are open. Please try again in a moment.", headers)


class BoundedServer(uvicorn.Server):
    """uvicorn's server, but it accepts few connections at a time from a long listen queue.

    So each connection gets its slot, or is refused, before the next ones need an open file.
    """

    def __init__(self, app: Any, rules: ConnectionRules, **options: Any) -> None:
        http = partial(BoundedHttpProtocol, rules)
        super().__init__(uvicorn.Config(app, http=cast(Any, http), backlog=limits.ACCEPTED_AT_ONCE, **options))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        _limit_log_lines()
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(limits.WAITING_CONNECTIONS)


class _LogLimit(logging.Filter):
    """Passes each message that strangers can cause at most once per `limits.LOG_AGAIN_S`."""

    def __init__(self) -> None:
        super().__init__()
        self._logged_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        message = str(record.msg)
        return message not in LIMITED_MESSAGES or self.may_pass(message)

    def may_pass(self, message: str) -> bool:
        now_s = time.monotonic()
        if now_s - self._logged_s.get(message, -limits.LOG_AGAIN_S) < limits.LOG_AGAIN_S:
            return False
        self._logged_s[message] = now_s
        return True


_log_limit = _LogLimit()


def _limit_log_lines() -> None:
    """Limits the log rate of messages that strangers can cause, and logs exhausted files without a traceback."""
    logging.getLogger("uvicorn.error").addFilter(_log_limit)
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") == OUT_OF_FILES:
            if _log_limit.may_pass(OUT_OF_FILES):
                logger.error("no open files are left for new connections: raise the limit (ulimit -n)")
        elif before is None:
            loop.default_exception_handler(context)
        else:
            before(loop, context)

    loop.set_exception_handler(handle)
