"""Is a stretch of the microphone's sound a copy of what was played? Compared whole, once it is over.

Slower to tell than the detector's running score, but it needs nothing learned before: the first echo of a session, or
one whose delay has just changed, is known by this.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import SPEECH_RATE_HZ, Samples

Floats = npt.NDArray[np.floating[Any]]

LIKE = 0.4
"""A correlation from here on is certain. Measured on 0.4 s of 4 voices in 2 recorded rooms, 72 echoes: 0.31 at the 5th
percentile, median 0.55; 144 other voices over them: median 0.10, 0.19 at the 95th percentile, 0.28 at the 99th."""

_LOWEST_HZ, _HIGHEST_HZ = 250.0, 3600.0
_SMOOTH_HZ = 150.0
_FLOOR = 0.02


def copy_score(heard: Samples, played: Samples) -> tuple[float, int]:
    """How surely `heard` is a delayed copy of a part of `played`, which is longer: 0 to 1. Both at 16 kHz.

    Also where in `played` that part begins.
    """
    copy, original = _whitened(heard), _whitened(played)
    size = 1 << (len(original) + len(copy)).bit_length()
    spectrum = np.fft.rfft(original, size) * np.conj(np.fft.rfft(copy, size))
    products = np.fft.irfft(spectrum, size)[: len(original) - len(copy) + 1]
    sums = np.concatenate([[0.0], np.cumsum(np.square(original))])
    energies = sums[len(copy) :] - sums[: -len(copy)]
    norm = np.sqrt((energies + _FLOOR * energies.max(initial=0.0)) * np.square(copy).sum())
    correlations = np.divide(np.abs(products), norm, out=np.zeros_like(products), where=norm > 0)
    best = int(correlations.argmax())
    return min(1.0, float(correlations[best]) / LIKE), best


def _whitened(sound: Samples) -> Floats:
    """With all pitches equally strong, so that two voices are not alike because both are voices."""
    size = 1 << len(sound).bit_length()
    spectrum = np.fft.rfft(sound.astype(np.float64), size)
    hz = np.fft.rfftfreq(size, 1 / SPEECH_RATE_HZ)
    width = max(1, round(_SMOOTH_HZ / hz[1]))
    level = np.convolve(np.abs(spectrum), np.ones(width) / width, "same")
    floor = _FLOOR * level.max(initial=0.0)
    wanted = (hz > _LOWEST_HZ) & (hz < _HIGHEST_HZ)
    white = np.divide(spectrum * wanted, level + floor, out=np.zeros_like(spectrum), where=level + floor > 0)
    return np.fft.irfft(white, size)[: len(sound)]
