"""Carries sound between the socket and the session in one call, without tasks and queues in between.

aiortc hands each packet from the socket to a task, its sound to another task, and each of the bot's frames to a third.
Each of them wakes up 50 times a second for some microseconds of work, and all of that takes more processor time than
the codec. The functions use private members of aiortc 1.16 and aioice 0.13, and `missing` returns those that the
installed versions lack.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine
from fractions import Fraction
from struct import pack
from typing import Any

import numpy as np
import pylibsrtp
from aioice.ice import Connection
from aiortc import MediaStreamTrack, RTCRtpReceiver, RTCRtpSender, clock
from aiortc.codecs.base import Encoder
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcdtlstransport import RTCDtlsTransport, State
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from aiortc.rtcrtpsender import random_sequence_number
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap, RtpPacket
from aiortc.utils import random32
from av import AudioFrame

from voicebot.audio.sound import WIRE_RATE_HZ, Samples
from voicebot.transports.webrtc.aiortc_tuning.opus import VoiceEncoder

logger = logging.getLogger(__name__)

SENDER = "_RTCRtpSender__"
EXTENSIONS_MAP, MID = f"{SENDER}rtp_header_extensions_map", f"{SENDER}mid"
NTP_TIME, RTP_TIME = f"{SENDER}ntp_timestamp", f"{SENDER}rtp_timestamp"
OCTETS, PACKETS = f"{SENDER}octet_count", f"{SENDER}packet_count"

CLOCK_PACKETS = 25
"""The times for the sender's reports, which aiortc sends every 0.5 to 1.5 s, are taken once in this many packets."""

LEVEL_MIN_DBOV = -127
LEVEL_REFERENCE = 32767


def level_dbov(samples: Samples) -> int:
    """Returns the level of int16 samples, from -127 (silence) to 0 dBov (RFC 6465, appendix A)."""
    values = samples.astype(np.float64)
    energy = float(values @ values)
    if energy == 0.0:
        return LEVEL_MIN_DBOV
    level = 20 * math.log10(math.sqrt(energy / (len(values) * LEVEL_REFERENCE * LEVEL_REFERENCE)))
    return round(min(max(level, LEVEL_MIN_DBOV), 0))


def wire_frame(samples: Samples, position: int) -> AudioFrame:
    """Returns mono sound at 48 kHz, int16 of shape (n,), as aiortc's frame. `position` counts the stream's samples."""
    frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = WIRE_RATE_HZ
    frame.pts = position
    frame.time_base = Fraction(1, WIRE_RATE_HZ)
    return frame


# From the client ------------------------------------------------------------------------------------------------------


def receive_packet(transport: RTCDtlsTransport, data: bytes) -> bool:
    """Decrypts and handles a packet of sound (SRTP). Returns False if aiortc's task has to read it.

    Packets that are no valid RTP are dropped, as aiortc drops them.
    """
    if transport._state is not State.CONNECTED or transport._rx_srtp is None:
        return False
    try:
        packet = RtpPacket.parse(transport._rx_srtp.unprotect(data), transport._rtp_header_extensions_map)
    except (pylibsrtp.Error, ValueError) as error:
        logger.debug("a packet of sound could not be read: %s", error)
        return True
    receiver = transport._rtp_router.route_rtp(packet)
    if receiver is not None:
        _run_to_end(receiver._handle_rtp_packet(packet, arrival_time_ms=0))  # only video uses the time
    return True


