"""The sound of a recording, as it is written and given back."""

from __future__ import annotations

import io
import os
import wave

import numpy as np

from voicebot.audio.sound import FRAME_SAMPLES, WIRE_RATE_HZ, Audio
from voicebot.recording.lane import RATE_HZ
from voicebot.recording.tape import DITHER, Tape


def test_the_recorded_sound_is_stereo_ends_at_its_limit_and_stores_silence_as_holes() -> None:
    tape = Tape(60 * RATE_HZ)
    loud = Audio(np.full(FRAME_SAMPLES, 4_000, np.int16), WIRE_RATE_HZ)
    silent = Audio(np.zeros(FRAME_SAMPLES, np.int16), WIRE_RATE_HZ)
    for number in range(70 * 50):
        at = number * RATE_HZ // 50
        tape.heard(loud if number >= 69 * 50 or number < 50 else silent, at + RATE_HZ // 50)
        tape.played(loud if 50 <= number < 100 else silent, at)
    sound = tape.sound()
    assert tape.full
    assert os.fstat(sound.left.fileno()).st_blocks * 512 <= 3 * RATE_HZ * 2
    file = io.BytesIO(b"".join(sound.wav()))
    sound.close()
    tape.close()
    with wave.open(file) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (2, 2, RATE_HZ)
        assert wav.getnframes() == 60 * RATE_HZ
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2)
    second = samples.reshape(60, RATE_HZ, 2)
    assert np.abs(second[0, 1_000:-1_000, 0] - 4_000).max() < 40
    assert np.abs(second[0, : -RATE_HZ // 20, 1]).max() <= DITHER
    assert np.abs(second[1, 1_000:-1_000, 1] - 4_000).max() < 40
    assert np.abs(second[2:, :, 0]).max() <= DITHER
