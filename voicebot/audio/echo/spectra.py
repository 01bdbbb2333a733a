"""The short-time Fourier transform that echo detection and cancellation work in, at 16 kHz."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import Samples

Spectra = npt.NDArray[np.complex64]
"""Frames of shape (frames, BIN_COUNT), or one frame of shape (BIN_COUNT,)."""

Powers = npt.NDArray[np.float32]

FRAME = 512
HOP = 256
"""Frame length and hop in samples: Hann windows of 32 ms, one every 16 ms."""

BINS = slice(2, 252)
BIN_COUNT = 250
"""60 to 7,800 Hz: the whole band that the recogniser uses, so that the echo is cancelled in all of it."""

SPEECH_BINS = slice(4, 124)
"""The part of these bins that echo detection uses: 190 to 3,900 Hz, which holds most of the power of speech and which
small loudspeakers reproduce."""

_HANN = np.hanning(FRAME + 1)[:FRAME].astype(np.float32)


def spectra(sound: Samples) -> Spectra:
    """Returns the spectra of all frames in the sound, oldest first. Its length is a whole number of hops."""
    halves = sound.reshape(-1, HOP)
    frames = np.concatenate([halves[:-1], halves[1:]], axis=1)
    return np.asarray(np.fft.rfft(frames * _HANN)[:, BINS], dtype=np.complex64)


def overlap_add(frames: Spectra) -> Samples:
    """Returns the sound of these frames by overlap-add. Its first and last hop are faded."""
    spectrum = np.zeros((len(frames), FRAME // 2 + 1), np.complex64)
    spectrum[:, BINS] = frames
    halves = np.fft.irfft(spectrum).reshape(-1, 2, HOP)
    sound = np.zeros((len(frames) + 1, HOP))
    sound[:-1] += halves[:, 0]
    sound[1:] += halves[:, 1]
    return np.asarray(np.clip(np.round(sound.ravel()), -32768, 32767), np.int16)


def power(values: Spectra) -> Powers:
    return values.real**2 + values.imag**2
