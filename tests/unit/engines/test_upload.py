"""Uploaded recordings: their length, and the errors for those that cannot be read."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.recordings import encoded
from tests.support.tone_words import silence, spoken
from voicebot.engines.upload import NAMES, Container, RecordingError, lasts

GOOD: dict[Container, bytes] = {container: encoded(spoken("one of"), container) for container in NAMES}


@pytest.mark.parametrize("container", sorted(GOOD))
def test_a_whole_recording_lasts_as_long_as_its_sound(container: Container) -> None:
    """Two words last 0.34 s. The frames of an MP3 file may add 0.05 s at each end."""
    assert lasts(GOOD[container], 0.3)
    assert not lasts(GOOD[container], 0.5)
    assert not lasts(encoded(silence(0.1), container), 0.2)


@settings(max_examples=120)
@given(st.sampled_from(sorted(GOOD)), st.integers(0, 2**32))
def test_a_damaged_recording_is_read_or_refused_with_a_plain_reason(container: Container, seed: int) -> None:
    """The first bytes are undamaged, so that the format is still recognised."""
    random = Random(seed)
    good = GOOD[container]
    data = bytearray(good[: random.randrange(16, len(good))])
    for _ in range(random.randrange(20)):
        data[random.randrange(12, len(data))] = random.randrange(256)
    reason = ""
    try:
        lasts(bytes(data), 0.2)
    except RecordingError as error:
        reason = str(error)
    unreadable = f"the recording can't be read as {NAMES[container]}"
    assert reason in ("", unreadable, "there is no sound in the recording")
