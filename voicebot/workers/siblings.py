"""The client with which a worker asks the other workers of its machine, over their Unix sockets."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import BaseModel

from voicebot.runtime import limits
from voicebot.workers.place import WorkerPlace

logger = logging.getLogger(__name__)

CLIENT_HEADER = "voicebot-client"
"""Carries the address by which a client's limits are counted. Only workers can reach the sockets on which it counts."""

SENT_HEADER = "voicebot-sent"
"""Carries the time at which a request was sent, by the monotonic clock, which all processes of a machine share."""

ANSWER_S = 1.0
"""How long a sibling may take to answer a short question. Three workers on two busy cores took up to 14 ms."""

REST_S = 2.0
"""A sibling that was too slow is asked nothing for this time, so that it does not delay each request."""

OPEN_FOR_LONG_S = 120.0
"""How long a sibling may be silent while it sends a recording. It ends slow downloads itself, and earlier."""


class SiblingError(Exception):
    """A sibling gives no answer. `slow` tells whether it may still live; otherwise its process has ended."""

    def __init__(self, why: str, *, slow: bool) -> None:
        super().__init__(why)
        self.slow = slow


@dataclass(frozen=True, slots=True)
class SiblingAnswer:
    """The answer of a sibling to a request."""

    sibling: Path
    """The socket on which the sibling can be asked again."""
    status: int
    headers: httpx.Headers
    content: bytes


class Siblings:
    """The other workers of this machine: none if `place` is None, as one process then serves alone.

    They include those that are ending and still keep recordings. Each request has a connection of its own: both take
    0.7 ms together, and no worker has to know which of its connections another one has given up.
    """

    def __init__(self, place: WorkerPlace | None) -> None:
        self._place = place
        self._resting_until_s: dict[Path, float] = {}
        self._logged_s: dict[Path, float] = {}

    @property
    def sockets(self) -> list[Path]:
        """The sockets of the siblings. Some may be dead."""
        return [] if self._place is None else self._place.other_sockets()

    @property
    def own_name(self) -> str:
        """The name of this worker's socket, by which siblings find it."""
        assert self._place is not None
        return self._place.process_socket(os.getpid()).name

    def socket_named(self, name: str) -> Path:
        """Returns the socket of a sibling."""
        assert self._place is not None
        return self._place.folder / name

    async def ask(
        self,
        sibling: Path,
        method: str,
        path: str,
        *,
        client: str | None = None,
        content: BaseModel | None = None,
        within_s: float = ANSWER_S,
    ) -> SiblingAnswer:
        """Asks one sibling. `client` is the address of the client. Raises SiblingError."""
        if self._resting_until_s.get(sibling, 0.0) > time.monotonic():
            raise SiblingError("it was too slow a moment ago", slow=True)
        try:
            async with asyncio.timeout(within_s), _client(sibling, within_s) as http:
                body = None if content is None else content.model_dump_json()
                response = await http.request(method, path, headers=_headers(client, content), content=body)
        except (TimeoutError, httpx.TimeoutException):
            self._resting_until_s[sibling] = time.monotonic() + REST_S
            raise self._failed(sibling, f"no answer within {within_s:g} s", slow=True) from None
        except httpx.TransportError as error:
            raise self._failed(sibling, str(error) or type(error).__name__, slow=_lacks_files(error)) from None
        self._resting_until_s.pop(sibling, None)
        return SiblingAnswer(sibling, response.status_code, response.headers, response.content)

    async def ask_all(
        self, method: str, path: str, *, content: BaseModel | None = None
    ) -> Sequence[SiblingAnswer | SiblingError]:
        """Asks all siblings at once. Returns an answer or an error for each."""

        async def ask(sibling: Path) -> SiblingAnswer | SiblingError:
            try:
                return await self.ask(sibling, method, path, content=content)
            except SiblingError as error:
                return error

        return await asyncio.gather(*(ask(sibling) for sibling in self.sockets))

    async def find(self, method: str, path: str, *, content: BaseModel | None = None) -> SiblingAnswer | None:
        """Asks all siblings at once. Returns the first answer, in the order of the sockets, that is not a 404.

        Returns None if all of them answer 404 or have ended. Raises SiblingError if one of them is too slow to tell.
        """
        answers = await self.ask_all(method, path, content=content)
        found = (each for each in answers if isinstance(each, SiblingAnswer) and each.status != 404)
        if (first := next(found, None)) is not None:
            return first
        for each in answers:
            if isinstance(each, SiblingError) and each.slow:
                raise each
        return None

    @asynccontextmanager
    async def stream(self, sibling: Path, path: str, *, client: str) -> AsyncIterator[httpx.Response]:
        """Gets an answer of any length from one sibling; the block reads it. Raises SiblingError, also in the block."""
        try:
            async with (
                _client(sibling, OPEN_FOR_LONG_S) as http,
                http.stream("GET", path, headers=_headers(client, None)) as response,
            ):
                yield response
        except httpx.TransportError as error:
            slow = isinstance(error, httpx.TimeoutException) or _lacks_files(error)
            raise self._failed(sibling, str(error) or type(error).__name__, slow=slow) from None

    def _failed(self, sibling: Path, why: str, *, slow: bool) -> SiblingError:
        """Returns the error, and logs at most one for each sibling in `limits.LOG_AGAIN_S`."""
        now_s = time.monotonic()
        if now_s - self._logged_s.get(sibling, -limits.LOG_AGAIN_S) >= limits.LOG_AGAIN_S:
            self._logged_s[sibling] = now_s
            logger.warning("%s does not answer: %s", sibling.stem, why)
        return SiblingError(why, slow=slow)


def _lacks_files(error: BaseException) -> bool:
    """Returns whether this process could not open a socket, which says nothing about the sibling."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _client(sibling: Path, within_s: float) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(uds=str(sibling), verify=False)  # no TLS: loading certificates takes 25 ms
    return httpx.AsyncClient(transport=transport, base_url="http://worker", timeout=within_s, trust_env=False)


def _headers(client: str | None, content: BaseModel | None) -> dict[str, str]:
    headers = {SENT_HEADER: str(time.monotonic())} | ({} if client is None else {CLIENT_HEADER: client})
    return headers if content is None else headers | {"Content-Type": "application/json"}
