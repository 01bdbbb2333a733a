"""How the end of an utterance sounds, measured on a simple voice and on espeak-ng's."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.benchmarks.turns.spoken import say
from tests.support.voices import hold, recorded, silence, syllables
from voicebot.audio.pitch import FRAME_SAMPLES
from voicebot.audio.prosody import Prosody, ProsodyMeter
from voicebot.audio.sound import SPEECH_RATE_HZ, Samples

LEVEL = [130.0, 138, 126, 133, 128, 135, 130, 132]
"""The pitch of each syllable of a sentence without melody, in Hz."""
PAUSE = silence(0.15)


def measure(sound: Samples, piece: int = 512) -> Prosody | None:
    meter = ProsodyMeter()
    for start in range(0, len(sound), piece):
        meter.add(sound[start : start + piece])
    return meter.measure()


def measured(sound: Samples) -> Prosody:
    found = measure(sound)
    assert found is not None
    return found


def test_a_falling_end_lies_below_the_usual_pitch() -> None:
    found = measured(recorded([silence(0.2), *syllables(LEVEL), hold("a", 0.25, 125, 90), PAUSE]))
    assert found.pitch_st == pytest.approx(-5.5, abs=1.0)


def test_a_rising_end_lies_above_the_usual_pitch() -> None:
    found = measured(recorded([silence(0.2), *syllables(LEVEL), hold("a", 0.25, 130, 190), PAUSE]))
    assert found.pitch_st == pytest.approx(5.5, abs=1.0)


def test_a_level_end_keeps_the_usual_pitch() -> None:
    found = measured(recorded([silence(0.2), *syllables(LEVEL), PAUSE]))
    assert found.pitch_st is not None
    assert abs(found.pitch_st) < 1


def test_a_soft_end_is_told_from_a_loud_one_at_any_gain() -> None:
    found = {}
    for gain in (0.02, 0.3):
        loud = measured(recorded([*syllables(LEVEL, level=gain), PAUSE], room=gain * 1e-3))
        parts = [*syllables(LEVEL[:-1], level=gain), hold("i", 0.13, 132, level=gain / 4), PAUSE]
        soft = measured(recorded(parts, room=gain * 1e-3))
        assert loud.level_db is not None
        assert soft.level_db is not None
        found[gain] = loud.level_db - soft.level_db
    assert found[0.3] > 5
    assert found[0.02] == pytest.approx(found[0.3], abs=0.5)


def test_a_filled_pause_is_a_held_sound_and_a_word_is_not() -> None:
    um = [hold("a", 0.2, 118), hold("m", 0.25, 117)]
    assert measured(recorded([*syllables(LEVEL), *um, PAUSE])).steady_s > 0.2
    assert measured(recorded([*syllables(LEVEL), PAUSE])).steady_s < 0.15
    assert measured(recorded([*syllables(LEVEL), hold("a", 0.4, 130, 90), PAUSE])).steady_s < 0.15


@pytest.mark.parametrize("seed", range(3))
def test_noise_and_silence_give_nothing(seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal(2 * SPEECH_RATE_HZ)
    assert measure((noise * 2_000).astype(np.int16)) is None
    assert measure(np.zeros(2 * SPEECH_RATE_HZ, np.int16)) is None
    assert ProsodyMeter().measure() is None


def test_too_short_a_sound_gives_nothing() -> None:
    assert measure(recorded([hold("a", 0.25, 130), PAUSE])) is None


def test_the_result_does_not_depend_on_the_pieces() -> None:
    sound = recorded([silence(0.2), *syllables(LEVEL * 4), PAUSE])
    assert measure(sound, 512) == pytest.approx(measure(sound, 100)) == pytest.approx(measure(sound, len(sound)))


def test_another_utterance_starts_from_nothing() -> None:
    meter = ProsodyMeter()
    meter.add(recorded([*syllables([220] * 20), PAUSE]))
    meter.start()
    sound = recorded([*syllables(LEVEL), PAUSE])
    meter.add(sound)
    assert meter.measure() == measure(sound)


def test_a_long_utterance_keeps_its_usual_pitch_in_the_same_memory() -> None:
    meter = ProsodyMeter()
    long = recorded(syllables([110] * 150))
    sizes = set()
    for start in range(0, len(long), 512):
        meter.add(long[start : start + 512])
        kept = [each for each in vars(meter).values() if isinstance(each, np.ndarray)]
        sizes.add(sum(each.nbytes for each in kept if each.size > FRAME_SAMPLES + 512))
    meter.add(recorded([*syllables([147] * 12), PAUSE]))
    found = meter.measure()
    assert len(sizes) == 1
    assert found is not None
    assert found.pitch_st == pytest.approx(5, abs=0.5), "the last 3 s alone would have a usual pitch of 147 Hz"


def test_measuring_takes_little_time() -> None:
    """The medians of the processor's time: at most 0.15 ms for each window, and 3 ms for each pause."""
    meter = ProsodyMeter()
    sound = say("espeak en-us+f1", "I would like to know when the next train leaves for the city.").signal
    samples = (sound / np.abs(sound).max() * 20_000).astype(np.int16)
    windows, pauses = [], []
    for start in range(0, len(samples) // 512 * 512, 512):
        before = time.thread_time_ns()
        meter.add(samples[start : start + 512])
        windows.append(time.thread_time_ns() - before)
    for _ in range(20):
        before = time.thread_time_ns()
        assert meter.measure() is not None
        pauses.append(time.thread_time_ns() - before)
    assert np.median(windows) / 1e6 < 0.3, "twice the budget, as other processes slow this one down"
    assert np.median(pauses) / 1e6 < 3
