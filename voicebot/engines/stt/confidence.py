"""Were the words that a recogniser found really said? Speech changes its spectrum all the time, most noise does not."""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import SPEECH_RATE_HZ as RATE_HZ
from voicebot.audio.sound import Samples

SPEECH_DB = 25.0
"""What is quieter than the loudest frame by more than this is not looked at."""

FLOOR = 0.35
"""Words below this confidence are taken for noise."""

_MIDDLE = 0.76
_SLOPE = 7.5

_HOP = RATE_HZ // 100
_LAG = 8
"""Frames between the spectra that are compared, 80 ms: about one speech sound."""
_FFT = 512
_BANDS = 20
_LOWEST_HZ = 130.0
_HIGHEST_HZ = 6800.0
_QUIETEST = 1e-4
"""Added to each band, as a share of the loudest frame: what lies below that is nothing but background."""

Floats = npt.NDArray[np.floating[Any]]


def confidence(speech: Samples) -> float:
    """How likely it is, 0 to 1, that the words found in this sound were said; 0.5 if it is too short to tell."""
    change = spectral_change(speech)
    return 0.5 if change is None else 1 / (1 + exp(_SLOPE * (_MIDDLE - change)))


def spectral_change(speech: Samples) -> float | None:
    """Mean change in 80 ms of the spectrum's shape, in natural-log energy per band; None without two loud frames."""
    padded = np.pad(speech.astype(np.float32), (0, _WINDOW.size))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW.size)[::_HOP] * _WINDOW
    bands = np.square(np.abs(np.fft.rfft(frames, _FFT, axis=1))) @ _FILTERS
    energy = bands.sum(axis=1)
    loudest = energy.max()
    loud = energy > loudest * 10 ** (-SPEECH_DB / 10)
    both = loud[_LAG:] & loud[:-_LAG]
    if not both.any():
        return None
    shape = np.log(bands + loudest * _QUIETEST)
    shape -= shape.mean(axis=1, keepdims=True)
    return float(np.abs(shape[_LAG:] - shape[:-_LAG])[both].mean())


def _mel_filters() -> Floats:
    """Triangular filters, evenly spaced on the mel scale: float of shape (bins of the spectrum, bands)."""
    lowest, highest = (2595 * np.log10(1 + hz / 700) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
    mels = np.linspace(lowest, highest, _BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1) / RATE_HZ * _FFT
    bins = np.arange(_FFT // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters: Floats = np.clip(np.minimum(rising, falling), 0, None)
    return filters


_WINDOW = np.hanning(400)
"""25 ms."""
_FILTERS = _mel_filters()
