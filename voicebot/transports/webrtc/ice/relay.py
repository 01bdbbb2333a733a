"""Which way to a relay is open from this machine: tried once, as aiortc uses one way only, and waits 5 s for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from aioice import stun
from aioice.turn import create_turn_endpoint
from aiortc.rtcicetransport import parse_stun_turn_uri

from voicebot.transports.webrtc.ice.server import IceServer

logger = logging.getLogger(__name__)

TIMEOUT_S = 3.0
GRACE_S = 1.0
"""Once a way is found to be open, better ones have this much longer to answer."""
GOODBYE_S = 1.0

MAX_WAYS = 8
"""Services name six or seven."""

PREFERENCE = (("turn", "udp"), ("turn", "tcp"), ("turns", "tcp"))
"""Over TCP a lost packet delays the ones after it. Networks that let only the web through need TCP or TLS."""


@dataclass(frozen=True, slots=True)
class Relay:
    """The best way that is open, as the one server that it is; else why none is."""

    server: IceServer | None
    problem: str | None = None

    @property
    def by_udp(self) -> bool:
        return self.server is not None and _rank(self.server.urls[0]) == 0


class _Allocation(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.lost = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)


async def find_relay(servers: Iterable[IceServer], timeout_s: float = TIMEOUT_S) -> Relay:
    """Ask for a place on each relay by each way, all at once, and give the places back. Never raises."""
    ways = [
        (IceServer((url,), server.username, server.credential), _rank(url))
        for server in servers
        if server.is_relay
        for url in server.urls
    ]
    usable = sorted(((way, rank) for way, rank in ways if rank is not None), key=lambda each: each[1])[:MAX_WAYS]
    tries = {asyncio.create_task(_problem_of(way, timeout_s), name=f"try {way.urls[0]}"): way for way, _ in usable}
    try:
        for each in asyncio.as_completed(tries):
            if await each is None:
                best = next(iter(tries))
                await asyncio.wait([best], timeout=GRACE_S)
                break
        for task, way in tries.items():
            if task.done() and task.result() is None:
                return Relay(way)
        problems = [task.result() for task in tries]
        return Relay(None, "; ".join(dict.fromkeys(filter(None, problems))) or "it has no address that can be used")
    finally:
        for task in tries:
            task.cancel()
        if tries:
            await asyncio.wait(tries)


def _rank(url: str) -> int | None:
    try:
        parsed = parse_stun_turn_uri(url)
        return PREFERENCE.index((parsed["scheme"], parsed["transport"]))
    except ValueError:  # no address of a relay, or by a way that aiortc does not know
        return None


async def _problem_of(way: IceServer, timeout_s: float) -> str | None:
    """Why there is no place on the relay this way; None if there is one."""
    parsed = parse_stun_turn_uri(way.urls[0])
    try:
        async with asyncio.timeout(timeout_s):
            transport, allocation = await create_turn_endpoint(
                _Allocation,
                server_addr=(parsed["host"], parsed["port"]),
                username=way.username,
                password=way.credential,
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
    await asyncio.wait([allocation.lost], timeout=GOODBYE_S)
    return None
