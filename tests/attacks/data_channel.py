"""What comes up a data channel and is no message of a page."""

from __future__ import annotations

import asyncio

from aiortc.rtcsctptransport import (
    SCTP_DATA_FIRST_FRAG,
    DataChunk,
    RTCSctpTransport,
    tsn_plus_one,
)

from tests.attacks.attack import EVERYWHERE, attack
from tests.attacks.target import Target, message

STRING = 51
"""The protocol number of text (RFC 8831)."""
PENDING = 64
"""Chunks that wait to be sent: the attacker's memory is no matter here."""


async def send_chunk(transport: RTCSctpTransport, flags: int, data: bytes, stream: int, number: int) -> None:
    """A piece of a message that says itself what it is of it."""
    chunk = DataChunk()
    chunk.flags = flags
    chunk.tsn = transport._local_tsn
    chunk.stream_id, chunk.stream_seq, chunk.protocol = stream, number, STRING
    chunk.user_data = data
    chunk._abandoned = chunk._acked = chunk._in_flight = chunk._retransmit = False
    chunk._book_size = len(data)
    chunk._expiry = chunk._max_retransmits = chunk._sent_time = None
    chunk._misses = chunk._sent_count = 0
    transport._local_tsn = tsn_plus_one(transport._local_tsn)
    transport._outbound_queue.append(chunk)
    await transport._transmit()


async def endless(on: Target, address: str, size: int) -> None:
    async with on.peer(address) as peer:
        on.counts["sessions"] += 1
        transport, stream = peer.peer.sctp, peer.channel.id
        assert transport is not None
        assert stream is not None
        number = transport._outbound_stream_seq.get(stream, 0)
        flags = SCTP_DATA_FIRST_FRAG
        async for _ in on.every(0.001):
            if peer.state in ("closed", "failed"):
                return
            if len(transport._outbound_queue) < PENDING:
                await send_chunk(transport, flags, b"x" * size, stream, number)
                on.counts["chunks"] += 1
                flags = 0


@attack("D14", locks=EVERYWHERE)
async def endless_message(on: Target) -> None:
    """A message without an end, in chunks of 1 kB."""
    await on.from_each(lambda address: endless(on, address, 1_100))


@attack("D14", addresses=2)
async def endless_crumbs(on: Target) -> None:
    """A message without an end, in chunks of one byte."""
    await on.from_each(lambda address: endless(on, address, 1))


@attack("D14", addresses=2)
async def message_flood(on: Target) -> None:
    """Small messages, a thousand a second, which FastRTC would answer one by one."""
    texts = [message("dispute", verdict=1, disputed=True), "x", message("text", text="hello"), "[" * 900]

    async def visit(address: str) -> None:
        async with on.peer(address) as peer:
            on.counts["sessions"] += 1
            async for number in on.every(0.01):
                if peer.state in ("closed", "failed") or peer.channel.readyState != "open":
                    return
                if peer.channel.bufferedAmount < 100_000:
                    for index in range(10):
                        peer.channel.send(texts[(number + index) % len(texts)])
                    on.counts["messages"] += 10

    await on.from_each(visit)


@attack("D14")
async def many_channels(on: Target) -> None:
    """Data channels without end, and large messages on each."""

    async def visit(address: str) -> None:
        async with on.peer(address) as peer:
            on.counts["sessions"] += 1
            async for number in on.every(0.02):
                if peer.state in ("closed", "failed"):
                    return
                channel = peer.peer.createDataChannel(f"more {number}")
                await asyncio.sleep(0)
                if channel.readyState == "open":
                    channel.send("x" * 60_000)
                on.counts["channels"] += 1

    await on.from_each(visit)
