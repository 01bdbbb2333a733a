"""The app as an attack sees it: an address to send to, addresses to send from, and what came back."""

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
"""How an app that defends itself looks from outside."""

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Never used on loopback, but each client would make one of its own, which takes longer than an attack may."""

PATIENCE_S = 5.0
"""How long an attacker waits for one answer."""


@dataclass(slots=True)
class Target:
    """`counts` are what the app did, `problems` what it should not have done. `bystander` is an honest user's address,
    for what such a one does meanwhile. `login` is the attacker's, if it has the password of a `locked` app.
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
        """The attacker stands before a locked door."""
        return self.locked and self.login is None

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80

    # What came of it ----------------------------------------------------------------------------------------------

    def expect(self, condition: object, problem: str) -> None:
        """The attack has an effect that it must not have, unless `condition` holds."""
        if not condition and problem not in self.problems:
            self.problems.append(problem)

    @contextlib.contextmanager
    def trying(self) -> Iterator[None]:
        """Counts what the network or the app refuses, and goes on."""
        try:
            yield
        except InvalidStatus as refused:
            self.counts[str(refused.response.status_code)] += 1
        except OfferRefusedError as refused:
            self.counts[str(refused.status)] += 1
        except NETWORK as error:
            self.counts[type(error).__name__] += 1

    # Pace ---------------------------------------------------------------------------------------------------------

    async def every(self, interval_s: float, most: int | None = None) -> AsyncIterator[int]:
        """Counts up, a step each `interval_s`, for ever or to `most`; steps that are missed are not made up for."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        number = 0
        while most is None or number < most:
            yield number
            number += 1
            due_s = max(due_s + interval_s, loop.time())
            await asyncio.sleep(due_s - loop.time())

    async def from_each(self, work: Callable[[str], Awaitable[None]]) -> None:
        """The same from all addresses at once, again and again where it fails or ends."""

        async def keep_on(address: str) -> None:
            async for _ in self.every(0.2):
                with self.trying():
                    await work(address)

        async with asyncio.TaskGroup() as group:
            for address in self.addresses:
                group.create_task(keep_on(address))

    # Ways in ------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def http(self, address: str | None = None, login: Login | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """A client that sends from `address`, with connections that are kept."""
        async with httpx.AsyncClient(
            base_url=self.url,
            transport=httpx.AsyncHTTPTransport(verify=PLAIN, local_address=address or self.address),
            timeout=PATIENCE_S,
            headers=authorization(login or self.login),
        ) as http:
            yield http

    async def request(self, http: httpx.AsyncClient, method: str, path: str, **options: Any) -> httpx.Response | None:
        """The answer, whose status is counted; None if there was none."""
        with self.trying():
            response = await http.request(method, path, **options)
            self.counts[str(response.status_code)] += 1
            self.expect(response.status_code < 500 or response.status_code == 503, f"{method} {path[:60]} gave a 500")
            return response
        return None

    async def connected(self, address: str | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare socket. Raises OSError."""
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.open_connection(self.host, self.port, local_addr=(address or self.address, 0))

    def head(self, method: str, path: str, *lines: str) -> bytes:
        """The head of a request over a bare socket."""
        login = [f"{name}: {value}" for name, value in authorization(self.login).items()]
        return "\r\n".join(
            [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}", *login, *lines, "", ""]
        ).encode()

    @asynccontextmanager
    async def websocket(self, address: str | None = None, query: str = "") -> AsyncIterator[ClientConnection]:
        """A session over `/ws`. Raises what `trying` counts."""
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
                if socket.transport.get_write_buffer_size():  # the app does not read: it would hear no goodbye
                    socket.transport.abort()

    @asynccontextmanager
    async def bare_websocket(
        self, address: str | None = None, query: str = ""
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """The same for frames that no library sends. What comes is the caller's to read."""
        reader, writer = await self.connected(address)
        try:
            upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
            writer.write(self.head("GET", "/ws" + query, *upgrade, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="))
            async with asyncio.timeout(PATIENCE_S):
                answer = await reader.readuntil(b"\r\n\r\n")
            status = answer.split()[1].decode()
            self.counts[status if status != "101" else "sessions"] += 1
            if status != "101":
                raise ConnectionRefusedError(f"the websocket was refused with {status}")
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(0.5):
                    await writer.wait_closed()

    def peer(self, address: str | None = None, **options: Any) -> Peer:
        """A WebRTC client whose offer comes from `address`, as a context manager."""
        return Peer(
            self.url, address=address or self.address, login=self.login, connect_timeout_s=PATIENCE_S, **options
        )


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """A websocket frame as a client sends it."""
    return Frame(opcode, data, fin).serialize(mask=True)


def message(type: str, **fields: Any) -> str:
    """A message for `/ws` or the data channel."""
    return json.dumps({"type": type, **fields})


async def swallowed(reader: asyncio.StreamReader) -> None:
    """Reads, and forgets, all that comes."""
    while await reader.read(65_536):
        pass


def shrink_receive_buffer(writer: asyncio.StreamWriter) -> None:
    """So that a client who does not read is felt soon."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
