"""Puts a sound stream's RTP packets back in order, without delaying those that come in order.

See github.com/aiortc/aiortc/issues/543.
"""

from __future__ import annotations

from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket

MAX_HELD = 3
"""A missing packet is given up when this many later ones have come. So packets of 20 ms that come up to two places late
are still put in order, and a lost packet delays the next ones by 40 ms."""

MAX_GAP = 100
"""A jump of more packets than this, in either direction, begins another stream (aiortc's MAX_MISORDER: 2 s of 20 ms
packets)."""


class SoundRun(JitterFrame):
    """Packets that are in order: `pieces` are their payloads, each with its RTP time relative to the first one's.

    As in every JitterFrame, `timestamp` is the first packet's RTP time, and `data` is all payloads together.
    """

    def __init__(self, packets: list[RtpPacket]) -> None:
        first = packets[0].timestamp
        self.pieces = [((packet.timestamp - first) % 2**32, packet.payload) for packet in packets]
        super().__init__(data=b"".join(payload for _, payload in self.pieces), timestamp=first)


class SoundJitterBuffer:
    """Replaces aiortc's JitterBuffer for sound.

    aiortc's buffer returns at most one packet for each that comes in, so the delay behind a lost packet never shrinks:
    80 ms at first, some 280 ms for good after a loss. This buffer returns packets at once while they come in order, and
    all packets behind a gap together, so that its delay is 0 again from the next packet on.
    """

    def __init__(self) -> None:
        self._ssrc: int | None = None
        self._next = 0
        self._held: dict[int, RtpPacket] = {}

    def add(self, packet: RtpPacket) -> tuple[bool, SoundRun | None]:
        """Takes a packet as it arrives, and returns those that are in order, if any.

        The flag, by which aiortc's buffer asks for a new picture, is always False.
        """
        ahead = _distance(self._next, packet.sequence_number)
        if packet.ssrc != self._ssrc or abs(ahead) > MAX_GAP:
            self._ssrc, self._next = packet.ssrc, packet.sequence_number
            self._held.clear()
        elif ahead < 0:
            return False, None  # too late, or a duplicate
        self._held[packet.sequence_number] = packet
        if len(self._held) >= MAX_HELD and self._next not in self._held:
            self._next = min(self._held, key=lambda number: _distance(self._next, number))
        ready = []
        while (following := self._held.pop(self._next, None)) is not None:
            ready.append(following)
            self._next = (self._next + 1) % 2**16
        return False, SoundRun(ready) if ready else None


def _distance(start: int, end: int) -> int:
    """Returns the shorter distance from one 16-bit sequence number to another: -32768 to 32767."""
    return (end - start + 2**15) % 2**16 - 2**15
