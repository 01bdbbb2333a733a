"""The ICE servers of the next connection, whose TURN credentials are made anew before they expire."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from dataclasses import dataclass
from typing import Any

import httpx

from voicebot.runtime.clock import Clock
from voicebot.settings.config import Settings
from voicebot.transports.webrtc.ice.relay import Relay, find_relay
from voicebot.transports.webrtc.ice.server import AnswerError, IceServer, ice_servers
from voicebot.transports.webrtc.ice.services import chosen, credential_service, signed_login

logger = logging.getLogger(__name__)

FETCH_S = 5.0
WAIT_S = 3.0
"""How long a service may take, and how much of that a visitor waits: then it is without a relay."""

RETRY_S, MAX_RETRY_S = 10.0, 300.0
"""After a failure nobody asks again for so long; twice as long each time."""

SLACK_S = 60.0
"""Between having the servers and being connected; less than that of a credential's life is of no use."""

LEAD = 0.1
"""This share of its life before a credential is too old, the next is fetched, while visitors still get it."""


@dataclass(frozen=True, slots=True)
class _Credentials:
    servers: tuple[IceServer, ...]
    expire_s: float


class IceServers:
    """STUN and TURN servers as the settings have them, the same for page and server.

    A credential has to outlive the session that begins with it, as the relay asks for it again every few minutes: it is
    given away only while it does, or for three quarters of its life if that is shorter. All visitors share one, so
    services are asked seldom. `clock` is in seconds, from any origin.
    """

    def __init__(self, settings: Settings, clock: Clock = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._provider = chosen(settings)
        self._service = credential_service(settings)
        self._ttl_s = (
            settings.turn_ttl_s if self._service is None else min(settings.turn_ttl_s, self._service.max_ttl_s)
        )
        self._needed_s = min(settings.session_minutes * 60 + SLACK_S, 0.75 * self._ttl_s)
        self._client: httpx.AsyncClient | None = None
        self._current: _Credentials | None = None
        self._problem: str | None = None
        self._rest_s, self._retry_s = RETRY_S, 0.0
        self._relay: Relay | None = None
        self._relay_retry_s = 0.0
        self._fetching: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Fetch and try the first ones now, so that no visitor waits for them."""
        if self._provider == "none":
            if self._settings.space_id is not None:
                logger.error("turn: no relay is set: no sound gets into this Space, or out of it (README: TURN)")
            return
        self._refresh()
        if self._service is None:
            self._look()

    async def settle(self) -> None:
        """Wait for what is under way: then `health` says how it went."""
        while task := self._fetching or self._looking:
            await asyncio.wait([task])

    async def close(self) -> None:
        for task in (self._fetching, self._looking):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        if self._client is not None:
            await self._client.aclose()

    async def for_page(self) -> list[IceServer]:
        """For a visitor who connects within `valid_s`. Never raises: without a relay there is what there is."""
        if self._left_s() < self._needed_s * (1 + LEAD):
            self._refresh()
        if self._left_s() < self._needed_s and self._fetching is not None:
            await asyncio.wait([self._fetching], timeout=WAIT_S)
        return [*self._stun(), *self._turn()]

    async def for_server(self) -> list[IceServer]:
        """For our own end: of the relays only the way that is open from here, if that is known within `WAIT_S`.

        A visitor who wakes a Space comes while the ways are still being tried. aiortc would take the first one, which
        is blocked there: 5 s later the visitor would have no relay at all.
        """
        servers = await self.for_page()
        if self._relay is not None and self._relay.server is None:
            self._look()
        if self._relay is None and self._looking is not None:
            await asyncio.wait([self._looking], timeout=WAIT_S)
            servers = await self.for_page()
        if self._relay is None:
            return servers
        if (way := self._relay.server) is None:
            return self._stun()
        # Where the relay is not reached by UDP, no STUN server will be: aiortc would wait 5 s for its answer
        others = [server for server in servers if not server.is_relay] if self._relay.by_udp else []
        logins = (server for server in servers if set(way.urls) <= set(server.urls))
        return [*others, *(IceServer(way.urls, login.username, login.credential) for login in logins)]

    @property
    def valid_s(self) -> float | None:
        """How long a page may keep what it got before it should ask again; None: for ever."""
        if self._service is not None:
            return max(SLACK_S, self._left_s() - self._needed_s)
        return max(SLACK_S, self._ttl_s - self._needed_s) if self._settings.turn_secret is not None else None

    @property
    def notice(self) -> str | None:
        """What a visitor should know: nothing but HTTP gets into a Space, so that without a relay nobody is heard."""
        if self._settings.space_id is None or self._turn():
            return None
        return "No sound gets into this Space, or out of it, until its owner has set up a relay (TURN)."

    @property
    def health(self) -> dict[str, Any]:
        """For operators: whose relay it is, whether it can be used, by which way from here, and if not, why."""
        relay = self._relay.server if self._relay is not None else None
        problem = self._problem or (self._relay.problem if self._relay is not None else None)
        return {
            "provider": self._provider,
            "ready": self._provider != "none"
            and problem is None
            and (self._service is None or self._left_s() > SLACK_S),
            "relay": None if relay is None else relay.urls[0],
            "problem": problem,
        }

    def _stun(self) -> list[IceServer]:
        return [] if self._settings.stun_url is None else [IceServer((self._settings.stun_url,))]

    def _turn(self) -> tuple[IceServer, ...]:
        if self._provider == "static" and self._settings.turn_url is not None:
            return (self._own_relay(self._settings.turn_url),)
        return self._current.servers if self._current is not None and self._left_s() > SLACK_S else ()

    def _own_relay(self, url: str) -> IceServer:
        settings = self._settings
        if settings.turn_secret is not None:
            return IceServer((url,), *signed_login(settings.turn_secret.get_secret_value(), self._ttl_s))
        credential = None if settings.turn_credential is None else settings.turn_credential.get_secret_value()
        return IceServer((url,), settings.turn_username, credential)

    def _left_s(self) -> float:
        """What is left of the credentials' life; those that are not fetched have no end."""
        if self._service is None:
            return float("inf")
        return 0.0 if self._current is None else self._current.expire_s - self._clock()

    def _refresh(self) -> None:
        """Begin to fetch, unless that is going on, or has failed a moment ago."""
        if self._service is not None and self._fetching is None and self._clock() >= self._retry_s:
            self._fetching = asyncio.create_task(self._fetch(), name="TURN credentials")
            self._fetching.add_done_callback(self._fetched)

    def _fetched(self, _: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch(self) -> None:
        assert self._service is not None
        asked_s = self._clock()
        try:
            async with asyncio.timeout(FETCH_S):
                servers = await self._ask(self._service.request(self._ttl_s))
        except TimeoutError:
            self._failed(f"no answer within {FETCH_S:g} s")
        except httpx.HTTPError as error:
            self._failed(f"it can't be reached ({type(error).__name__})")
        except AnswerError as error:
            self._failed(str(error))
        else:
            if self._problem is not None or self._current is None:
                logger.info("turn: %s gives credentials, for %d s", self._provider, self._ttl_s)
            self._current = _Credentials(servers, asked_s + self._ttl_s)
            self._problem, self._rest_s, self._retry_s = None, RETRY_S, 0.0
            self._relay_retry_s = 0.0
            self._look()

    async def _ask(self, request: httpx.Request) -> tuple[IceServer, ...]:
        """Raises TimeoutError, httpx.HTTPError or AnswerError."""
        assert self._service is not None
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=FETCH_S)
        response = await self._client.send(request)
        if response.status_code in (401, 403):
            raise AnswerError(f"it does not accept {self._service.keys} ({response.status_code})")
        if not response.is_success:
            raise AnswerError(f"it answers with status {response.status_code}")
        try:
            answer = response.json()
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise AnswerError("its answer can't be used: it is no JSON") from None
        try:
            return ice_servers(answer)
        except AnswerError as error:
            raise AnswerError(f"its answer can't be used: {error}") from None

    def _failed(self, problem: str) -> None:
        if problem != self._problem:
            logger.error("turn: %s gives no credentials: %s", self._provider, problem)
        self._problem = problem
        self._retry_s = self._clock() + self._rest_s
        self._rest_s = min(MAX_RETRY_S, 2 * self._rest_s)

    def _look(self) -> None:
        """Begin to look for the way to the relay, unless that is going on, or was done a moment ago."""
        if self._looking is None and self._clock() >= self._relay_retry_s:
            self._looking = asyncio.create_task(self._find_relay(), name="TURN relay")
            self._looking.add_done_callback(self._looked)

    def _looked(self, _: asyncio.Task[None]) -> None:
        self._looking = None

    async def _find_relay(self) -> None:
        found = await find_relay(self._turn())
        self._relay_retry_s = self._clock() + MAX_RETRY_S
        news = self._relay is None or (self._relay.server is None) != (found.server is None)
        if found.server is not None and news:
            logger.info("turn: the relay is reached by %s", found.server.urls[0])
        elif news:
            logger.error("turn: no way to the relay from here: %s", found.problem)
        self._relay = found
