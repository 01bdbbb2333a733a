"""The audio of a recording as it is written to disk and read back."""

from __future__ import annotations

import io
import os
import wave

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import FRAME_SAMPLES, WIRE_RATE_HZ, Audio
from voicebot.recording.stereo_recorder import DITHER, StereoRecorder
from voicebot.recording.timeline import RATE_HZ

FRAME = RATE_HZ // 50


def read(recorder: StereoRecorder) -> npt.NDArray[np.int16]:
    """Returns both channels as an array of shape (n, 2)."""
    sound = recorder.snapshot()
    file = io.BytesIO(b"".join(sound.to_wav()))
    with wave.open(file) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (2, 2, RATE_HZ)
        assert wav.getnframes() == sound.length
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2)
    sound.close()
    return samples


def loud_starts(samples: npt.NDArray[np.int16]) -> list[int]:
    """Returns the positions at which sound begins after at least 0.1 s of silence."""
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 8_000)
    return [int(at) for at, before in zip(loud, [-RATE_HZ, *loud], strict=False) if at - before > RATE_HZ // 10]


def test_the_sound_is_stereo_ends_at_its_limit_and_stores_silence_as_holes() -> None:
    recorder = StereoRecorder(60 * RATE_HZ)
    before = set(os.listdir("/proc/self/fd"))
    loud = Audio(np.full(FRAME_SAMPLES, 4_000, np.int16), WIRE_RATE_HZ)
    silent = Audio(np.zeros(FRAME_SAMPLES, np.int16), WIRE_RATE_HZ)
    for number in range(70 * 50):
        at = number * FRAME
        recorder.record_user(loud if number >= 69 * 50 or number < 50 else silent, at + FRAME)
        recorder.record_bot(loud if 50 <= number < 100 else silent, at)
    snapshot = recorder.snapshot()
    (descriptor, _) = sorted(map(int, set(os.listdir("/proc/self/fd")) - before))[:2]
    assert os.fstat(descriptor).st_blocks * 512 <= 3 * RATE_HZ * 2
    snapshot.close()
    assert recorder.is_full
    samples = read(recorder)
    recorder.close()
    assert len(samples) == 60 * RATE_HZ
    second = samples.reshape(60, RATE_HZ, 2)
    assert np.abs(second[0, 1_000:-1_000, 0] - 4_000).max() < 40
    assert np.abs(second[0, : -RATE_HZ // 20, 1]).max() <= DITHER
    assert np.abs(second[1, 1_000:-1_000, 1] - 4_000).max() < 40
    assert np.abs(second[2:, :, 0]).max() <= DITHER


def test_a_recording_of_exactly_the_longest_length_is_not_cut_off() -> None:
    recorder = StereoRecorder(RATE_HZ)
    for number in range(50):
        recorder.record_bot(Audio.silence(0.02, WIRE_RATE_HZ), number * FRAME)
    assert not recorder.is_full
    recorder.close()


def test_late_packets_are_written_sample_by_sample_without_a_seam() -> None:
    """The event loop is up to 15 ms late."""
    recorder, chance = StereoRecorder(60 * RATE_HZ), np.random.default_rng(2)
    tone = (np.sin(np.arange(400 * FRAME_SAMPLES) * 0.02) * 9_000).astype(np.int16)
    for number in range(400):
        piece = Audio(tone[number * FRAME_SAMPLES :][:FRAME_SAMPLES], WIRE_RATE_HZ)
        recorder.record_bot(piece, number * FRAME + round(chance.random() * 0.015 * RATE_HZ))
    samples = read(recorder)[:, 1]
    recorder.close()
    first = int(np.flatnonzero(samples)[0])
    expected = Audio(tone, WIRE_RATE_HZ).resampled(RATE_HZ).samples
    shift = min(range(30), key=lambda each: int(np.abs(samples[each:][:2_000].astype(int) - expected[:2_000]).max()))
    assert first <= shift + 2
    assert np.abs(samples[shift:].astype(int) - expected[: len(samples) - shift]).max() <= 2
    assert len(samples) >= 400 * FRAME - RATE_HZ // 20


def test_uploads_of_other_sample_rates_and_lengths_are_placed_at_their_times() -> None:
    """Uploads over a WebSocket come at 16 kHz and 44.1 kHz. They are long and far apart."""
    recorder = StereoRecorder(60 * RATE_HZ)
    for start_s, rate_hz in ((1.0, 16_000), (5.0, 44_100), (9.0, 16_000)):
        samples = np.zeros(2 * rate_hz, np.int16)
        samples[: rate_hz // 100] = 20_000
        recorder.record_user(Audio(samples, rate_hz), round((start_s + 2) * RATE_HZ))
    found = loud_starts(read(recorder)[:, 0])
    recorder.close()
    assert np.abs(np.array(found) - np.array([1.0, 5.0, 9.0]) * RATE_HZ).max() <= 0.002 * RATE_HZ


def test_a_snapshot_does_not_change_what_is_recorded_afterwards() -> None:
    recorders = [StereoRecorder(60 * RATE_HZ) for _ in range(2)]
    chance = np.random.default_rng(4)
    for number in range(500):
        samples = np.zeros(FRAME_SAMPLES, np.int16)
        samples[:240] = 20_000 * (number % 25 == 0)
        late = int(chance.integers(0, RATE_HZ // 20))
        for recorder in recorders:
            recorder.record_user(Audio(samples, WIRE_RATE_HZ), (number + 1) * FRAME + late)
        if number % 37 == 0:
            recorders[1].snapshot().close()
    one, other = (read(recorder) for recorder in recorders)
    for recorder in recorders:
        recorder.close()
    assert np.abs(one.astype(int) - other).max() <= 2, "the two may differ only by the dither of the resampler"
