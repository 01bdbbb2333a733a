"""Attacks by audio packets that no microphone sends, over a real WebRTC connection."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiortc.rtp import RtpPacket

from tests.attacks.attack import EVERYWHERE, attack
from tests.attacks.peer import Peer
from tests.attacks.target import Target

SILENT = b"\xf8\xff\xfe"
"""20 ms of silence in Opus."""

SIX_FRAMES = b"\xfb\x06" + b"\xff\xfe" * 6
"""120 ms in one packet: code 3 of RFC 6716, six frames of constant size."""

RATE = 48_000
FRAME = 960


class Packets:
    """Sends packets in place of a peer's microphone. They continue its sequence numbers, as encryption requires."""

    def __init__(self, peer: Peer) -> None:
        (audio,) = (each for each in peer.peer.getTransceivers() if each.kind == "audio")
        self._transport = audio.sender.transport
        self._ssrc = audio.sender._ssrc
        self._payload_type = next(each.payloadType or 0 for each in audio._codecs if each.mimeType == "audio/opus")
        history: dict[int, RtpPacket] = vars(audio.sender)["_RTCRtpSender__rtp_history"]
        self.number, self.time = max((packet.sequence_number, packet.timestamp) for packet in history.values())

    async def send(self, payload: bytes = SILENT, *, step: int = FRAME, numbers: int = 1) -> None:
        """Sends a packet whose timestamp and sequence number advance by `step` and `numbers`."""
        self.number, self.time = (self.number + numbers) % 2**16, (self.time + step) % 2**32
        packet = RtpPacket(self._payload_type, 0, self.number, self.time, self._ssrc, payload)
        await self._transport._send_rtp(packet.serialize())

    async def send_rtcp(self, packet: bytes) -> None:
        await self._transport._send_rtp(packet)

    def receiver_report(self) -> bytes:
        return struct.pack("!BBHI", 0x80, 201, 1, self._ssrc)


@asynccontextmanager
async def packets(on: Target, address: str) -> AsyncIterator[Packets]:
    async with on.peer(address) as peer:
        on.counts["sessions"] += 1
        await peer.microphone.passed(2 * FRAME)
        peer.microphone.stop()
        await asyncio.sleep(0.1)  # The microphone's last packets have left by now.
        yield Packets(peer)


async def flood(on: Target, packets_per_s: int, send: Callable[[Packets, int], object]) -> None:
    """Sends packets at this rate from each address, in bursts of 5 ms."""
    burst = max(1, packets_per_s // 200)

    async def visit(address: str) -> None:
        async with packets(on, address) as sender:
            async for number in on.every(burst / packets_per_s):
                for index in range(burst):
                    await send(sender, number * burst + index)  # type: ignore[misc]
                on.counts["packets"] += burst

    await on.from_each(visit)


@attack("D5", locks=EVERYWHERE)
async def time_jumps(on: Target) -> None:
    """Sends fifty packets of 41 bytes a second, each a second ahead of the last. The bot would fill each gap."""
    await flood(on, 50, lambda packets, _: packets.send(step=RATE))


@attack("D5")
async def odd_jumps(on: Target) -> None:
    """Sends two hundred packets a second whose timestamps jump back, by hours or by 0.3 s, with matching numbers."""
    steps = (RATE * 3_600, -RATE, 14_400, -FRAME, 2**31, 0, 96_000)

    async def send(packets: Packets, index: int) -> None:
        await packets.send(step=steps[index % len(steps)], numbers=(1, 1, 500, 1, 30_000)[index % 5])

    await flood(on, 200, send)


@attack("D5")
async def packet_flood(on: Target) -> None:
    """Sends three thousand packets a second in order, each 20 ms long."""
    await flood(on, 3_000, lambda packets, _: packets.send())


@attack("D5")
async def long_packets(on: Target) -> None:
    """Sends three hundred packets a second of 120 ms each: thirty-six seconds of audio in one."""
    await flood(on, 300, lambda packets, _: packets.send(SIX_FRAMES, step=6 * FRAME))


@attack("D5")
async def garbage_packets(on: Target) -> None:
    """Sends packets that are not Opus, are 1,200 bytes long or empty, and a thousand reports a second."""
    payloads = (b"\xff" * 1_200, b"\x00", bytes(range(256)) * 4, b"\x03\x3f" + bytes(60))

    async def send(packets: Packets, index: int) -> None:
        if index % 2:
            await packets.send_rtcp(packets.receiver_report())
        else:
            await packets.send(payloads[index // 2 % len(payloads)])

    await flood(on, 2_000, send)


@attack("D3")
async def small_messages(on: Target) -> None:
    """Sends offers that accept messages of at most 10 bytes, so that the bot can send the session nothing."""

    async def visit(address: str) -> None:
        async with on.peer(address, munge=ten_bytes_at_most):
            on.counts["sessions"] += 1
            await asyncio.Event().wait()

    await on.from_each(visit)


def ten_bytes_at_most(sdp: str) -> str:
    """Limits the messages that the offer's data channel accepts to ten bytes, less than the bot sends."""
    lines = [line for line in sdp.splitlines() if not line.startswith("a=max-message-size")]
    at = next(index for index, line in enumerate(lines) if line.startswith("m=application")) + 1
    return "\r\n".join([*lines[: at + 1], "a=max-message-size:10", *lines[at + 1 :], ""])
