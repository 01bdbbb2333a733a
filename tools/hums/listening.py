"""Checks that a synthesiser really hums, as some spell the letters, whisper, or stay silent instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

RATE_HZ = 16_000

SHORTEST_S, LONGEST_S = 0.15, 0.95
"""The shortest and the longest single hum."""
VOICED = 0.6
"""At least this share of it has a pitch: "hmm" begins with breath, and "uh-huh" has some in the middle."""
HISSING = 0.12
"""At most this share of it is louder above 3 kHz than below: breath, never a fricative."""

_FRAME, _HOP, _SIZE = 400, 160, 1_024
_LOUD_DB = 25.0
_PERIODIC = 0.6
_SHORTEST_PERIOD, _LONGEST_PERIOD = RATE_HZ // 400, RATE_HZ // 64


def is_hum(sound: npt.NDArray[np.floating[Any]]) -> bool:
    """Returns True for a voice without fricatives that lasts as long as a hum; `sound` is 16 kHz, without silence."""
    if not SHORTEST_S < len(sound) / RATE_HZ < LONGEST_S or not sound.any():
        return False
    window = np.hanning(_FRAME)
    frames = np.lib.stride_tricks.sliding_window_view(sound, _FRAME)[::_HOP] * window
    power = np.square(np.abs(np.fft.rfft(frames, _SIZE)))
    sums = power.sum(axis=1)
    power = power[sums > sums.max() * 10 ** (-_LOUD_DB / 10)]
    sums = power.sum(axis=1)
    hz = np.fft.rfftfreq(_SIZE, 1 / RATE_HZ)
    hissing = power[:, hz > 3_000].sum(axis=1) > sums / 2
    likeness = np.fft.irfft(power)[:, :_LONGEST_PERIOD]
    of_window = np.fft.irfft(np.square(np.abs(np.fft.rfft(window, _SIZE))))[:_LONGEST_PERIOD]
    likeness = likeness / likeness[:, :1] / (of_window / of_window[0])
    voiced = likeness[:, _SHORTEST_PERIOD:].max(axis=1) > _PERIODIC
    return bool(voiced.mean() >= VOICED and hissing.mean() <= HISSING)
