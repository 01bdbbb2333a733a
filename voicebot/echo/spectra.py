"""Short-time spectra of speech at 16 kHz, as the echo detector compares them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voicebot.core.audio import Samples

Spectra = npt.NDArray[np.complex64]
"""Of shape (frames, BIN_COUNT), or (BIN_COUNT,) for one."""

Powers = npt.NDArray[np.float32]

FRAME = 512
HOP = 256
"""Spectra of 32 ms (Hann), one each 16 ms."""

BINS = slice(6, 126)
BIN_COUNT = 120
"""190 to 3,900 Hz: what small loudspeakers give, and where voices are."""

_HANN = np.hanning(FRAME + 1)[:FRAME].astype(np.float32)


def spectra(sound: Samples) -> Spectra:
    """Of all frames in the sound, which is a whole number of hops, the oldest first."""
    halves = sound.reshape(-1, HOP)
    frames = np.concatenate([halves[:-1], halves[1:]], axis=1)
    return np.asarray(np.fft.rfft(frames * _HANN)[:, BINS], dtype=np.complex64)


def power(values: Spectra) -> Powers:
    return values.real**2 + values.imag**2
