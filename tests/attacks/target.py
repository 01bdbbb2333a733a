"""The app as an attack sees it: an address to send to, addresses to send from, and the results."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.frames import Frame, Opcode

from tests.attacks.peer import Login, Peer, authorization
from tests.support.rtc_client import OfferRefusedError

NETWORK = (OSError, EOFError, TimeoutError, httpx.HTTPError, WebSocketException, OfferRefusedError)
"""The errors that an attacker sees when the app defends itself."""

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Unused on loopback, but each client would make one of its own, which takes longer than an attack may."""

PATIENCE_S = 5.0
"""The time that an attacker waits for an answer."""


@dataclass(slots=True)
class Target:
    """The attacked app, and the results of the attack.

    `counts` has the events that the attacker saw, `problems` those that must not happen. `bystander` is the address of
    an honest user, for requests that such a user makes during the attack. `login` is the attacker's, if it has the
    password of a `locked` app.
    """

    url: str
    addresses: tuple[str, ...]
    bystander: str
    seconds: float
    locked: bool = False
    login: Login | None = None
    honest_login: Login | None = None
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return self.addresses[0]

    @property
    def kept_out(self) -> bool:
        """True if the app is locked and the attacker has no password."""
        return self.locked and self.login is None

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80

    # What came of it ----------------------------------------------------------------------------------------------

    def expect(self, condition: object, problem: str) -> None:
        """Records the problem unless `condition` holds."""
        if not condition and problem not in self.problems:
            self.problems.append(problem)

    @contextlib.contextmanager
    def counting_refusals(self) -> Iterator[None]:
        """Counts the refusals and errors of the network and the app, and goes on."""
        try:
            yield
        except InvalidStatus as refused:
            self.counts[str(refused.response.status_code)] += 1
        except OfferRefusedError as refused:
            self.counts[str(refused.status)] += 1
        except NETWORK as error:
            self.counts[type(error).__name__] += 1
        # A connection that fails while it is closed replaces the cancellation that closes it: the attack is over.
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise asyncio.CancelledError

    # Pace ---------------------------------------------------------------------------------------------------------

    async def every(self, interval_s: float, most: int | None = None) -> AsyncIterator[int]:
        """Yields 0, 1, 2 … every `interval_s`, for ever or up to `most`. It does not make up for missed steps."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        number = 0
        while most is None or number < most:
            yield number
            number += 1
            due_s = max(due_s + interval_s, loop.time())
            await asyncio.sleep(due_s - loop.time())

    async def from_each(self, work: Callable[[str], Awaitable[None]]) -> None:
        """Does the work from all addresses at once, and again whenever it fails or ends."""

        async def keep_on(address: str) -> None:
            async for _ in self.every(0.2):
                with self.counting_refusals():
                    await work(address)

        async with asyncio.TaskGroup() as group:
            for address in self.addresses:
                group.create_task(keep_on(address))

    # Ways in ------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def http(self, address: str | None = None, login: Login | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """Returns a client that sends from `address`, with kept connections."""
        async with httpx.AsyncClient(
            base_url=self.url,
            transport=httpx.AsyncHTTPTransport(verify=PLAIN, local_address=address or self.address),
            timeout=PATIENCE_S,
            headers=authorization(login or self.login),
        ) as http:
            yield http

    async def request(self, http: httpx.AsyncClient, method: str, path: str, **options: Any) -> httpx.Response | None:
        """Sends a request and counts the status. Returns the response, or None if there was none."""
        with self.counting_refusals():
            response = await http.request(method, path, **options)
            self.counts[str(response.status_code)] += 1
            self.expect(response.status_code < 500 or response.status_code == 503, f"{method} {path[:60]} gave a 500")
            return response
        return None

    async def connected(self, address: str | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Opens a bare socket. Raises OSError."""
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.open_connection(self.host, self.port, local_addr=(address or self.address, 0))

    def head(self, method: str, path: str, *lines: str) -> bytes:
        """Returns the head of a request for a bare socket."""
        login = [f"{name}: {value}" for name, value in authorization(self.login).items()]
        return "\r\n".join(
            [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}", *login, *lines, "", ""]
        ).encode()

    @asynccontextmanager
    async def websocket(self, address: str | None = None, query: str = "") -> AsyncIterator[ClientConnection]:
        """Opens a session over `/ws`. Raises the errors that `counting_refusals` counts."""
        async with connect(
            self.url.replace("http", "ws", 1) + "/ws" + query,
            proxy=None,
            max_size=None,
            ping_interval=None,
            open_timeout=PATIENCE_S,
            close_timeout=0.5,
            local_addr=(address or self.address, 0),
            additional_headers=authorization(self.login),
        ) as socket:
            self.counts["sessions"] += 1
            try:
                yield socket
            finally:
                if (
                    socket.transport.get_write_buffer_size()
                ):  # The app does not read, so it would not receive a closing handshake.
                    socket.transport.abort()

    @asynccontextmanager
    async def bare_websocket(
        self, address: str | None = None, query: str = ""
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Opens a session for frames that no library sends. The caller reads what comes."""
        reader, writer = await self.connected(address)
        try:
            upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
            writer.write(self.head("GET", "/ws" + query, *upgrade, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="))
            async with asyncio.timeout(PATIENCE_S):
                answer = await reader.readuntil(b"\r\n\r\n")
            status = answer.split()[1].decode()
            self.counts[status if status != "101" else "sessions"] += 1
            if status != "101":
                raise ConnectionRefusedError(f"the app refused the WebSocket with {status}")
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(0.5):
                    await writer.wait_closed()

    def peer(self, address: str | None = None, **options: Any) -> Peer:
        """Returns a WebRTC client whose offer comes from `address`, as a context manager."""
        return Peer(
            self.url, address=address or self.address, login=self.login, connect_timeout_s=PATIENCE_S, **options
        )


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """Returns a WebSocket frame as a client sends it."""
    return Frame(opcode, data, fin).serialize(mask=True)


def message(type: str, **fields: Any) -> str:
    """Returns a message for `/ws` or the data channel."""
    return json.dumps({"type": type, **fields})


async def read_and_discard(reader: asyncio.StreamReader) -> None:
    """Reads and discards everything that comes."""
    while await reader.read(65_536):
        pass


def shrink_receive_buffer(writer: asyncio.StreamWriter) -> None:
    """Shrinks the buffer, so that the app soon notices a client who does not read."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
