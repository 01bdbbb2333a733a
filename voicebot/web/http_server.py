"""uvicorn's server with limits: on connections, and on the time that clients may take for what they send and read.

uvicorn itself has none of these, but for the time that a connection may be idle after an answer. Its
`limit_concurrency` would refuse probes like all others.
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
from voicebot.access.refusal import Reason, RefusalCounter, refuse
from voicebot.access.turnstile import Turnstile
from voicebot.runtime import limits
from voicebot.web.connection_places import Place, Places

logger = logging.getLogger(__name__)

PROBES = ("/health", "/metrics")
"""The paths that are answered on connections beyond the limit."""

CAUSED_BY_STRANGERS = ("Invalid HTTP request received.", "Unsupported upgrade request.")
"""Messages that uvicorn logs for each such request."""

OUT_OF_FILES = "socket.accept() out of system resource"
"""What asyncio tells when there is no file for a new connection, at each try."""


@dataclass(frozen=True)
class ConnectionRules:
    """What all connections of one server share."""

    places: Places
    counter: RefusalCounter
    """Is told of each connection that is refused or broken off."""
    trusted_proxies: int = 0
    pace: Turnstile = field(default_factory=lambda: Turnstile(0, limits.CONNECTIONS * 2, limits.CONNECTIONS * 2))
    """One request begins in each turn of the event loop, so that a thousand that come at the same moment do not hold
    up the sound of those who talk."""


class BoundedTransport:
    """A transport that closes in a way that is bounded in time, and lets the client read its answer.

    asyncio's `close` waits for ever for a client that does not read. And where a client is still sending, the system
    answers what comes after the close with a reset, at which many clients drop an answer that they have not yet read.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._closing: asyncio.TimerHandle | None = None
        self.is_receiving = False
        """The client is in the middle of a request: `close` first tells it that no more comes from here."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def read_at_most(self, size: int) -> None:
        """In one piece: between two, other connections have their turn."""
        cast(Any, self._transport).max_size = size

    @property
    def is_ending(self) -> bool:
        """What still comes is to be thrown away."""
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


class HeldConnection(asyncio.Protocol):
    """A mixin for uvicorn's protocols: the connection has a place, and leaves it when it is lost."""

    place: Place | None = None
    transport: asyncio.Transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.place is not None:
            self.place.leave()
        if isinstance(self.transport, BoundedTransport):
            self.transport.lost()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """The client sends no more, so that asyncio closes its transport next, and may wait for ever."""
        if isinstance(self.transport, BoundedTransport):
            self.transport.is_receiving = False
        self.transport.close()

    def break_off(self) -> None:
        self.transport.abort()


class HeldWebSocket(HeldConnection):
    """A mixin for a websocket's protocol, which takes over the place of the request that it began as."""

    handshake_complete: bool
    close_sent: bool

    @property
    def is_expendable(self) -> bool:
        """Its session is over, or it never had one: only the client has still to close it."""
        return self.close_sent or self.transport.is_closing()


class _Phase(Enum):
    HEAD = auto()
    """A request's head is awaited: nothing has begun."""
    BODY = auto()
    REFUSED_BODY = auto()
    """A body that is still coming although the answer has been sent."""
    ANSWER = auto()
    """All of the request is there: it is the app's turn."""


