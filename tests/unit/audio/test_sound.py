"""Audio: duration, level, joining, conversion to bytes, and resampling."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from voicebot.audio.sound import SPEECH_RATE_HZ, WIRE_RATE_HZ, Audio, Resampler, Samples


def tone(duration_s: float, rate_hz: int, *, hz: float = 440.0) -> Audio:
    """Returns a tone at full scale."""
    at_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return Audio((32767 * np.sin(2 * np.pi * hz * at_s)).astype(np.int16), rate_hz)


def pieces(audio: Audio, samples: int) -> list[Audio]:
    starts = range(0, len(audio.samples), samples)
    return [Audio(audio.samples[start : start + samples], audio.rate_hz) for start in starts]


def resampled(audio: Audio, to_hz: int, samples: int) -> Audio:
    """Resamples the audio as a stream does, in pieces of this many samples."""
    resampler = Resampler(audio.rate_hz, to_hz)
    return Audio.joined([*(resampler.push(piece) for piece in pieces(audio, samples)), resampler.flush()], to_hz)


def rms(samples: Samples | npt.NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def test_audio_must_be_mono_and_16_bit() -> None:
    with pytest.raises(ValueError, match="int16 of shape"):
        Audio(np.zeros(3, np.float32), WIRE_RATE_HZ)
    with pytest.raises(ValueError, match=r"\(1, 3\)"):
        Audio(np.zeros((1, 3), np.int16), WIRE_RATE_HZ)


@pytest.mark.parametrize("rate_hz", [0, -16_000])
def test_a_sample_rate_must_be_positive(rate_hz: int) -> None:
    with pytest.raises(ValueError, match=f"not {rate_hz}"):
        Audio(np.zeros(3, np.int16), rate_hz)


def test_a_duration_depends_on_the_rate() -> None:
    assert Audio(np.zeros(480, np.int16), WIRE_RATE_HZ).duration_s == 0.01
    assert Audio(np.zeros(480, np.int16), SPEECH_RATE_HZ).duration_s == 0.03
    assert Audio.silence(0.25, SPEECH_RATE_HZ).duration_s == 0.25


@pytest.mark.parametrize(
    ("samples", "level_dbfs"),
    [([], -120), ([0] * 50, -120), ([-32768] * 50, 0), ([3277, -3277] * 50, -20), ([1] * 50, -90.3)],
)
def test_a_level_is_relative_to_full_scale(samples: list[int], level_dbfs: float) -> None:
    assert Audio(np.array(samples, np.int16), WIRE_RATE_HZ).level_dbfs == pytest.approx(level_dbfs, abs=0.01)


def test_a_full_scale_tone_has_a_level_of_minus_3_dbfs() -> None:
    assert tone(0.5, WIRE_RATE_HZ).level_dbfs == pytest.approx(-3.01, abs=0.01)


def test_audio_converts_to_little_endian_bytes_and_back_unchanged() -> None:
    audio = Audio(np.array([1, -2, 32767, -32768], np.int16), SPEECH_RATE_HZ)
    assert audio.to_bytes() == bytes.fromhex("0100feffff7f0080")
    back = Audio.from_bytes(audio.to_bytes(), SPEECH_RATE_HZ)
    assert back.samples.tolist() == audio.samples.tolist()
    assert back.rate_hz == SPEECH_RATE_HZ


def test_an_odd_number_of_bytes_is_an_error() -> None:
    with pytest.raises(ValueError, match="got 3"):
        Audio.from_bytes(b"abc", SPEECH_RATE_HZ)


def test_pieces_are_joined_in_order() -> None:
    audio = tone(0.1, SPEECH_RATE_HZ)
    joined = Audio.joined(iter(pieces(audio, 77)), SPEECH_RATE_HZ)
    assert joined.samples.tolist() == audio.samples.tolist()
    assert joined.rate_hz == SPEECH_RATE_HZ


def test_joining_no_pieces_gives_empty_audio() -> None:
    nothing = Audio.joined([], SPEECH_RATE_HZ)
    assert (nothing.duration_s, nothing.rate_hz) == (0, SPEECH_RATE_HZ)


def test_joining_pieces_at_different_rates_is_an_error() -> None:
    with pytest.raises(ValueError, match="16000 Hz"):
        Audio.joined([Audio.silence(0.1, SPEECH_RATE_HZ), Audio.silence(0.1, WIRE_RATE_HZ)], SPEECH_RATE_HZ)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(48_000, 16_000), (16_000, 48_000), (22_050, 48_000)])
def test_resampling_changes_the_rate_and_preserves_the_sound(from_hz: int, to_hz: int) -> None:
    made = tone(0.5, from_hz).resampled(to_hz)
    wanted = tone(0.5, to_hz)
    assert made.rate_hz == to_hz
    assert made.duration_s == pytest.approx(0.5, abs=0.001)
    inner = slice(to_hz // 20, -to_hz // 20)
    assert rms(made.samples[inner].astype(np.float64) - wanted.samples[inner]) < 0.01 * rms(wanted.samples)


def test_resampling_to_the_same_rate_returns_the_same_audio() -> None:
    audio = tone(0.1, SPEECH_RATE_HZ)
    assert audio.resampled(SPEECH_RATE_HZ) is audio


@pytest.mark.parametrize("samples", [160, 333, 960])
def test_resampling_in_pieces_matches_resampling_at_once(samples: int) -> None:
    audio = tone(0.5, WIRE_RATE_HZ)
    whole, streamed = audio.resampled(SPEECH_RATE_HZ), resampled(audio, SPEECH_RATE_HZ, samples)
    assert streamed.rate_hz == SPEECH_RATE_HZ
    assert len(streamed.samples) == len(whole.samples)
    assert rms(streamed.samples.astype(np.float64) - whole.samples) < 0.01 * rms(whole.samples)


def test_a_resampler_to_the_same_rate_passes_audio_through_at_once() -> None:
    resampler = Resampler(SPEECH_RATE_HZ, SPEECH_RATE_HZ)
    audio = tone(0.02, SPEECH_RATE_HZ)
    assert resampler.push(audio).samples.tolist() == audio.samples.tolist()
    rest = resampler.flush()
    assert (rest.duration_s, rest.rate_hz) == (0, SPEECH_RATE_HZ)


def test_a_resampler_rejects_audio_at_another_rate() -> None:
    resampler = Resampler(WIRE_RATE_HZ, SPEECH_RATE_HZ)
    with pytest.raises(ValueError, match="48000 Hz, got 16000 Hz"):
        resampler.push(Audio.silence(0.02, SPEECH_RATE_HZ))


@pytest.mark.parametrize(
    ("from_hz", "to_hz", "samples"),
    [(48_000, 16_000, 960), (48_000, 24_000, 960), (24_000, 48_000, 441), (22_050, 48_000, 441)],
)
def test_a_resampled_stream_has_digital_silence_where_the_stream_has_and_the_sound_around_it_is_unchanged(
    from_hz: int, to_hz: int, samples: int
) -> None:
    silence = Audio.silence(1.0, from_hz)
    stream = Audio.joined([tone(0.3, from_hz), silence, tone(0.3, from_hz), silence], from_hz)
    made = resampled(stream, to_hz, samples).samples.astype(int)
    at_once = stream.resampled(to_hz).samples.astype(int)
    assert len(made) == len(at_once)
    assert np.abs(made - at_once).max() <= 2
    assert not made[round(0.5 * to_hz) : round(1.2 * to_hz)].any()
