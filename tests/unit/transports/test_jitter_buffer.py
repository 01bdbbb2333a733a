"""Packets go into the buffer in any order and come out in the right order, and none waits long."""

from __future__ import annotations

from collections.abc import Iterable

from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from voicebot.transports.webrtc.aiortc_tuning.jitter_buffer import MAX_GAP, MAX_HELD, SoundJitterBuffer

PACKET_SAMPLES = 960


def packet(number: int, *, timestamp: int | None = None, ssrc: int = 1) -> RtpPacket:
    """Returns a packet whose payload is its number."""
    return RtpPacket(
        payload_type=111,
        sequence_number=number,
        timestamp=number * PACKET_SAMPLES if timestamp is None else timestamp,
        ssrc=ssrc,
        payload=str(number).encode(),
    )


def played(arrivals: Iterable[int]) -> list[list[int]]:
    """Returns the packets that come out as each of these sequence numbers arrives."""
    buffer = SoundJitterBuffer()
    runs = [buffer.add(packet(number))[1] for number in arrivals]
    return [[int(payload) for _, payload in run.pieces] if run else [] for run in runs]


def test_packets_in_order_are_released_at_once() -> None:
    assert played([1, 2, 3]) == [[1], [2], [3]]


def test_a_lost_packet_is_given_up_after_three_later_packets() -> None:
    assert played([1, 3, 4, 5, 6]) == [[1], [], [], [3, 4, 5], [6]]


def test_a_burst_of_lost_packets_is_given_up_as_soon_as_a_single_lost_packet() -> None:
    assert played([1, 12, 13, 14, 15]) == [[1], [], [], [12, 13, 14], [15]]


def test_a_second_gap_also_waits_for_three_later_packets() -> None:
    assert played([1, 3, 5, 6, 7, 8]) == [[1], [], [], [3], [5, 6, 7], [8]]


def test_a_packet_one_place_late_is_put_in_order() -> None:
    assert played([1, 3, 2, 4]) == [[1], [], [2, 3], [4]]


def test_a_packet_two_places_late_is_put_in_order() -> None:
    assert played([1, 3, 4, 2, 5]) == [[1], [], [], [2, 3, 4], [5]]


def test_a_packet_three_places_late_is_dropped() -> None:
    assert played([1, 3, 4, 5, 2, 6]) == [[1], [], [], [3, 4, 5], [], [6]]


def test_duplicates_are_dropped_and_do_not_count_as_later_packets() -> None:
    assert played([1, 1, 2]) == [[1], [], [2]]
    assert played([1, 3, 3, 3, 2]) == [[1], [], [], [], [2, 3]]


def test_packets_stay_in_order_when_sequence_numbers_wrap() -> None:
    assert played([65534, 65535, 0, 1]) == [[65534], [65535], [0], [1]]
    assert played([65534, 0, 65535, 1]) == [[65534], [], [65535, 0], [1]]
    assert played([65533, 65535, 0, 1, 2]) == [[65533], [], [], [65535, 0, 1], [2]]


def test_a_large_jump_in_sequence_numbers_starts_a_new_stream() -> None:
    assert played([1000, 1001, 1002 + MAX_GAP + 1, 1002 + MAX_GAP + 2]) == [[1000], [1001], [1103], [1104]]
    assert played([1000, 1001, 500, 501]) == [[1000], [1001], [500], [501]]


def test_another_source_starts_a_new_stream_whatever_its_sequence_numbers() -> None:
    buffer = SoundJitterBuffer()
    buffer.add(packet(50))
    buffer.add(packet(52))
    runs = [buffer.add(packet(number, ssrc=2))[1] for number in (49, 50, 51)]
    assert [run.data for run in runs if run] == [b"49", b"50", b"51"], (
        "waiting packets of the first source must be dropped"
    )


def test_a_run_gives_the_timestamp_offset_of_each_packet() -> None:
    buffer = SoundJitterBuffer()
    last = 2**32 - PACKET_SAMPLES
    buffer.add(packet(1, timestamp=last - 2 * PACKET_SAMPLES))
    buffer.add(packet(3, timestamp=last))
    buffer.add(packet(4, timestamp=0))
    _, run = buffer.add(packet(5, timestamp=PACKET_SAMPLES))
    assert run is not None
    assert run.timestamp == last
    assert run.pieces == [(0, b"3"), (PACKET_SAMPLES, b"4"), (2 * PACKET_SAMPLES, b"5")]
    assert run.data == b"345"


def test_never_requests_a_keyframe() -> None:
    buffer = SoundJitterBuffer()
    assert [buffer.add(packet(number))[0] for number in (1, 9, 10, 11, 500)] == [False] * 5


@given(start=st.integers(0, 65535), order=st.lists(st.integers(0, 50), min_size=1, max_size=60))
def test_packets_in_any_order_come_out_in_order_at_most_once_and_soon(start: int, order: list[int]) -> None:
    place_of = {(start + place) % 2**16: place for place in order}
    out: list[int] = []
    for turn, run in enumerate(played((start + place) % 2**16 for place in order), 1):
        out += [place_of[number] for number in run]
        assert len({place for place in order[:turn] if place > out[-1]}) < MAX_HELD, "too many packets wait"
    assert out == sorted(set(out))


@given(start=st.integers(0, 65535), delays=st.lists(st.integers(0, 2), max_size=60))
def test_packets_at_most_two_places_late_are_never_dropped(start: int, delays: list[int]) -> None:
    due = sorted((place + delay, place) for place, delay in enumerate(delays, 1))
    order = [0, *(place for _, place in due)]
    runs = played((start + place) % 2**16 for place in order)
    assert [number for run in runs for number in run] == [(start + place) % 2**16 for place in sorted(order)]
