"""The simulator of Google Translate's voice sends what Google sends."""

from __future__ import annotations

from tests.simulators.gtts import encoded
from tests.simulators.voices import tone_of


def test_the_simulator_encodes_sound_in_the_mp3_format_of_google() -> None:
    file = encoded(tone_of("Hello.").resampled(24_000), tagged=False)
    assert file.startswith(b"\xff\xf3D"), "MPEG-2 layer III, 32 kbit/s, 24 kHz, no tag before it"