class BoundedHttpProtocol(HeldConnection, H11Protocol):
    """One HTTP connection, with a deadline for each phase in which the client has to do something."""

    def __init__(self, rules: ConnectionRules, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._rules = rules
        self._routes = cast(ASGIApp, self.app)
        self.app = cast(Any, self._begin)
        self._turn: asyncio.Future[bool] | None = None
        self._phase: tuple[_Phase, object] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._began_s = 0.0
        self._received = 0
        """Bytes since the head of the request that is coming."""
        self._lines: int | None = None
        """Line ends in its body; None if it does not come in chunks."""
        self._unread_since_s: float | None = None
        self._unread: asyncio.TimerHandle | None = None

    # What uvicorn calls -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._bounded = bounded = BoundedTransport(cast(asyncio.Transport, transport))
        super().connection_made(cast(asyncio.Transport, bounded))
        scope: Scope = {"client": self.client}
        self.place = self._rules.places.enter(client_address(scope, 0), self)
        if self.place is None:
            self._rules.counter.count_refusal(Reason.CONNECTIONS)
            bounded.abort()
            return
        if self.place.for_probes:
            self._routes = _ProbesOnly(self._routes, self._rules.counter)
        bounded.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.SEND_BUFFER_BYTES)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        self._stop_waiting_for_the_reader()
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
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._stop_watching()
        self._stop_waiting_for_the_reader()
        self._bounded.read_at_most(limits.BODY_READ_BYTES)
        super().handle_websocket_upgrade(event)
        protocol = self.transport.get_protocol()
        if self.place is not None and isinstance(protocol, HeldWebSocket):
            protocol.place, self.place.holder = self.place, protocol

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_since_s = time.monotonic()
        self._unread = self.loop.call_later(limits.UNREAD_S, self._is_not_read)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_waiting_for_the_reader()

    def send_400_response(self, msg: str) -> None:
        self._give_up(400, msg, Reason.REQUEST)

    def _should_upgrade(self) -> bool:
        beyond = self.place is not None and self.place.for_probes
        return False if beyond else super()._should_upgrade()

    async def _begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the app at the request's turn, unless the client has left before."""
        self._turn = self._rules.pace.enter(client_address(scope, self._rules.trusted_proxies))
        if await self._turn:
            await self._routes(scope, receive, send)

    # What the places ask ----------------------------------------------------------------------------------------------

    @property
    def is_expendable(self) -> bool:
        if self._phase is None or self.transport.is_closing():
            return True
        if self._unread_since_s is not None and time.monotonic() - self._unread_since_s > limits.STALLED_S:
            return True
        return self._phase[0] in (_Phase.HEAD, _Phase.BODY, _Phase.REFUSED_BODY)

    def break_off(self) -> None:
        self._rules.counter.count_refusal(Reason.CONNECTIONS)
        super().break_off()

    # Deadlines --------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Set the deadline of the phase that has begun, if one has."""
        if self.transport.get_protocol() is not self:
            return  # it is a websocket now
        phase = self._current_phase()
        if phase == self._phase:
            return
        self._phase = phase
        self._bounded.is_receiving = self.conn.their_state is h11.SEND_BODY
        self._stop_watching()
        patience_s = {
            _Phase.HEAD: limits.HEAD_S,
            _Phase.BODY: limits.BODY_S,
            _Phase.REFUSED_BODY: limits.REFUSED_BODY_S,
        }.get(phase[0])
        if phase[0] is _Phase.HEAD and self.place is not None:
            self.place.rest()
        self._received = 0
        self._lines = None
        if phase[0] is _Phase.BODY:
            chunked = any(name == b"transfer-encoding" for name, _ in self.headers)
            self._lines = 0 if chunked else None
            self._bounded.read_at_most(limits.READ_BYTES if chunked else limits.BODY_READ_BYTES)
        else:
            self._bounded.read_at_most(limits.READ_BYTES)
        if patience_s is not None and not self.transport.is_closing():
            self._began_s = self.loop.time()
            self._deadline = self.loop.call_later(patience_s, self._is_late)

    def _current_phase(self) -> tuple[_Phase, object]:
        """With the request that it belongs to: two requests' phases are not the same."""
        their = self.conn.their_state
        if their is h11.IDLE:
            return _Phase.HEAD, self.cycle
        if their is not h11.SEND_BODY:
            return _Phase.ANSWER, self.cycle
        if self.cycle is None or self.cycle.response_complete:
            return _Phase.REFUSED_BODY, self.cycle
        return _Phase.BODY, self.cycle

    def _is_late(self) -> None:
        assert self._phase is not None
        if self._phase[0] is _Phase.BODY:
            patience_s = limits.BODY_S + self._received / limits.BODY_BYTES_PER_S
            left_s = self._began_s + patience_s - self.loop.time()
            if left_s > 0:
                self._deadline = self.loop.call_later(left_s, self._is_late)
                return
        self._give_up(408, "The request took too long to come.", Reason.TIMEOUT)

    def _give_up(self, status: int, message: str, reason: Reason) -> None:
        """Close the connection; with an answer, if a request has begun to come and has none yet."""
        self._stop_watching()
        nothing_came = self._current_phase()[0] is _Phase.HEAD and not self.conn.trailing_data[0]
        if self.transport.is_closing():
            return
        if not (nothing_came and self.cycle is not None):  # an idle connection that has been of use ends as usual
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

    def _is_not_read(self) -> None:
        self._rules.counter.count_refusal(Reason.TIMEOUT)
        self.transport.abort()

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_waiting_for_the_reader(self) -> None:
        self._unread_since_s = None
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


class _ProbesOnly:
    """An app for a connection beyond the limit: it may ask how the server is, and nothing else."""

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
    """Takes few connections at a time from a long queue, so that each can be looked at before the next ones come."""

    def __init__(self, app: Any, rules: ConnectionRules, **options: Any) -> None:
        http = partial(BoundedHttpProtocol, rules)
        super().__init__(uvicorn.Config(app, http=cast(Any, http), backlog=limits.ACCEPTED_AT_ONCE, **options))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        _damp_the_log()
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(limits.WAITING_CONNECTIONS)


class _Damped(logging.Filter):
    """Lets each message that strangers can cause pass once in a while."""

    def __init__(self) -> None:
        super().__init__()
        self._logged_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        message = str(record.msg)
        return message not in CAUSED_BY_STRANGERS or self.may_pass(message)

    def may_pass(self, message: str) -> bool:
        now_s = time.monotonic()
        if now_s - self._logged_s.get(message, -limits.LOG_AGAIN_S) < limits.LOG_AGAIN_S:
            return False
        self._logged_s[message] = now_s
        return True


_damped = _Damped()


def _damp_the_log() -> None:
    """Messages that strangers can cause by the thousand are logged once in a while, without a traceback."""
    logging.getLogger("uvicorn.error").addFilter(_damped)
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") == OUT_OF_FILES:
            if _damped.may_pass(OUT_OF_FILES):
                logger.error("no open files are left for new connections: raise the limit (ulimit -n)")
        elif before is None:
            loop.default_exception_handler(context)
        else:
            before(loop, context)

    loop.set_exception_handler(handle)
