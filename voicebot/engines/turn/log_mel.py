"""Whisper's log-mel spectrogram, which the end-of-turn model Smart Turn takes as its input."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import SPEECH_RATE_HZ, Samples

HEARD_SAMPLES = 8 * SPEECH_RATE_HZ
"""The model hears 8 s. Zeros stand in front of a shorter sound."""

BANDS = 80
FRAMES = 800
"""One frame for each 10 ms."""

_WINDOW_SAMPLES = 400
_STEP_SAMPLES = 160

_FLOOR = 1e-10
_RANGE_DECADES = 8.0
"""Nothing is fainter than this many powers of ten below the loudest band of the loudest frame."""

_LEAST_VARIANCE = 1e-7
"""Is added to the variance, so that silence can be divided by it."""

_LINEAR_TO_HZ = 1_000.0
_MELS_AT_1000_HZ = 15.0
_MELS_PER_LOG = 27.0 / np.log(6.4)
"""Slaney's scale: 15 mels up to 1,000 Hz, evenly, and above it 27 mels for each factor of 6.4."""

Spectrogram = npt.NDArray[np.float32]
Vector = npt.NDArray[np.floating[Any]]


def log_mel(samples: Samples) -> Spectrogram:
    """Returns the spectrogram of the last 8 s: float32 of shape (BANDS, FRAMES). `samples` are int16 at 16 kHz.

    It differs from that of `WhisperFeatureExtractor` (transformers 5.24) by at most 1.2e-7, the last bit; the
    values lie between about -1.5 and 2.
    """
    sound = np.zeros(HEARD_SAMPLES, np.float32)
    heard = samples[-HEARD_SAMPLES:]
    sound[HEARD_SAMPLES - len(heard) :] = heard.astype(np.float32) / np.float32(32768.0)
    sound = (sound - sound.mean()) / np.sqrt(sound.var() + np.float32(_LEAST_VARIANCE))
    padded = np.pad(sound.astype(np.float64), _WINDOW_SAMPLES // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW_SAMPLES)[:HEARD_SAMPLES:_STEP_SAMPLES]
    spectrum = np.fft.rfft(frames * _WINDOW)
    powers = _FILTERS @ (np.square(spectrum.real) + np.square(spectrum.imag)).T
    levels = np.log10(np.maximum(powers, _FLOOR))
    levels = np.maximum(levels, levels.max() - _RANGE_DECADES)
    scaled: Spectrogram = ((levels + 4.0) / 4.0).astype(np.float32)
    return scaled


def _hz_of(mels: Vector) -> Vector:
    linear = mels * (_LINEAR_TO_HZ / _MELS_AT_1000_HZ)
    return np.where(mels < _MELS_AT_1000_HZ, linear, _LINEAR_TO_HZ * np.exp((mels - _MELS_AT_1000_HZ) / _MELS_PER_LOG))


def _mel_filters() -> Vector:
    """Returns the filters: float64 of shape (BANDS, 201). Each is a triangle of area 1 over the frequency in Hz."""
    highest_hz = SPEECH_RATE_HZ / 2
    highest_mel = _MELS_AT_1000_HZ + np.log(highest_hz / _LINEAR_TO_HZ) * _MELS_PER_LOG
    corners_hz = _hz_of(np.linspace(0.0, highest_mel, BANDS + 2))
    bins_hz = np.linspace(0.0, highest_hz, _WINDOW_SAMPLES // 2 + 1)
    corners = [corners_hz[band : band + 3] for band in range(BANDS)]
    return np.array([np.interp(bins_hz, three, [0.0, 2.0 / (three[2] - three[0]), 0.0]) for three in corners])


_FILTERS = _mel_filters()
_WINDOW = np.hanning(_WINDOW_SAMPLES + 1)[:-1]
