"""Limits on what a WebRTC peer may send, which aiortc 1.16 and aioice 0.13 lack.

`guard` applies them to one peer connection. They use private members, and `missing` returns those that the installed
versions lack.
"""

from __future__ import annotations

import logging
import time
from struct import unpack_from
from types import SimpleNamespace
from typing import Any, Protocol

from aioice.ice import CandidatePair, Connection, StunProtocol
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, rtcsctptransport
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcsctptransport import Chunk, DataChunk, ForwardTsnChunk, RTCSctpTransport, SackChunk
from aiortc.rtp import AnyRtcpPacket, RtcpRtpfbPacket, is_rtcp
from OpenSSL import SSL

from voicebot.access.rates import MessageRate, TokenBucket
from voicebot.runtime import limits
from voicebot.runtime.clock import Clock
from voicebot.transports.webrtc.aiortc_tuning.direct_sound import receive_packet

logger = logging.getLogger(__name__)

TSN_MODULO = 2**32
RECORD_BYTES = 1_500


class FloodedSession(Protocol):
    """The session of a peer that is limited."""

    def flooded(self, reason: str) -> None:
        """Closes the session, as its peer sent too much. `reason` is for its user. The peer's data is ignored from then
        on. May be called again."""
        ...


class DatagramBudget:
    """Limits the datagrams that one ICE connection reads. The others are dropped before they are parsed or decrypted.

    Each kind of traffic has its own budget, and so have all senders that have not proven to be the peer. So no flood of
    one kind, or from elsewhere, uses up the budget of sound and of liveness checks.
    """

    def __init__(self, connection: Connection, clock: Clock = time.monotonic) -> None:
        self._connection = connection
        self._sound = TokenBucket(limits.SOUND_PACKETS_PER_S, limits.SOUND_PACKETS_BURST, clock)
        self._control = TokenBucket(limits.CONTROL_PACKETS_PER_S, limits.CONTROL_PACKETS_BURST, clock)
        self._data = TokenBucket(limits.DATA_PACKETS_PER_S, limits.DATA_PACKETS_BURST, clock)
        self._checks = TokenBucket(limits.CHECK_PACKETS_PER_S, limits.CHECK_PACKETS_BURST, clock)
        self._strange = TokenBucket(limits.STRANGE_PACKETS_PER_S, limits.STRANGE_PACKETS_BURST, clock)
        self._sources: set[bytes] = set()

    def admits(self, data: bytes, sender: tuple[str, int]) -> bool:
        """Returns whether to read this datagram. Its first byte tells its kind (RFC 7983)."""
        kind = data[0] if data else 255
        if not (kind < 4 or 20 <= kind < 64 or 128 <= kind < 192):
            return False
        if not self._is_peer(sender):
            return self._may_come_from_stranger(data, kind) and self._strange.take()
        if kind < 4:
            return self._checks.take()
        if kind < 64:
            return self._data.take()
        if is_rtcp(data):
            return len(data) <= limits.CONTROL_PACKET_BYTES and self._control.take()
        return self._is_known_source(data) and self._sound.take()

    def _is_peer(self, sender: tuple[str, int]) -> bool:
        """Returns whether the sender has proven to be the peer, by a signed connectivity check.

        Its address need not be the one that we send to: each side chooses the pair of addresses that it sends by, so a
        peer with several addresses may send from one and receive at another.
        """
        if any(pair.remote_addr == sender for pair in self._connection._nominated.values()):
            return True
        return any(
            pair.remote_addr == sender and (pair.remote_nominated or pair.state is CandidatePair.State.SUCCEEDED)
            for pair in self._connection._check_list
        )

    def _is_known_source(self, data: bytes) -> bool:
        """Returns whether to read this source (SSRC). aiortc and libsrtp keep some kB for each source for ever."""
        source = data[8:12]
        if source not in self._sources:
            if len(self._sources) >= limits.SOUND_SOURCES:
                return False
            self._sources.add(source)
        return True

    def _may_come_from_stranger(self, data: bytes, kind: int) -> bool:
        """Returns whether to read a datagram from an address that has not proven to be the peer's.

        Before the connection stands only `EARLY_PACKETS` may wait. Sound must come from a known source.
        """
        if kind < 4:
            return True
        if self._connection._queue.qsize() >= limits.EARLY_PACKETS:
            return False
        return kind < 64 or is_rtcp(data) or data[8:12] in self._sources


