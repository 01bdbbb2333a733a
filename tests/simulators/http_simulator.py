"""A server on loopback that answers HTTP/1.1 requests, well or with the faults that a test plans, and records them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from itertools import islice
from types import TracebackType
from typing import Self

from tests.simulators.faults import Fault, Faults, Planned
from tests.simulators.http_wire import Connection, Exchange, Request
from tests.support.signal import Signal


class HttpSimulator:
    """A server on loopback, on any free port if `port` is 0. Subclasses implement `answer`.

    Leaving the context closes everything, and raises the exceptions of the simulator itself.
    """

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self.faults = Faults()
        self.requests: list[Request] = []
        self.changed = Signal()
        """Is notified when a request has come, and when a connection opens or closes."""
        self.pace_s = 0.0
        """The time between two pieces of an answer."""
        self._connections: set[Connection] = set()
        self._half_open: set[Connection] = set()
        """The connections that are no longer read, so that the simulator does not notice when their clients leave."""
        self._tasks: list[asyncio.Task[None]] = []

    async def answer(self, exchange: Exchange) -> None:
        raise NotImplementedError

    @property
    def open(self) -> int:
        """The number of open sockets, without those that went half-open."""
        return len(self._connections - self._half_open)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def requested(self, number: int) -> Request:
        """Waits for the request with this number and returns it."""
        return await self.changed.until(
            lambda: self.requests[number - 1] if len(self.requests) >= number else None, 10, f"request {number}"
        )

    async def gone(self, number: int) -> float:
        """Waits until the client of the request with this number has closed its connection, and returns when it did."""
        request = await self.requested(number)
        async with asyncio.timeout(10):
            return await asyncio.shield(request.gone_s)

    async def until_open(self, count: int) -> None:
        await self.changed.until(lambda: True if self.open == count else None, 10, f"moment with {count} open sockets")

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self._connections:
            connection.transport.abort()
        await self.until_open(0)
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        await self._server.wait_closed()

    async def failed(
        self, exchange: Exchange, planned: Planned, error_body: Callable[[Fault], tuple[str, bytes]]
    ) -> bool:
        """Injects the planned fault. Returns True if the request needs no answer any more.

        `error_body` returns the content type and the body of an error.
        """
        match planned.fault:
            case Fault.REFUSE:
                exchange.close()
                return True
            case Fault.HANG:
                await asyncio.Event().wait()
            case Fault.HALF_OPEN:
                self._half_open.add(exchange.stop_reading())
                await asyncio.Event().wait()
            case Fault.SLOW_FIRST_BYTE:
                await asyncio.sleep(planned.delay_s)
            case Fault.GARBAGE if planned.after == 0:
                self._spoil(exchange, planned)
                return True
            case fault if fault.status is not None:
                content_type, body = error_body(fault)
                headers = [("content-type", content_type)]
                if planned.retry_after_s is not None:
                    headers.append(("retry-after", f"{planned.retry_after_s:g}"))
                await exchange.respond(fault.status, headers, body)
                return True
        return False

    async def pieces(self, exchange: Exchange, pieces: Iterable[bytes], planned: Planned | None) -> None:
        """Sends the body of an answer that was started, with the planned fault if there is one."""
        trickles = planned is not None and planned.fault is Fault.TRICKLE
        ends = (Fault.CUT, Fault.GARBAGE, Fault.STALL, Fault.RESET)
        spoilt = planned if planned is not None and planned.fault in ends else None
        for piece in islice(pieces, None if spoilt is None else spoilt.after):
            if trickles and planned is not None:
                await asyncio.sleep(planned.delay_s)
            await exchange.send(piece)
            await asyncio.sleep(self.pace_s)
        match None if spoilt is None else spoilt.fault:
            case None:
                exchange.end()
            case Fault.STALL:
                await asyncio.Event().wait()
            case Fault.RESET:
                exchange.reset()
            case _:
                assert spoilt is not None
                self._spoil(exchange, spoilt)

    @staticmethod
    def _spoil(exchange: Exchange, planned: Planned) -> None:
        if planned.fault is Fault.GARBAGE:
            exchange.raw(b"\xfe\xff is no HTTP\r\n\r\n" * 50)
        exchange.close()

    def admit(self, connection: Connection, serving: asyncio.Task[None]) -> int:
        self._connections.add(connection)
        self._tasks.append(serving)
        self.changed.notify()
        return len(self._tasks)

    def dismiss(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self.changed.notify()

    def record(self, *, method: str, target: str, headers: dict[str, str], body: bytes, connection: int) -> Request:
        number = 0 if method == "CONNECT" else len(self.requests) + 1
        request = Request(number, method, target, headers, body, time.monotonic(), connection)
        if number:
            self.requests.append(request)
        self.changed.notify()
        return request
