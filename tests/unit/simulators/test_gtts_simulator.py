"""The simulator of Google Translate's voice sends the format that Google sends."""

from __future__ import annotations

from tests.simulators.gtts import encoded
from tests.simulators.voices import tone_of


def test_the_simulator_encodes_sound_in_the_mp3_format_of_google() -> None:
    file = encoded(tone_of("Hello.").resampled(24_000), tagged=False)
    assert file.startswith(b"\xff\xf3D"), "the format must be MPEG-2 layer III at 32 kbit/s and 24 kHz, without a tag"