class DataGuard:
    """Limits the SCTP association of a peer connection. It stands between DTLS and SCTP."""

    def __init__(self, sctp: RTCSctpTransport, messages_per_s: float, session: FloodedSession) -> None:
        self._sctp, self._session = sctp, session
        self._flooded = False
        burst = max(limits.DATA_CHUNKS_BURST, (MessageRate.BURST_S + MessageRate.FLOOD_S + 5) * messages_per_s)
        self._chunks = TokenBucket(max(limits.DATA_CHUNKS_PER_S, 2 * messages_per_s), burst)
        self._handle_data, self._receive_chunk = sctp._handle_data, sctp._receive_chunk
        sctp._advertised_rwnd = limits.UNFINISHED_BYTES
        members: dict[str, Any] = {"_handle_data": self.handle_data, "_receive_chunk": self.receive_chunk}
        vars(sctp).update(members)

    async def handle_data(self, data: bytes) -> None:
        """Replaces RTCSctpTransport._handle_data: it handles all DTLS records of a datagram.

        aiortc reads one record of each datagram, so that the others would pile up.
        """
        more: bytes | None = data
        while more:
            try:
                await self._handle_data(more)
            except ConnectionError:
                raise
            except Exception as error:  # noqa: BLE001 (aiortc asserts and unpacks what strangers send: anything may come)
                logger.debug("an SCTP packet could not be read: %s", error)
                self._give_up("What came over the data channel from your side could not be read.")
            more = _next_record(self._sctp.transport)

    async def receive_chunk(self, chunk: Chunk) -> None:
        """Replaces RTCSctpTransport._receive_chunk.

        After a flood it reads only acknowledgements, which the last message to the client needs.
        """
        if isinstance(chunk, SackChunk):
            chunk.gaps = self._honest_gaps(chunk)
        elif self._flooded:
            return
        elif not self._chunks.take():
            self._give_up("Far too many messages came from your side.")
            return
        elif isinstance(chunk, DataChunk) and self._exceeds({chunk.stream_id}):
            self._give_up("Your side has begun too many messages, or one that is too long.")
            return
        elif isinstance(chunk, ForwardTsnChunk) and self._exceeds({stream for stream, _ in chunk.streams}):
            self._give_up("Your side has opened too many data channels.")
            return
        await self._receive_chunk(chunk)

    def _exceeds(self, streams: set[int]) -> bool:
        sctp = self._sctp
        return (
            len(streams | sctp._inbound_streams.keys()) > limits.DATA_STREAMS
            or sctp._advertised_rwnd < 0
            or sum(len(stream.reassembly) for stream in sctp._inbound_streams.values()) > limits.UNFINISHED_FRAGMENTS
            or len(sctp._sack_misordered) > limits.UNFINISHED_FRAGMENTS
        )

    def _honest_gaps(self, sack: SackChunk) -> list[tuple[int, int]]:
        """Returns the acknowledged blocks without packets that were never sent: aiortc would loop over each number."""
        sent = self._sctp._sent_queue
        if not sent:
            return []
        last = (sent[-1].tsn - sack.cumulative_tsn) % TSN_MODULO
        if last > len(sent):
            return []
        gaps, end = [], 0
        for first, final in sack.gaps:
            if end < first <= final <= last:
                gaps.append((first, final))
                end = final
        return gaps

    def _give_up(self, reason: str) -> None:
        self._flooded = True
        self._session.flooded(reason)


def _next_record(dtls: RTCDtlsTransport) -> bytes | None:
    try:
        return bytes(dtls._ssl.recv(RECORD_BYTES))  # type: ignore[union-attr]  # data came through it
    except SSL.Error:
        return None


def guard(peer: RTCPeerConnection, messages_per_s: float, session: FloodedSession) -> None:
    """Applies the limits to a peer connection whose sockets are open but which has not connected yet."""
    transports = {each.transport for transceiver in peer.getTransceivers() for each in _ends(transceiver)}
    for sender in peer.getSenders():
        _ignore_requests_for_packets(sender)
    if peer.sctp is not None:
        transports.add(peer.sctp.transport)
        DataGuard(peer.sctp, messages_per_s, session)
    for transport in transports:
        connection = transport.transport._connection
        _limit_addresses(connection)
        budget = DatagramBudget(connection)
        for protocol in connection._protocols:
            _limit_datagrams(protocol, budget, transport)


def _ends(transceiver: Any) -> tuple[RTCRtpReceiver, RTCRtpSender]:
    return transceiver.receiver, transceiver.sender


