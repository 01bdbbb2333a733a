"""A WebRTC peer that misbehaves as no browser does: odd offers, sound packets of its own, and fragments of SCTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiortc import RTCRtpTransceiver, RTCSctpTransport
from aiortc.rtcsctptransport import Chunk, DataChunk, tsn_plus_one
from aiortc.rtp import RtpPacket

from tests.support.rtc_client import Json, RtcClient

OPUS_SILENCE = b"\xf8\xff\xfe"
"""An Opus packet of 20 ms."""

TEXT = 51
"""The protocol number of text in a data channel (RFC 8831)."""


class Misuser(RtcClient):
    """Rewrites the SDP of its offer by `munge`. After the answer it waits for `may_connect` before it connects."""

    def __init__(self, base_url: str, munge: Callable[[str], str] = str, **options: Any) -> None:
        super().__init__(base_url, **options)
        self._munge = munge
        self.offered = asyncio.Event()
        self.may_connect = asyncio.Event()
        self.may_connect.set()
        self._number = 0

    def rewritten(self, sdp: str) -> str:
        return self._munge(sdp)

    async def _offer(self) -> Json:
        answer = await super()._offer()
        self.offered.set()
        await self.may_connect.wait()
        return answer

    @property
    def audio(self) -> RTCRtpTransceiver:
        (audio,) = (each for each in self.peer.getTransceivers() if each.kind == "audio")
        return audio

    def silence_microphone(self) -> None:
        """Stops the microphone, so that only `send_packet` sends sound."""
        self.audio.sender.replaceTrack(None)

    async def send_packet(self, payload: bytes = OPUS_SILENCE, *, time: int, ssrc: int = 1) -> None:
        """Sends a sound packet of this RTP time, with the next sequence number."""
        self._number += 1
        sender = self.audio.sender
        kind = next(codec.payloadType for codec in self.audio._codecs if codec.mimeType == "audio/opus")
        packet = RtpPacket(
            payload_type=kind or 0,
            sequence_number=self._number % 2**16,
            timestamp=time % 2**32,
            ssrc=ssrc,
            payload=payload,
        )
        await sender.transport._send_rtp(packet.serialize())

    async def send_rtcp(self, packet: bytes) -> None:
        await self.audio.sender.transport._send_rtp(packet)

    @property
    def sctp(self) -> RTCSctpTransport:
        assert self.peer.sctp is not None
        return self.peer.sctp

    async def send_chunk(self, chunk: Chunk) -> None:
        await self.sctp._send_chunk(chunk)

    async def send_fragment(self, data: bytes, *, flags: int, stream: int | None = None) -> None:
        """Sends a fragment of a message without waiting for any acknowledgement."""
        chunk = DataChunk(flags=flags)
        chunk.tsn = self.sctp._local_tsn
        self.sctp._local_tsn = tsn_plus_one(chunk.tsn)
        chunk.stream_id = (self.channel.id or 0) if stream is None else stream
        chunk.stream_seq = self.sctp._outbound_stream_seq.get(chunk.stream_id, 0)
        chunk.protocol, chunk.user_data = TEXT, data
        await self.send_chunk(chunk)
