"""The pitch of tones, glides and voices, and of sounds that have none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.voices import VOWELS, Signal, hold
from voicebot.audio.pitch import FRAME_SAMPLES, HOP_SAMPLES, analyse, track
from voicebot.audio.sound import SPEECH_RATE_HZ


def pitch_of(sound: Signal) -> npt.NDArray[np.float64]:
    """Returns the pitch of each frame in Hz; nan where there is none."""
    frames = analyse((sound * 32767).astype(np.float32))
    return np.asarray(track(frames.hz, frames.strengths, np.zeros(len(frames.hz), bool)))


def middle_s(frame: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    return np.asarray((frame * HOP_SAMPLES + FRAME_SAMPLES / 2) / SPEECH_RATE_HZ)


def error_st(found: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64]:
    return np.asarray(np.abs(12 * np.log2(found / wanted)))


@pytest.mark.parametrize("hz", [70, 95, 130, 180, 240, 330, 390])
def test_the_pitch_of_a_tone_is_right_to_a_quarter_of_a_semitone(hz: float) -> None:
    tone = 0.3 * np.sin(2 * np.pi * hz * np.arange(SPEECH_RATE_HZ) / SPEECH_RATE_HZ)
    assert error_st(pitch_of(tone), hz).max() < 0.25


@pytest.mark.parametrize("vowel", VOWELS)
@pytest.mark.parametrize("hz", [75, 120, 210, 300])
def test_no_formant_is_taken_for_the_pitch_of_a_vowel(vowel: str, hz: float) -> None:
    found = pitch_of(hold(vowel, 0.6, hz))[3:-3]
    assert error_st(found, hz).max() < 0.2


@pytest.mark.parametrize(("from_hz", "to_hz"), [(110, 75), (100, 190), (220, 150), (180, 360)])
def test_a_glide_is_followed(from_hz: float, to_hz: float) -> None:
    duration_s = 0.6
    found = pitch_of(hold("a", duration_s, from_hz, to_hz))
    frames = np.arange(len(found))[3:-3]
    wanted = from_hz * (to_hz / from_hz) ** (middle_s(frames) / duration_s)
    assert np.median(error_st(found[frames], wanted)) < 0.15
    assert error_st(found[frames], wanted).max() < 0.5


def test_a_voice_in_noise_keeps_its_pitch() -> None:
    voice = hold("a", 0.8, 140, 110)
    noise = np.random.default_rng(1).standard_normal(len(voice))
    noisy = voice + noise * np.sqrt(np.mean(voice**2)) * 10 ** (-10 / 20)
    found, clean = pitch_of(noisy)[3:-3], pitch_of(voice)[3:-3]
    voiced = ~np.isnan(found)
    assert voiced.mean() > 0.9
    assert error_st(found[voiced], clean[voiced]).max() < 0.5


def test_noise_and_silence_have_no_pitch() -> None:
    noise = 0.1 * np.random.default_rng(2).standard_normal(2 * SPEECH_RATE_HZ)
    assert np.isnan(pitch_of(noise)).mean() > 0.95
    assert np.isnan(pitch_of(np.zeros(SPEECH_RATE_HZ))).all()
