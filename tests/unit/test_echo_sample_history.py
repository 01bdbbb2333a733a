"""The recent samples of a stream, compared with an array that holds the whole stream."""

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
    history, stream = SampleHistory(), np.arange(1, sum(pieces) + 1).astype(np.int16)
    count = 0
    for size in pieces:
        history.add(stream[count : count + size])
        count += size
    assert history.count == count

    end = count - behind
    numbers = np.arange(end - length, end)
    known = (numbers >= max(0, count - KEPT_SAMPLES)) & (numbers < count)
    expected = np.zeros(length, np.int16)
    expected[known] = stream[numbers[known]]
    assert np.array_equal(history.until(end, length), expected)