def _run_to_end(work: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine that never waits. Raises RuntimeError if it does."""
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise RuntimeError("aiortc waits where it never waited")


class _DirectQueue(asyncio.Queue[AudioFrame | None]):
    """Replaces the queue between a receiver and its track: what is put into the empty queue is received at once."""

    def __init__(self, receive: Callable[[AudioFrame], None], waiting: asyncio.Queue[AudioFrame | None]) -> None:
        super().__init__()
        self._receive = receive
        while not waiting.empty():
            super().put_nowait(waiting.get_nowait())

    def put_nowait(self, item: AudioFrame | None) -> None:
        if item is None or not self.empty():
            super().put_nowait(item)
        else:
            self._receive(item)


def receive_directly(track: MediaStreamTrack, receive: Callable[[AudioFrame], None]) -> None:
    """Hands the sound of a remote track to `receive` from now on.

    Sound that waits in the track is left to its reader, who must not be waiting for more, and comes before the rest.
    """
    assert isinstance(track, RemoteStreamTrack)
    track._queue = _DirectQueue(receive, track._queue)


# To the client --------------------------------------------------------------------------------------------------------


class SoundSource(MediaStreamTrack):
    """A track that sends its sound itself, with `sender`, instead of being read by aiortc."""

    kind = "audio"

    sender: SoundSender | None = None
    """Sends to the client; None before the connection stands and after its end."""

    async def send_until_end(self, sender: SoundSender) -> None:
        """Has the track send with `sender`. Raises MediaStreamError when the track has ended."""
        ended = asyncio.Event()
        self.once("ended", ended.set)
        self.sender = sender
        try:
            if self.readyState == "live":
                await ended.wait()
        finally:
            self.sender = None
        raise MediaStreamError


class SoundSender:
    """Encodes, encrypts and sends frames of 20 ms. It replaces the loop of aiortc's sender (`RTCRtpSender._run_rtp`).

    Like aiortc, it names the media section and the level of the sound in each packet.
    """

    def __init__(self, sender: RTCRtpSender, codec: RTCRtpCodecParameters, encoder: Encoder) -> None:
        self._sender, self._encoder = sender, encoder
        self._second_byte = 0x80 | (codec.payloadType or 0)
        self._transport: RTCDtlsTransport = sender.transport
        self._connection: Connection = sender.transport.transport._connection
        self._origin, self._number = random32(), random_sequence_number()
        self._packets = self._bytes = 0
        self._extensions: dict[int, tuple[int, bytes]] = {}
        """The first byte of the header and its extensions, for each level that has occurred."""

    def send(self, samples: Samples, position: int, *, silent: bool) -> None:
        """Sends the samples from `position` of the stream on, int16 of shape (960,). `silent`: all of them are 0."""
        silence = self._encoder.encode_silence() if silent and isinstance(self._encoder, VoiceEncoder) else None
        payloads, timestamp = silence or self._encoder.encode(wire_frame(samples, position))
        level = LEVEL_MIN_DBOV if silent else level_dbov(samples)
        for payload in payloads:
            self._send(payload, (self._origin + timestamp) % 2**32, level)

    def _send(self, payload: bytes, timestamp: int, level: int) -> None:
        pair = self._connection._nominated.get(1)
        if pair is None or self._transport._state is not State.CONNECTED:
            return
        if level not in self._extensions:
            self._extensions[level] = self._extensions_with(level)
        first, extensions = self._extensions[level]
        header = pack("!BBHLL", first, self._second_byte, self._number, timestamp, self._sender._ssrc)
        data = self._transport._tx_srtp.protect(header + extensions + payload)
        pair.protocol.transport.sendto(data, pair.remote_addr)
        self._number = (self._number + 1) % 2**16
        self._count(payload, timestamp)

    def _extensions_with(self, level: int) -> tuple[int, bytes]:
        sender = vars(self._sender)
        extensions_map: HeaderExtensionsMap = sender[EXTENSIONS_MAP]
        profile, value = extensions_map.set(HeaderExtensions(mid=sender[MID], audio_level=(False, -level)))
        return (0x90, pack("!HH", profile, len(value) // 4) + value) if value else (0x80, b"")

    def _count(self, payload: bytes, timestamp: int) -> None:
        """Counts a packet for the sender's reports."""
        sender = vars(self._sender)
        if self._packets % CLOCK_PACKETS == 0:
            sender[NTP_TIME], sender[RTP_TIME] = clock.current_ntp_time(), timestamp
        self._packets += 1
        self._bytes += len(payload)
        sender[PACKETS], sender[OCTETS] = self._packets, self._bytes


def missing() -> list[str]:
    """Returns the members of aiortc and aioice that this module needs and the installed versions do not use."""
    send, report = RTCRtpSender._run_rtp.__code__.co_names, RTCRtpSender._run_rtcp.__code__.co_names
    receive = RTCDtlsTransport._recv_next.__code__.co_names
    needed = [(name, send) for name in (EXTENSIONS_MAP, MID, "_ssrc", "_next_encoded_frame")]
    needed += [(name, report) for name in (NTP_TIME, RTP_TIME, OCTETS, PACKETS)]
    needed += [(name, receive) for name in ("_rx_srtp", "_handle_rtp_data")]
    needed += [
        ("_tx_srtp", RTCDtlsTransport._send_rtp.__code__.co_names),
        ("_state", RTCDtlsTransport._send_rtp.__code__.co_names),
        ("_rtp_header_extensions_map", RTCDtlsTransport._handle_rtp_data.__code__.co_names),
        ("_rtp_router", RTCDtlsTransport._handle_rtp_data.__code__.co_names),
        ("_handle_rtp_packet", RTCDtlsTransport._handle_rtp_data.__code__.co_names),
        ("_queue", RemoteStreamTrack.recv.__code__.co_names),
        ("_queue", RTCRtpReceiver.receive.__code__.co_names),
        ("_nominated", Connection.sendto.__code__.co_names),
        ("remote_addr", Connection.sendto.__code__.co_names),
    ]
    return [name for name, used in needed if name not in used]
