"""From what the model predicts to sound, piece by piece.

The mathematics are the package's (`hibari.dsp`), which makes the sound of a whole sentence at once. Here the inverse
Fourier transform carries its overlap from one piece to the next, so that a sentence is heard after its first piece and
sounds exactly the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import Samples

Floats = npt.NDArray[np.float32]

RATE_HZ = 24_000
HOP = 300
"""Samples that each frame adds: 12.5 ms."""
_BLOCKS = 4
"""A frame is this many hops long."""
_FRAME = HOP * _BLOCKS

_VOICED_HZ = 40.0
"""A lower pitch means that the vocal cords are at rest."""

FIRST_FRAMES, FRAMES = 48, 128
"""Length of the first piece and of the others: 0.6 s, of which up to 0.3 are silence, and 1.6 s."""

GAIN = 1.86
"""5.4 dB, which makes the voice as loud as espeak-ng's, so that the loudness does not jump when espeak stands in.
Measured over eight sentences with the weighting of ITU-R BS.1770 (standard deviation 0.9 dB)."""

KNEE = 0.8
"""From this share of full scale on the sound is compressed instead of clipped."""

_EDGE_FRAMES = 64
"""In the first and the last 0.8 s of a sentence its sound begins and ends; the rest is silence."""
_SILENT = 5e-4
"""Root mean square, in the model's own scale, below which a frame is silence: 45 dB below speech."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The model's prediction for each frame: harmonics, noise and the free part as logarithmic magnitudes, phases of
    the first and the last, all float32 of shape (601, frames); and the pitch in Hz, of shape (frames,)."""

    harmonics: Floats
    harmonics_phase: Floats
    noise: Floats
    free: Floats
    free_phase: Floats
    pitch: Floats

    @property
    def frames(self) -> int:
        return len(self.pitch)

    def until(self, frame: int) -> Spectrum:
        """Its first frames."""
        parts = (self.harmonics, self.harmonics_phase, self.noise, self.free, self.free_phase, self.pitch)
        return Spectrum(*(part[..., :frame] for part in parts))

    def sound_start(self) -> int:
        """The frame with which the silence at the beginning ends."""
        loud = self._loud(0, min(self.frames, _EDGE_FRAMES))
        return int(loud[0]) if len(loud) else 0

    def sound_end(self) -> int:
        """The frame with which the silence at the end begins."""
        first = max(0, self.frames - _EDGE_FRAMES)
        loud = self._loud(first, self.frames)
        return first + (int(loud[-1]) + 1 if len(loud) else 0)

    def _loud(self, first: int, end: int) -> npt.NDArray[np.intp]:
        """Which of these frames have sound, counted from the first.

        The energy of what the three parts predict is that of the sound, but for phases: within a factor of 1.5 in
        frames of speech.
        """
        at = slice(first, end)
        energy = np.exp(2 * self.noise[:, at]).sum(0) + np.exp(2 * self.free[:, at]).sum(0)
        energy += (self.pitch[at] > _VOICED_HZ) * np.exp(2 * self.harmonics[:, at]).sum(0)
        return np.flatnonzero(np.sqrt(energy) / _FRAME > _SILENT)


def sound_of(spectrum: Spectrum, skip: int = 0) -> Iterator[Samples]:
    """The sound in pieces, `HOP` samples for each frame, without its first `skip` samples."""
    for piece in waveform(spectrum, np.random.default_rng(0)):
        heard, skip = piece[skip:], max(0, skip - len(piece))
        if len(heard):
            yield _levelled(heard)


def waveform(spectrum: Spectrum, random: np.random.Generator) -> Iterator[Floats]:
    """The sound in pieces, as numbers around ±1."""
    from hibari import dsp

    count = spectrum.frames
    pulses = np.pad(dsp.pulses(spectrum.pitch), _FRAME // 2, mode="reflect")
    sources = np.lib.stride_tricks.sliding_window_view(pulses, _FRAME)[::HOP][:count]
    squares = np.square(dsp.WIN).reshape(_BLOCKS, HOP)
    overlap = np.zeros((_BLOCKS - 1, HOP), np.float32)
    weight = np.zeros((_BLOCKS - 1, HOP), np.float32)
    begin = 0
    while begin < count:
        end = min(count, begin + (FRAMES if begin else FIRST_FRAMES))
        size = end - begin
        blocks = _frames(spectrum, sources[begin:end], slice(begin, end), random).reshape(size, _BLOCKS, HOP)
        total, weights = (np.concatenate([tail, np.zeros((size, HOP), np.float32)]) for tail in (overlap, weight))
        for block in range(_BLOCKS):
            total[block : block + size] += blocks[:, block]
            weights[block : block + size] += squares[block]
        # Frames are centred: the first two hops lie before the beginning, and the last one behind the end.
        first = _BLOCKS // 2 if begin == 0 else 0
        last = size + (_BLOCKS // 2 if end == count else 0)
        overlap, weight = total[size:], weights[size:]
        begin = end
        yield (total[first:last] / np.maximum(weights[first:last], 1e-11)).reshape(-1)


def _frames(spectrum: Spectrum, sources: Floats, at: slice, random: np.random.Generator) -> Floats:
    """The windowed sound of some frames, of shape (frames, samples)."""
    from hibari import dsp

    harmonics = np.ascontiguousarray(dsp.rfft(sources * dsp.WIN_SRC, 1).T)
    harmonics *= _turned(np.tanh(spectrum.harmonics_phase[:, at]) * np.float32(np.pi), spectrum.harmonics[:, at])
    noise = random.standard_normal((len(harmonics), 2 * harmonics.shape[1]), dtype=np.float32).view(np.complex64)
    noise *= dsp.ex(spectrum.noise[:, at])
    harmonics += noise
    harmonics += _turned(spectrum.free_phase[:, at], spectrum.free[:, at])
    frames: Floats = dsp.irfft(harmonics.T, _FRAME, 1)
    frames *= dsp.WIN
    return frames


def _turned(phase: Floats, log_magnitude: Floats) -> npt.NDArray[np.complex64]:
    from hibari import dsp

    turned = np.empty(phase.shape, np.complex64)
    np.cos(phase, out=turned.real)
    np.sin(phase, out=turned.imag)
    turned *= dsp.ex(log_magnitude)
    return turned


def _levelled(sound: Floats) -> Samples:
    """As 16-bit samples at the level of the other voices. Peaks are bent, not cut."""
    sound = sound * np.float32(GAIN)
    size = np.abs(sound)
    over = size > KNEE
    if over.any():
        bent = KNEE + (1 - KNEE) * np.tanh((size[over] - KNEE) / (1 - KNEE))
        sound[over] = np.copysign(bent, sound[over])
    return (sound * 32_767).astype(np.int16)
