"""Finds the way to a TURN relay that is open from this machine.

A relay has several URLs: UDP, TCP and TLS on several ports. Browsers try all of them. aiortc uses only the first one
and waits 5 s for it, even where a firewall blocks it (github.com/aiortc/aioice/issues/3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from aioice import stun
from aioice.turn import create_turn_endpoint
from aiortc.rtcicetransport import parse_stun_turn_uri

from voicebot.transports.webrtc.ice.credentials import IceServer

PROBE_S = 2.5
"""A TLS handshake and an allocation take five round trips: 1 s to a relay on the other side of the world."""

RELEASE_S = 1.0

MAX_URLS = 8
"""Cloudflare names six."""

PREFERENCE = (("turn", "udp"), ("turn", "tcp"), ("turns", "tcp"))
"""Over TCP a lost packet delays the ones after it. Networks that let only web traffic through need TCP or TLS."""


@dataclass(frozen=True, slots=True)
class RelayProbe:
    """The best URL of a relay that answered, or the reasons why none did."""

    url: str | None
    problem: str | None = None

    @property
    def uses_udp(self) -> bool:
        return self.url is not None and _rank(self.url) == 0


class _Allocation(asyncio.DatagramProtocol):
    """Tells when the allocation on the relay has been released."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.released.set()


async def probe_relay(servers: Iterable[IceServer], timeout_s: float = PROBE_S) -> RelayProbe:
    """Tries all URLs of all relays at the same time, and returns the preferred one of those that work. Never raises."""
    ranked = [(_rank(url), url, server) for server in servers for url in server.urls]
    usable = sorted(((rank, url, server) for rank, url, server in ranked if rank is not None), key=lambda each: each[0])
    probes = {
        url: asyncio.create_task(_find_problem(url, server, timeout_s), name=f"probe {url}")
        for _, url, server in usable[:MAX_URLS]
    }
    problems = []
    try:
        for url, probe in probes.items():
            if (problem := await probe) is None:
                return RelayProbe(url)
            problems.append(problem)
        return RelayProbe(None, "; ".join(dict.fromkeys(problems)) or "it has no URL that can be used")
    finally:
        for probe in probes.values():
            probe.cancel()
        if probes:
            await asyncio.wait(probes.values())


def _rank(url: str) -> int | None:
    """Returns the place of a relay's URL in PREFERENCE, or None if aiortc can't use it."""
    try:
        parsed = parse_stun_turn_uri(url)
        return PREFERENCE.index((parsed["scheme"], parsed.get("transport")))
    except ValueError:
        return None


async def _find_problem(url: str, server: IceServer, timeout_s: float) -> str | None:
    """Allocates a place on the relay and releases it. Returns why that failed, or None."""
    parsed = parse_stun_turn_uri(url)
    try:
        async with asyncio.timeout(timeout_s):
            transport, allocation = await create_turn_endpoint(
                _Allocation,
                server_addr=(parsed["host"], parsed["port"]),
                username=server.username,
                password=server.credential,
                ssl=parsed["scheme"] == "turns",
                transport=parsed["transport"],
            )
    except stun.TransactionFailed as error:
        code = error.response.error_code
        return f"the relay does not accept the credentials ({code})" if code in (401, 441) else f"it refuses ({code})"
    except (TimeoutError, stun.TransactionTimeout):
        return f"no answer within {timeout_s:g} s"
    except (OSError, UnicodeError, OverflowError, stun.TransactionError) as error:  # no such name; no such port
        return f"it can't be reached ({type(error).__name__})"
    transport.close()
    with suppress(TimeoutError):  # the relay forgets the allocation by itself
        async with asyncio.timeout(RELEASE_S):
            await allocation.released.wait()
    return None
