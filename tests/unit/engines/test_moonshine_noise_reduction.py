"""Noise reduction removes steady noise and leaves everything else."""

from __future__ import annotations

import numpy as np
import pytest

from voicebot.audio.sound import SPEECH_RATE_HZ, Samples
from voicebot.engines.stt.moonshine.noise_reduction import reduce_steady_noise

SPOKEN = slice(SPEECH_RATE_HZ // 2, SPEECH_RATE_HZ)


def hiss(level: float) -> Samples:
    return np.random.default_rng(1).normal(0, level, 2 * SPEECH_RATE_HZ).astype(np.int16)


def tone() -> Samples:
    """Returns half a second of a tone of 440 Hz, with silence around it."""
    time_s = np.arange(2 * SPEECH_RATE_HZ) / SPEECH_RATE_HZ
    sound = 8_000 * np.sin(2 * np.pi * 440 * time_s)
    sound[: SPOKEN.start] = sound[SPOKEN.stop :] = 0
    return sound.astype(np.int16)


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples.astype(np.float64)))))


def test_steady_noise_becomes_softer_and_a_tone_in_the_noise_stays_as_loud() -> None:
    noisy = tone() + hiss(1_500)
    cleaned = reduce_steady_noise(noisy)
    assert rms(cleaned[: SPOKEN.start - 512]) < 0.7 * rms(noisy[: SPOKEN.start - 512])
    assert rms(cleaned[SPOKEN]) == pytest.approx(rms(tone()[SPOKEN]), rel=0.05)
    noise_before, noise_after = noisy[SPOKEN] - tone()[SPOKEN], cleaned[SPOKEN] - tone()[SPOKEN]
    assert rms(noise_after) < 0.8 * rms(noise_before)


def test_a_sound_with_little_noise_is_returned_unchanged() -> None:
    clear = tone() + hiss(100)
    assert reduce_steady_noise(clear) is clear


@pytest.mark.parametrize("length", [0, 1, 100, 511, 512, 513, 4_321])
def test_a_sound_of_any_length_keeps_its_length(length: int) -> None:
    assert len(reduce_steady_noise(hiss(1_000)[:length])) == length


def test_a_sound_at_full_scale_does_not_wrap_around() -> None:
    loudest = np.where(hiss(1_000) > 0, 32_767, -32_768).astype(np.int16)
    cleaned = reduce_steady_noise(loudest)
    assert np.mean(np.sign(cleaned) == np.sign(loudest)) > 0.9
