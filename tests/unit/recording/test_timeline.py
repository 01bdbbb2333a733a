"""The position of audio on the time line when clocks drift and packets are late, lost or held back."""

from __future__ import annotations

import random
import tracemalloc

from voicebot.recording.timeline import RATE_HZ, WINDOW, TimelineAligner, segments

FRAME = RATE_HZ // 50
CLOSE = RATE_HZ // 50
"""A tolerance of 20 ms."""


def place(starts: dict[int, int]) -> dict[int, int]:
    """Returns the place of each frame of a stream that holds only these frames, by their numbers.

    `starts` gives for each frame the position at which it began, by the time of its arrival.
    """
    aligner = TimelineAligner()
    for index, start in enumerate(starts.values()):
        aligner.add(index * FRAME, start)
    placed: dict[int, int] = {}
    numbers = list(starts)
    for segment in segments(aligner.moves(), len(starts) * FRAME):
        for index, number in enumerate(numbers):
            if segment.offset <= index * FRAME < segment.offset + segment.length:
                placed[number] = segment.position + index * FRAME - segment.offset
    return placed


def test_half_an_hour_of_sound_stays_in_place_despite_clock_drift_and_jitter() -> None:
    """Packets are up to 80 ms late, and the sender's clock is as inaccurate as that of a bad sound card."""
    for drift in (-200e-6, 0.0, 200e-6):
        aligner, chance = TimelineAligner(), random.Random(1)
        came = 0.0
        for number in range(90_000):
            came = max(came, number * FRAME * (1 + drift) + FRAME + chance.random() ** 4 * 0.08 * RATE_HZ)
            aligner.add(number * FRAME, round(came) - FRAME)
        last = 90_000 * FRAME - WINDOW  # no later, more punctual packet can correct the last ones
        for segment in segments(aligner.moves(), last):
            for sample in (segment.offset, segment.offset + segment.length):
                place = segment.position + sample - segment.offset
                assert abs(place - sample * (1 + drift)) < CLOSE


def test_packets_up_to_15_ms_late_are_placed_without_gaps() -> None:
    aligner, chance = TimelineAligner(), random.Random(2)
    for number in range(400):
        aligner.add(number * FRAME, number * FRAME + round(chance.random() * 0.015 * RATE_HZ))
    (segment,) = segments(aligner.moves(), 400 * FRAME)
    assert 0 <= segment.position <= 0.001 * RATE_HZ
    assert segment.length == 400 * FRAME


def test_missing_packets_leave_silence_and_the_others_stay_in_place() -> None:
    """The microphone is away for 3 s, and one packet in ten is lost."""
    there = [each for each in range(600) if not (200 <= each < 350 or (each % 10 == 5 and each > 400))]
    placed = place({number: number * FRAME for number in there})
    assert all(abs(placed[number] - number * FRAME) <= 0.016 * RATE_HZ for number in there)


def test_packets_that_the_network_held_back_are_placed_where_they_were_spoken() -> None:
    """No packet arrives for 1.5 s. Then all of them arrive at once."""
    placed = place({each: max(each, 175 if 100 <= each < 175 else 0) * FRAME for each in range(300)})
    assert placed == {number: number * FRAME for number in range(300)}


def test_a_stalled_playback_leaves_a_gap_of_its_length() -> None:
    starts = {number: number * FRAME + (RATE_HZ // 5 if number >= 110 else 0) for number in range(200)}
    assert place(starts) == starts


def test_asking_for_the_moves_changes_nothing() -> None:
    asked, other = TimelineAligner(), TimelineAligner()
    chance = random.Random(3)
    for number in range(500):
        start = number * FRAME + round(chance.random() * 0.1 * RATE_HZ)
        asked.add(number * FRAME, start)
        other.add(number * FRAME, start)
        asked.moves()
    assert asked.moves() == other.moves()


def test_segments_that_would_overlap_are_cut_at_their_beginning() -> None:
    found = segments([(0, 0), (1_000, -400), (1_200, 100)], 2_000)
    assert [tuple(each) for each in found] == [(0, 0, 1_000), (1_200, 1_300, 800)]
    assert segments([(0, 0), (1_000, -400)], 2_000)[1] == (1_400, 1_000, 600)


def test_memory_does_not_grow_with_the_length_of_the_recording() -> None:
    aligner = TimelineAligner()
    tracemalloc.start()
    try:
        for number in range(20_000):
            if number == 500:
                earlier, _ = tracemalloc.get_traced_memory()
            aligner.add(number * FRAME, number * FRAME)
        later, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert WINDOW == 100 * FRAME
    assert later < earlier + 5_000
