"""Short-time spectra of speech at 16 kHz, as the echo detector compares them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import Samples

Spectra = npt.NDArray[np.complex64]
"""Of shape (frames, BIN_COUNT), or (BIN_COUNT,) for one."""

Powers = npt.NDArray[np.float32]

FRAME = 512
HOP = 256
"""Spectra of 32 ms (Hann), one each 16 ms."""

BINS = slice(2, 252)
BIN_COUNT = 250
"""60 to 7,800 Hz: all that the recogniser hears, so that no part of the echo is left in what it gets."""

COMPARED = slice(4, 124)
"""Of these bins the ones from 190 to 3,900 Hz. Small loudspeakers give no more, and voices are there: an echo is
recognised by them."""

_HANN = np.hanning(FRAME + 1)[:FRAME].astype(np.float32)


def spectra(sound: Samples) -> Spectra:
    """Of all frames in the sound, which is a whole number of hops, the oldest first."""
    halves = sound.reshape(-1, HOP)
    frames = np.concatenate([halves[:-1], halves[1:]], axis=1)
    return np.asarray(np.fft.rfft(frames * _HANN)[:, BINS], dtype=np.complex64)


def sound_of(frames: Spectra) -> Samples:
    """The sound of which these are all frames: Hann windows add up to one. Its first and last hop are faded."""
    spectrum = np.zeros((len(frames), FRAME // 2 + 1), np.complex64)
    spectrum[:, BINS] = frames
    halves = np.fft.irfft(spectrum).reshape(-1, 2, HOP)
    sound = np.zeros((len(frames) + 1, HOP))
    sound[:-1] += halves[:, 0]
    sound[1:] += halves[:, 1]
    return np.asarray(np.clip(np.round(sound.ravel()), -32768, 32767), np.int16)


def power(values: Spectra) -> Powers:
    return values.real**2 + values.imag**2
