"""Keeps the ICE servers of the next connection ready: TURN credentials are renewed before they expire."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from voicebot.settings.config import Settings
from voicebot.transports.webrtc.ice.credentials import CredentialsError, IceServer, choose_provider, issue_relays
from voicebot.transports.webrtc.ice.relay import RelayProbe, probe_relay

logger = logging.getLogger(__name__)

LIFETIME_S = 7_200
"""The shortest lifetime of credentials. A session that lasts longer gets credentials of twice its length: services
allow 172,800 s, and a session 86,400 s."""

CONNECT_S = 60.0
"""A page connects at most this long after it was given the credentials."""

RENEW_EARLY = 1.1
"""Credentials are renewed when they have this many times the lifetime left that a session needs."""

WAIT_S = 3.0
"""A visitor who comes while the first credentials are fetched, or the relay is probed, waits this long for them."""

RETRY_S, MAX_RETRY_S = 10.0, 300.0
"""The pause after a failure. It doubles with each further failure."""


@dataclass(frozen=True, slots=True)
class _Credentials:
    servers: list[IceServer]
    expire_s: float
    """By the event loop's clock."""


class IceServers:
    """The STUN and TURN servers of the settings, for the page and for the server's own end of a connection.

    One task fetches credentials and probes the relay, from `start` until `close`. All visitors share the credentials,
    so that services are asked seldom. They outlive every session that begins with them, as the relay asks for them
    again every few minutes.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._provider = choose_provider(settings)
        session_s = settings.session_minutes * 60
        self._lifetime_s = int(max(LIFETIME_S, 2 * session_s))
        self._needed_s = session_s + CONNECT_S
        self._credentials: _Credentials | None = None
        self._problem: str | None = None
        self._probe: RelayProbe | None = None
        self._fetched, self._probed = asyncio.Event(), asyncio.Event()
        """Set once the first attempt is over, whether or not it succeeded."""
        self._renewing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Fetches and probes in the background."""
        if self._provider != "none":
            self._renewing = asyncio.create_task(self._renew(), name="TURN credentials")
        elif self._settings.space_id is not None:
            logger.error("turn: no relay is set, so no sound reaches this Space or leaves it (docs/space.md, Voice)")

    async def wait_until_probed(self) -> None:
        """Waits until `health` can say whether the relay works. `start` must have been called."""
        if self._renewing is not None:
            await self._probed.wait()

    async def close(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])

    async def for_page(self) -> list[IceServer]:
        """Returns the servers for a visitor who connects within `valid_s`. Never raises: a relay may be missing."""
        await self._wait_for(self._fetched)
        return [*self._stun(), *self._relays()]

    async def for_server(self) -> list[IceServer]:
        """Returns the servers for our own end, with the one URL of the relay that is open from this machine.

        A visitor who wakes a Space comes while the relay is still being probed, and waits for that: aiortc would use
        the first URL, which is blocked there, and the visitor would have no relay after 5 s.
        """
        await self._wait_for(self._probed)
        servers = await self.for_page()
        if self._probe is None:
            return servers
        if (url := self._probe.url) is None:
            return self._stun()
        relays = [server.model_copy(update={"urls": (url,)}) for server in servers if url in server.urls]
        # Where the relay is not reached over UDP, STUN is not either: aiortc would wait 5 s for its answer.
        return [*(server for server in servers if not server.is_relay and self._probe.uses_udp), *relays]

    @property
    def valid_s(self) -> float | None:
        """How long a page may use the servers before it asks again; None without a relay."""
        return None if self._provider == "none" else max(CONNECT_S, self._left_s() - self._needed_s)

    @property
    def notice(self) -> str | None:
        """What a visitor should know: without a relay, no sound reaches a Space."""
        if self._settings.space_id is None or self._relays():
            return None
        return "No sound can reach or leave this Space until its owner sets up a relay (TURN)."

    @property
    def health(self) -> dict[str, Any]:
        """For operators: the provider, whether its relay works, its URL from here, and the problem, if there is one."""
        problem = self._problem or (self._probe.problem if self._probe is not None else None)
        return {
            "provider": self._provider,
            "ready": bool(self._relays()) and problem is None,
            "relay": None if self._probe is None else self._probe.url,
            "problem": problem,
        }

    def _stun(self) -> list[IceServer]:
        return [] if self._settings.stun_url is None else [IceServer(urls=(self._settings.stun_url,))]

    def _relays(self) -> list[IceServer]:
        return self._credentials.servers if self._credentials is not None and self._left_s() > CONNECT_S else []

    def _left_s(self) -> float:
        """Returns what is left of the credentials' lifetime."""
        return 0.0 if self._credentials is None else self._credentials.expire_s - asyncio.get_running_loop().time()

    async def _wait_for(self, event: asyncio.Event) -> None:
        if self._renewing is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(WAIT_S):
                    await event.wait()

    async def _renew(self) -> None:
        """Fetches credentials whenever the old ones would not outlive another session."""
        retry_s = RETRY_S
        while True:
            began_s = asyncio.get_running_loop().time()
            try:
                servers = await issue_relays(self._settings, self._lifetime_s)
            except CredentialsError as error:
                self._note_failure(str(error))
                await asyncio.sleep(retry_s)
                retry_s = min(MAX_RETRY_S, 2 * retry_s)
                continue
            if self._problem is not None or self._credentials is None:
                logger.info("turn: there is a login of %s for %d s", self._provider, self._lifetime_s)
            self._credentials = _Credentials(servers, began_s + self._lifetime_s)
            self._problem, retry_s = None, RETRY_S
            self._fetched.set()
            if self._probe is None:
                self._probed.clear()
            await self._probe_until_renewal(servers)

    def _note_failure(self, problem: str) -> None:
        if problem != self._problem:
            logger.error("turn: %s issued no credentials: %s", self._provider, problem)
        self._problem = problem
        self._fetched.set()
        self._probed.set()

    async def _probe_until_renewal(self, servers: list[IceServer]) -> None:
        """Probes the relay, again and again while it can't be reached, until new credentials are due."""
        while (due_s := self._left_s() - RENEW_EARLY * self._needed_s) > 0:
            found = await probe_relay(servers)
            if self._probe is None or self._probe.url != found.url:
                if found.url is not None:
                    logger.info("turn: the relay is reached by %s", found.url)
                else:
                    logger.error("turn: the relay can't be reached from here: %s", found.problem)
            self._probe = found
            self._probed.set()
            await asyncio.sleep(due_s if found.url is not None else min(due_s, MAX_RETRY_S))
