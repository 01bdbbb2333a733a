"""Sound between the socket and the session without aiortc's tasks: what is sent, and in which order it is received."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pylibsrtp
import pytest
from aiortc.codecs.opus import OpusDecoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcdtlstransport import State
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpParameters,
)
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from aiortc.rtp import HeaderExtensionsMap, RtpPacket
from av import AudioFrame

from tests.support.opus_packets import tone
from voicebot.audio.sound import FRAME_SAMPLES, SILENT_FRAME, Samples, is_silent
from voicebot.transports.webrtc.aiortc_tuning.direct_sound import (
    EXTENSIONS_MAP,
    MID,
    OCTETS,
    PACKETS,
    RTP_TIME,
    SoundSender,
    SoundSource,
    receive_directly,
    receive_packet,
    wire_frame,
)
from voicebot.transports.webrtc.aiortc_tuning.sound_path import encoder_for

OPUS = RTCRtpCodecParameters(mimeType="audio/opus", clockRate=48_000, channels=2, payloadType=111)
CLIENT = ("192.0.2.1", 50_000)
KEY = bytes(range(30))

EXTENSIONS = HeaderExtensionsMap()
EXTENSIONS.configure(
    RTCRtpParameters(
        headerExtensions=[
            RTCRtpHeaderExtensionParameters(1, "urn:ietf:params:rtp-hdrext:sdes:mid"),
            RTCRtpHeaderExtensionParameters(2, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"),
        ]
    )
)


def srtp(kind: int) -> pylibsrtp.Session:
    return pylibsrtp.Session(pylibsrtp.Policy(KEY, ssrc_type=kind))


class Wire:
    """Both ends of a connection that stands: what the sender sends, decrypted by the client."""

    def __init__(self) -> None:
        self.packets: list[RtpPacket] = []
        self._client = srtp(pylibsrtp.Policy.SSRC_ANY_INBOUND)
        pair = SimpleNamespace(
            remote_addr=CLIENT, protocol=SimpleNamespace(transport=SimpleNamespace(sendto=self._receive))
        )
        self.nominated: dict[int, Any] = {1: pair}
        connection = SimpleNamespace(_nominated=self.nominated)
        self.transport = SimpleNamespace(
            _state=State.CONNECTED,
            _tx_srtp=srtp(pylibsrtp.Policy.SSRC_ANY_OUTBOUND),
            transport=SimpleNamespace(_connection=connection),
        )
        self.sender = SimpleNamespace(transport=self.transport, _ssrc=77, **{EXTENSIONS_MAP: EXTENSIONS, MID: "0"})

    def _receive(self, data: bytes, address: tuple[str, int]) -> None:
        assert address == CLIENT
        self.packets.append(RtpPacket.parse(self._client.unprotect(data), EXTENSIONS))

    def send(self, samples: Samples) -> None:
        sender = SoundSender(cast(Any, self.sender), OPUS, encoder_for(OPUS))
        for start in range(0, len(samples), FRAME_SAMPLES):
            frame = samples[start : start + FRAME_SAMPLES]
            sender.send(frame, start, silent=is_silent(frame))


def test_packets_have_consecutive_numbers_and_times_the_level_and_the_media_section() -> None:
    wire = Wire()
    wire.send(np.concatenate([tone(5), np.zeros(20 * FRAME_SAMPLES, np.int16), tone(5)]))
    first = wire.packets[0]
    assert {(each.ssrc, each.payload_type, each.marker, each.extensions.mid) for each in wire.packets} == {
        (77, 111, 1, "0")
    }
    for place, packet in enumerate(wire.packets):
        assert packet.sequence_number == (first.sequence_number + place) % 2**16
        assert packet.timestamp == (first.timestamp + place * FRAME_SAMPLES) % 2**32
    levels = [each.extensions.audio_level[1] for each in wire.packets if each.extensions.audio_level]
    assert levels[5:25] == [127] * 20
    assert len(set(levels[:5] + levels[25:])) == 1
    assert levels[0] < 20
    assert vars(wire.sender)[PACKETS] == 30
    assert vars(wire.sender)[OCTETS] == sum(len(each.payload) for each in wire.packets)
    assert vars(wire.sender)[RTP_TIME] == wire.packets[25].timestamp
    sound = [
        frame for each in wire.packets for frame in OpusDecoder().decode(JitterFrame(each.payload, each.timestamp))
    ]
    assert sum(frame.samples for frame in sound if isinstance(frame, AudioFrame)) == 30 * FRAME_SAMPLES


def test_nothing_is_sent_while_there_is_no_connection() -> None:
    wire = Wire()
    vars(wire.transport)["_state"] = State.CLOSED
    wire.send(tone(3))
    vars(wire.transport)["_state"] = State.CONNECTED
    wire.nominated.clear()
    wire.send(tone(3))
    assert not wire.packets


class Voice(SoundSource):
    async def recv(self) -> AudioFrame:
        raise NotImplementedError


async def test_a_source_sends_until_it_ends() -> None:
    source, sender = Voice(), cast(SoundSender, object())
    sending = asyncio.create_task(source.send_until_end(sender))
    await asyncio.sleep(1)
    assert source.sender is sender
    source.stop()
    with pytest.raises(MediaStreamError):
        await sending
    assert source.sender is None
    with pytest.raises(MediaStreamError):
        await source.send_until_end(sender)


async def test_sound_that_waited_for_its_reader_comes_before_sound_that_is_received_directly() -> None:
    track, heard = RemoteStreamTrack("audio"), list[int | None]()

    async def read() -> None:
        while True:
            heard.append((await track.recv()).pts)
            await asyncio.sleep(0)

    def come(place: int) -> None:
        vars(track)["_queue"].put_nowait(wire_frame(SILENT_FRAME, place))

    for place in range(3):
        come(place)
    receive_directly(track, lambda frame: heard.append(frame.pts))
    reading = asyncio.create_task(read())
    come(3)
    assert not heard
    await asyncio.sleep(1)  # on the simulated clock: until all tasks wait
    assert heard == [0, 1, 2, 3]
    come(4)
    assert heard == [0, 1, 2, 3, 4], "the last one is received at once"
    vars(track)["_queue"].put_nowait(None)
    with pytest.raises(MediaStreamError):
        await reading


class Incoming:
    """A transport with a receiver that keeps the payloads it gets."""

    def __init__(self, *, waits: bool = False) -> None:
        self.heard: list[bytes] = []
        self._waits = waits
        self._client = srtp(pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        router = SimpleNamespace(route_rtp=lambda packet: self if packet.ssrc == 77 else None)
        self.transport = SimpleNamespace(
            _state=State.CONNECTED,
            _rx_srtp=srtp(pylibsrtp.Policy.SSRC_ANY_INBOUND),
            _rtp_header_extensions_map=EXTENSIONS,
            _rtp_router=router,
        )

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        if self._waits:
            await asyncio.sleep(0)
        self.heard.append(packet.payload)

    def come(self, number: int, ssrc: int = 77) -> bool:
        packet = RtpPacket(payload_type=111, sequence_number=number, ssrc=ssrc, payload=b"sound %d" % number)
        return receive_packet(cast(Any, self.transport), self._client.protect(packet.serialize(EXTENSIONS)))


def test_a_packet_is_received_at_once_and_strange_ones_are_dropped() -> None:
    incoming = Incoming()
    assert incoming.come(1)
    assert receive_packet(cast(Any, incoming.transport), b"\x80" * 60)
    assert incoming.come(2, ssrc=5)
    assert incoming.come(3)
    assert incoming.heard == [b"sound 1", b"sound 3"]


def test_packets_before_and_after_the_connection_are_left_to_aiortc() -> None:
    incoming = Incoming()
    vars(incoming.transport)["_rx_srtp"] = None
    assert not incoming.come(1)
    vars(incoming.transport)["_state"] = State.CLOSED
    assert not incoming.come(2)
    assert not incoming.heard


def test_a_receiver_that_waits_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="never waited"):
        Incoming(waits=True).come(1)
