"""A bad network between a test peer and the bot."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from aiortc.rtcicetransport import RTCIceTransport
from aiortc.rtp import is_rtcp

Send = Callable[[bytes], Awaitable[None]]


class Link:
    """Loses and reorders the sound packets of a peer, always the same ones for the same seed. All other packets pass.

    `loss` and `reorder` are shares from 0 to 1. A reordered packet is sent after `reorder_by` later ones.
    """

    def __init__(self, *, loss: float = 0.0, reorder: float = 0.0, reorder_by: int = 1, seed: int = 0) -> None:
        self.loss = loss
        self.reorder = reorder
        self.reorder_by = reorder_by
        self.sent = 0
        self.lost = 0
        self.late = 0
        self._random = random.Random(seed)
        self._drop = 0
        self._late: list[tuple[int, bytes]] = []
        self._transport: RTCIceTransport
        self._send: Send

    def drop_next(self, packets: int) -> None:
        """Loses the next `packets` sound packets."""
        self._drop += packets

    def attach(self, transport: RTCIceTransport) -> None:
        """Inserts the link between the peer's encryption and its socket."""
        self._transport = transport
        self._send = transport._send
        transport._send = self._pass

    def cut(self) -> None:
        """Blocks everything that the peer sends from now on, as if it had vanished without a goodbye."""
        for protocol in self._transport._connection._protocols:
            vars(protocol).update(send_data=_send_nothing, send_stun=lambda message, address: None)

    async def _pass(self, data: bytes) -> None:
        if not 128 <= data[0] < 192 or is_rtcp(data):  # DTLS and RTCP packets hold no sound (RFC 7983)
            await self._send(data)
            return
        self.sent += 1
        if self._drop:
            self._drop -= 1
            self.lost += 1
        elif self._random.random() < self.loss:
            self.lost += 1
        elif self._random.random() < self.reorder:
            self.late += 1
            self._late.append((self.sent + self.reorder_by, data))
            return
        else:
            await self._send(data)
        due = [packet for turn, packet in self._late if turn <= self.sent]
        self._late = [(turn, packet) for turn, packet in self._late if turn > self.sent]
        for packet in due:
            await self._send(packet)


async def _send_nothing(data: bytes, address: tuple[str, int]) -> None:
    """Replaces aioice's StunProtocol.send_data."""
