"""Limits on what is read of the packets that a peer sends."""

from __future__ import annotations

import struct
from importlib.util import module_from_spec
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest
from aioice.ice import CandidatePair, Connection
from aiortc import rtcsctptransport
from aiortc.rtcsctptransport import SackChunk
from hypothesis import given
from hypothesis import strategies as st

from tests.support.manual_clock import Clock
from voicebot.runtime import limits
from voicebot.transports.webrtc import aiortc_tuning
from voicebot.transports.webrtc.aiortc_tuning import peer_limits
from voicebot.transports.webrtc.aiortc_tuning.peer_limits import DatagramBudget, DataGuard, decode_params

PEER, STRANGER = ("192.0.2.1", 50_000), ("192.0.2.9", 50_000)

CHECK, DTLS = b"\x00\x01" + b"\x00" * 18, b"\x17" + b"\x00" * 60
REPORT = b"\x80\xc9" + b"\x00" * 26


def sound(source: int = 1) -> bytes:
    return struct.pack("!BBHII", 0x80, 111, 1, 1, source) + b"x" * 41


class Wire:
    """An ICE connection to PEER, or to nobody yet. `checked` holds further pairs of addresses."""

    def __init__(self, *checked: SimpleNamespace, connected: bool = True) -> None:
        self.clock = Clock()
        self.waiting = 0
        nominated = {1: SimpleNamespace(remote_addr=PEER)} if connected else {}
        queue = SimpleNamespace(qsize=lambda: self.waiting)
        connection = SimpleNamespace(_nominated=nominated, _check_list=list(checked), _queue=queue)
        self._budget = DatagramBudget(cast(Connection, connection), self.clock)

    def admitted(self, data: bytes, count: int, sender: tuple[str, int] = PEER) -> int:
        return sum(self._budget.admits(data, sender) for _ in range(count))


@pytest.mark.parametrize(
    ("data", "burst", "per_s"),
    [
        (sound(), limits.SOUND_PACKETS_BURST, limits.SOUND_PACKETS_PER_S),
        (REPORT, limits.CONTROL_PACKETS_BURST, limits.CONTROL_PACKETS_PER_S),
        (DTLS, limits.DATA_PACKETS_BURST, limits.DATA_PACKETS_PER_S),
        (CHECK, limits.CHECK_PACKETS_BURST, limits.CHECK_PACKETS_PER_S),
    ],
)
def test_each_kind_of_packet_is_limited_to_its_burst_and_its_rate(data: bytes, burst: int, per_s: int) -> None:
    wire = Wire()
    assert wire.admitted(data, 10 * burst) == burst
    wire.clock.now_s += 1
    assert wire.admitted(data, 10 * burst) == per_s


def test_a_flood_of_sound_or_from_a_stranger_leaves_other_packets_admitted() -> None:
    wire = Wire()
    wire.admitted(sound(), 10_000)
    assert wire.admitted(CHECK, 5_000, STRANGER) == limits.STRANGE_PACKETS_BURST
    assert [wire.admitted(data, 20) for data in (CHECK, DTLS, REPORT)] == [20, 20, 20]


def test_five_seconds_of_sound_in_short_packets_are_admitted_at_once() -> None:
    assert Wire().admitted(sound(), 500) == 500


@pytest.mark.parametrize("data", [b"", b"\x10" * 100, b"\x50" * 100, b"\xff" * 100, b"\x80\xc9" + b"x" * 1_000])
def test_packets_of_unknown_types_and_oversized_control_packets_are_dropped(data: bytes) -> None:
    assert Wire().admitted(data, 10) == 0


def test_sound_is_admitted_from_a_limited_number_of_sources() -> None:
    wire = Wire()
    assert sum(wire.admitted(sound(source), 1) for source in range(100)) == limits.SOUND_SOURCES
    assert wire.admitted(sound(0), 10) == 10


def test_sound_from_another_address_is_admitted_only_from_a_known_source() -> None:
    wire = Wire()
    assert wire.admitted(sound(7), 1, STRANGER) == 0
    wire.admitted(sound(7), 1)
    assert wire.admitted(sound(7), 50, STRANGER) == 50


@pytest.mark.parametrize(
    ("state", "chosen", "heard"),
    [
        (CandidatePair.State.SUCCEEDED, False, True),
        (CandidatePair.State.IN_PROGRESS, True, True),
        (CandidatePair.State.IN_PROGRESS, False, False),
        (CandidatePair.State.FAILED, False, False),
    ],
)
def test_sound_is_admitted_only_from_addresses_that_ice_has_verified_or_nominated(
    state: CandidatePair.State, chosen: bool, heard: bool
) -> None:
    other = ("192.0.2.9", 5_000)
    wire = Wire(SimpleNamespace(remote_addr=other, state=state, remote_nominated=chosen))
    assert wire.admitted(sound(), 100, other) == (100 if heard else 0)


def test_data_packets_are_dropped_when_too_many_wait_for_the_connection() -> None:
    wire = Wire(connected=False)
    assert wire.admitted(DTLS, 20) == 20
    wire.waiting = limits.EARLY_PACKETS
    assert wire.admitted(DTLS, 20) == 0
    assert wire.admitted(CHECK, 20) == 20


def aiortcs_own(module: ModuleType) -> ModuleType:
    """Returns a second copy of one of aiortc's modules, in which nothing is replaced."""
    spec = module.__spec__
    assert spec is not None
    assert spec.loader is not None
    copy = module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy


AIORTCS_SCTP = aiortcs_own(rtcsctptransport)
PARAMS = st.lists(st.tuples(st.integers(0, 65_535), st.binary(max_size=40)), max_size=8)


@given(PARAMS)
def test_sctp_parameters_are_decoded_as_aiortc_encodes_and_decodes_them(params: list[tuple[int, bytes]]) -> None:
    body = AIORTCS_SCTP.encode_params(params)
    assert decode_params(body) == AIORTCS_SCTP.decode_params(body) == params


@pytest.mark.parametrize("length", range(4))
def test_an_sctp_parameter_that_is_shorter_than_its_own_header_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=f"{length} bytes"):
        decode_params(struct.pack("!HHHH", 7, 4, 8, length))


class Innocent:
    """A session whose peer never sends too much."""

    def flooded(self, reason: str) -> None:
        pytest.fail(reason)


async def test_an_acknowledgement_counts_only_for_packets_that_were_sent() -> None:
    sent = [SimpleNamespace(tsn=tsn) for tsn in range(100, 110)]
    given: list[SackChunk] = []

    async def receive(sack: SackChunk) -> None:
        given.append(sack)

    sctp = SimpleNamespace(_sent_queue=sent, _handle_data=None, _receive_chunk=receive)
    guard = DataGuard(cast(Any, sctp), 10, Innocent())

    async def acknowledged(cumulative_tsn: int) -> list[tuple[int, int]]:
        sack = SackChunk()
        sack.cumulative_tsn = cumulative_tsn
        sack.gaps = [(2, 3), (3, 4), (6, 6), (5, 5), (8, 10), (9, 65_535)]
        await guard.receive_chunk(sack)
        return given.pop().gaps

    assert await acknowledged(99) == [(2, 3), (6, 6), (8, 10)]
    assert await acknowledged(5) == []
    sent.clear()
    assert await acknowledged(99) == []


def test_the_installed_aiortc_has_every_member_that_the_limits_and_the_tuning_use() -> None:
    assert peer_limits.missing() == []
    assert aiortc_tuning.apply()
