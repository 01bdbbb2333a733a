"""The log-mel spectrogram is Whisper's."""

from __future__ import annotations

import numpy as np
import pytest

from voicebot.audio.sound import Samples
from voicebot.engines.turn.log_mel import BANDS, FRAMES, HEARD_SAMPLES, log_mel


def rattle(length: int) -> Samples:
    """Returns a sound with energy in all bands that fades away. It is computed with whole numbers, so that it is the
    same everywhere."""
    n = np.arange(length, dtype=np.int64)
    return ((n * n * n // 1000 % 20_001 - 10_000) * (length - n) // length).astype(np.int16)


COLUMNS = [0, 549, 552, 600, 700, 798, 799]
REFERENCE = {
    0: [0.604423, 1.050723, 1.31417, 0.995186, 1.24476, 0.601811, 0.555815],
    9: [-0.088794, 0.890877, 1.641928, 1.118746, 1.146472, 0.270894, 0.323061],
    23: [-0.088794, 0.686458, 1.4969, 1.258666, 1.182698, 0.310319, 0.111095],
    41: [-0.088794, 0.536567, 1.262179, 1.202117, 1.299518, 0.262475, 0.120978],
    60: [-0.088794, 0.396409, 1.130122, 1.409947, 1.156728, 0.385046, 0.169618],
    79: [-0.088794, 0.307868, 1.056756, 1.430484, 1.204505, 0.326735, 0.250876],
}
"""Values of `WhisperFeatureExtractor(chunk_length=8)` of transformers 5.24.0 for `rattle(40_000)`, with 88,000 zeros
before it and `do_normalize=True`: for some bands the values at `COLUMNS`. They are rounded to six digits."""


def test_the_spectrogram_is_that_of_whispers_feature_extractor() -> None:
    spectrogram = log_mel(rattle(40_000))
    assert spectrogram.shape == (BANDS, FRAMES)
    assert spectrogram.dtype == np.float32
    for band, values in REFERENCE.items():
        assert spectrogram[band, COLUMNS] == pytest.approx(values, abs=1e-6)


def test_zeros_stand_in_front_of_a_short_sound_and_only_the_last_8_s_of_a_long_one_count() -> None:
    sound = rattle(40_000)
    zeros = np.zeros(HEARD_SAMPLES - len(sound), np.int16)
    assert np.array_equal(log_mel(sound), log_mel(np.concatenate([zeros, sound])))
    assert np.array_equal(log_mel(sound), log_mel(np.concatenate([rattle(50_000), zeros, sound])))


@pytest.mark.parametrize("length", [0, 1, 300, HEARD_SAMPLES])
def test_silence_of_any_length_has_finite_values(length: int) -> None:
    assert np.isfinite(log_mel(np.zeros(length, np.int16))).all()
