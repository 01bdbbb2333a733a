"""A track of recent samples, compared with a plain implementation."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voicebot.audio.echo.sample_history import KEPT_SAMPLES, SampleHistory


@given(
    pieces=st.lists(st.integers(0, 2_000), max_size=150),
    behind=st.integers(-3_000, KEPT_SAMPLES),
    length=st.integers(0, 5_000),
)
def test_gives_the_recent_samples_that_were_added_and_silence_elsewhere(
    pieces: list[int], behind: int, length: int
) -> None:
    track, stream = SampleHistory(), np.arange(1, sum(pieces) + 1).astype(np.int16)
    place = 0
    for size in pieces:
        track.add(stream[place : place + size])
        place += size
    assert track.count == place

    end = place - behind
    numbers = np.arange(end - length, end)
    known = (numbers >= max(0, place - KEPT_SAMPLES)) & (numbers < place)
    expected = np.zeros(length, np.int16)
    expected[known] = stream[numbers[known]]
    assert np.array_equal(track.until(end, length), expected)
