"""Closes WebRTC connections in bounded time."""

from __future__ import annotations

import asyncio

from aiortc import RTCPeerConnection

SOCKETS_S = 1.0


async def close_peer(peer: RTCPeerConnection, within_s: float) -> None:
    """Closes a connection. May be called again.

    aiortc's `close` can wait for ever (github.com/aiortc/aiortc/issues/283 and 1104). Raises TimeoutError if it takes
    longer than `within_s`; the connection's sockets are closed nevertheless.
    """
    try:
        async with asyncio.timeout(within_s):
            await peer.close()
    except TimeoutError:
        transports = [each.receiver.transport for each in peer.getTransceivers()]
        if peer.sctp is not None:
            transports.append(peer.sctp.transport)
        closing = [asyncio.ensure_future(ice.stop()) for ice in {each.transport for each in transports}]
        if closing:
            await asyncio.wait(closing, timeout=SOCKETS_S)
        raise
