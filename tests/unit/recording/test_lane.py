"""Where sound is placed on the time line: with clocks that drift, packets that are late, lost or held back."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

from voicebot.audio.sound import FRAME_SAMPLES, WIRE_RATE_HZ, Audio, Samples
from voicebot.recording.lane import BATCH, RATE_HZ, WINDOW, Lane, PlacedSound

FRAME = RATE_HZ // 50
CLOSE = RATE_HZ // 50
"""20 ms."""
CLICK_EVERY = 25
"""Frames: half a second."""


@dataclass
class Line:
    """A lane's time line as it was written."""

    pieces: list[Samples] = field(default_factory=list)
    writes: list[tuple[int, int]] = field(default_factory=list)
    end: int = 0

    def write(self, placed: Iterable[PlacedSound]) -> None:
        for position, samples in placed:
            assert position >= self.end, "out of order, or written twice"
            self.pieces += [np.zeros(position - self.end, np.int16), samples]
            self.writes.append((position, len(samples)))
            self.end = position + len(samples)

    @property
    def samples(self) -> Samples:
        return np.concatenate(self.pieces)

    def clicks(self) -> list[int]:
        """Where they begin."""
        loud = np.flatnonzero(np.abs(self.samples) > 8_000)
        return [
            int(each) for each, before in zip(loud, [-RATE_HZ, *loud], strict=False) if each - before > RATE_HZ // 10
        ]


def frame(number: int, click_every: int = CLICK_EVERY) -> Audio:
    samples = np.zeros(FRAME_SAMPLES, np.int16)
    if number % click_every == 0:
        samples[:240] = 20_000
    return Audio(samples, WIRE_RATE_HZ)


def assert_near(found: list[int], expected: list[float], within: float = CLOSE) -> None:
    assert len(found) == len(expected)
    off: npt.NDArray[np.float64] = np.abs(np.array(found) - np.array(expected))
    assert float(off.max()) <= within, f"{off.max() / RATE_HZ * 1000:.1f} ms off at click {int(off.argmax())}"


@pytest.mark.parametrize("drift", [-200e-6, 0.0, 200e-6])
def test_half_an_hour_of_sound_stays_in_place_despite_clock_drift_and_jitter(drift: float) -> None:
    """Packets come up to 80 ms late, and the sender's clock is wrong by what bad sound cards are."""
    line, chance = Line(), random.Random(1)
    lane = Lane()
    sent, came = [], 0.0
    every = 500
    for number in range(90_000):
        truth = number * FRAME * (1 + drift)
        came = max(came, truth + FRAME + chance.random() ** 4 * 0.08 * RATE_HZ)
        line.write(lane.push(frame(number, every), round(came) - FRAME))
        if number % every == 0:
            sent.append(truth)
    line.write(lane.flush())
    assert_near(line.clicks(), sent)


def test_packets_up_to_15_ms_late_are_written_without_gaps() -> None:
    """Two clocks that agree, and an event loop that is at times 15 ms late: each sample once, all side by side."""
    line, chance = Line(), random.Random(2)
    lane = Lane()
    tone = (np.sin(np.arange(400 * FRAME_SAMPLES) * 0.02) * 9_000).astype(np.int16)
    for number in range(400):
        late = round(chance.random() * 0.015 * RATE_HZ)
        piece = Audio(tone[number * FRAME_SAMPLES :][:FRAME_SAMPLES], WIRE_RATE_HZ)
        line.write(lane.push(piece, number * FRAME + late))
    line.write(lane.flush())
    first = line.writes[0][0]
    assert 0 <= first <= 0.001 * RATE_HZ
    assert all(
        end == start for end, (start, _) in zip([sum(each) for each in line.writes], line.writes[1:], strict=False)
    )
    expected = Audio(tone, WIRE_RATE_HZ).resampled(RATE_HZ).samples[: len(line.samples) - first]
    assert np.abs(line.samples[first:].astype(int) - expected).max() <= 2
    assert len(line.samples) >= 400 * FRAME - RATE_HZ // 20


def test_missing_packets_leave_silence_and_the_others_stay_in_place() -> None:
    """A microphone that is away for 3 s, and one packet in ten that is lost for good."""
    line = Line()
    lane = Lane()
    sent = []
    for number in range(600):
        if 200 <= number < 350 or (number % 10 == 5 and number > 400):
            continue
        line.write(lane.push(frame(number), number * FRAME))
        if number % CLICK_EVERY == 0:
            sent.append(float(number * FRAME))
    line.write(lane.flush())
    assert_near(line.clicks(), sent, 0.016 * RATE_HZ)
    assert not line.samples[201 * FRAME : 349 * FRAME].any()


def test_packets_that_the_network_held_back_are_placed_where_they_were_spoken() -> None:
    """For 1.5 s nothing comes, then all of it at once."""
    line = Line()
    lane = Lane()
    for number in range(300):
        line.write(lane.push(frame(number), max(number, 175 if 100 <= number < 175 else 0) * FRAME))
    line.write(lane.flush())
    assert_near(line.clicks(), [float(number * FRAME) for number in range(0, 300, CLICK_EVERY)], RATE_HZ / 1000)


def test_a_stalled_playback_leaves_a_gap_of_its_length() -> None:
    line = Line()
    lane = Lane()
    for number in range(200):
        line.write(lane.push(frame(number), number * FRAME + (RATE_HZ // 5 if number >= 110 else 0)))
    line.write(lane.flush())
    stalled = [number * FRAME + (RATE_HZ // 5 if number >= 110 else 0) for number in range(0, 200, CLICK_EVERY)]
    assert_near(line.clicks(), [float(each) for each in stalled], RATE_HZ / 1000)


def test_a_flush_in_between_does_not_change_the_recorded_sound() -> None:
    lines = Line(), Line()
    lanes = [(Lane(), line) for line in lines]
    for number in range(500):
        for lane, line in lanes:
            line.write(lane.push(frame(number), number * FRAME))
        if number % 37 == 0:
            lines[1].write(lanes[1][0].flush())
    for lane, line in lanes:
        line.write(lane.flush())
    one, other = (line.samples.astype(int) for line in lines)
    assert len(one) == len(other)
    assert np.abs(one - other).max() <= 2, "the resampler's dither"


def test_uploads_of_other_sample_rates_and_lengths_are_placed_at_their_times() -> None:
    """Uploads of a websocket: 16 kHz and 44.1 kHz, long and far apart."""
    line = Line()
    lane = Lane()
    for start_s, rate_hz in ((1.0, 16_000), (5.0, 44_100), (9.0, 16_000)):
        samples = np.zeros(2 * rate_hz, np.int16)
        samples[: rate_hz // 100] = 20_000
        line.write(lane.push(Audio(samples, rate_hz), round(start_s * RATE_HZ)))
    line.write(lane.flush())
    assert_near(line.clicks(), [1.0 * RATE_HZ, 5.0 * RATE_HZ, 9.0 * RATE_HZ], 0.002 * RATE_HZ)


def test_memory_does_not_grow_with_the_length_of_the_recording() -> None:
    lane = Lane()
    tracemalloc.start()
    try:
        for number in range(1_000):
            if number == 500:
                _, earlier = tracemalloc.get_traced_memory()
                tracemalloc.reset_peak()
            lane.push(frame(number), number * FRAME)
        _, later = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert later < earlier + 5_000
    assert later < 2 * 2 * (WINDOW + BATCH), "two bytes a sample, and as much again for the keeping of it"