def _limit_datagrams(protocol: StunProtocol, budget: DatagramBudget, transport: RTCDtlsTransport) -> None:
    """Limits the datagrams of a socket. Sound is handled at once, the others by aiortc's tasks."""
    receive = protocol.datagram_received

    def datagram_received(data: bytes, address: tuple[Any, ...]) -> None:
        if not budget.admits(data, (address[0], address[1])):
            return
        try:
            if not (data[0] > 127 and not is_rtcp(data) and receive_packet(transport, data)):
                receive(data, address)
        except Exception as error:  # noqa: BLE001 (aioice unpacks what strangers send: anything may come)
            logger.debug("a datagram could not be read: %s", error)

    vars(protocol)["datagram_received"] = datagram_received


def _limit_addresses(connection: Connection) -> None:
    """Limits the addresses that checks come from: aioice checks and keeps each, and a peer may invent them."""
    check = connection.check_incoming

    def check_incoming(message: Any, address: tuple[str, int], protocol: StunProtocol) -> None:
        candidates = connection._remote_candidates
        known = any((each._network_host, each.port) == address for each in candidates)
        if known or len(candidates) < limits.REMOTE_ADDRESSES:
            check(message, address, protocol)

    vars(connection)["check_incoming"] = check_incoming


def _ignore_requests_for_packets(sender: RTCRtpSender) -> None:
    """Ignores requests to send packets again: sound would be too late, and one request may ask for thousands."""
    handle = sender._handle_rtcp_packet

    async def handle_rtcp_packet(packet: AnyRtcpPacket) -> None:
        if not isinstance(packet, RtcpRtpfbPacket):
            await handle(packet)

    vars(sender)["_handle_rtcp_packet"] = handle_rtcp_packet


def decode_params(body: bytes) -> list[tuple[int, bytes]]:
    """Replaces rtcsctptransport.decode_params, which loops for ever over a parameter of length 0.

    Raises ValueError.
    """
    params, position = [], 0
    while position <= len(body) - 4:
        kind, length = unpack_from("!HH", body, position)
        if length < 4:
            raise ValueError(f"an SCTP parameter of {length} bytes")
        params.append((kind, body[position + 4 : position + length]))
        position += length + -length % 4
    return params


def missing() -> list[str]:
    """Returns the members of aiortc and aioice that this module needs and the installed versions do not use."""
    sctp = RTCSctpTransport
    needed = [
        ("_receive_chunk", sctp._handle_data.__code__.co_names),
        ("_handle_data", RTCDtlsTransport._recv_next.__code__.co_names),
        ("_ssl", RTCDtlsTransport._recv_next.__code__.co_names),
        ("_inbound_streams", sctp._get_inbound_stream.__code__.co_names),
        ("_advertised_rwnd", sctp._receive_data_chunk.__code__.co_names),
        ("_sack_misordered", sctp._mark_received.__code__.co_names),
        ("_sent_queue", sctp._receive_sack_chunk.__code__.co_names),
        ("LOCAL_MAX_MESSAGE_SIZE", sctp.getCapabilities.__func__.__code__.co_names),  # type: ignore[attr-defined]
        ("decode_params", rtcsctptransport.BaseInitChunk.__init__.__code__.co_names),
        ("_handle_rtcp_packet", RTCDtlsTransport._handle_rtcp_data.__code__.co_names),
        ("_protocols", Connection.get_component_candidates.__code__.co_names),
        ("_nominated", Connection.recvfrom.__code__.co_names),
        ("_check_list", Connection._find_pair.__code__.co_names),
        ("remote_nominated", Connection.check_incoming.__code__.co_names),
        ("_queue", Connection.recvfrom.__code__.co_names),
        ("_remote_candidates", Connection.check_incoming.__code__.co_names),
        ("check_incoming", Connection.request_received.__code__.co_names),
        ("datagram_received", tuple(vars(StunProtocol))),
    ]
    return [name for name, used in needed if name not in used]


def install() -> None:
    """Installs the replacements that hold for the whole process."""
    for owner, name, part in PARTS:
        setattr(owner, name, part)


PARTS: tuple[tuple[object, str, Any], ...] = (
    (rtcsctptransport, "decode_params", decode_params),
    (rtcsctptransport, "LOCAL_MAX_MESSAGE_SIZE", limits.MESSAGE_BYTES),
    (rtcsctptransport, "time", SimpleNamespace(time=time.monotonic)),  # it is only used for durations
)
"""The owner and the name of each member that is replaced, and its replacement."""
