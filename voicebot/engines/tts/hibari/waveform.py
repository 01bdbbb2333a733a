"""Turns the model's prediction into sound, piece by piece.

The mathematics are those of the package (`hibari.dsp`), which makes the sound of a whole sentence at once. Here the
inverse Fourier transform carries its overlap from one piece to the next. So a sentence is heard after its first piece,
and sounds the same. That saves 4 ms of 14 ms before the first sound on an idle core, and 25 of 60 ms on a busy one.
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
"""Samples in each frame of the spectrum: 12.5 ms."""
_BLOCKS = 4
_WINDOW = _BLOCKS * HOP
"""Samples that one frame of the inverse Fourier transform covers: four blocks of `HOP`."""

_VOICED_HZ = 40.0
"""The vocal cords are at rest where the predicted pitch is lower."""

FIRST_FRAMES, FRAMES = 48, 128
"""Length of the first piece (0.6 s, of which up to 0.3 s are silence) and of the others (1.6 s)."""

GAIN = 1.86
"""5.4 dB, which makes the voice as loud as espeak-ng, so that the loudness does not jump when espeak stands in.
Measured over eight sentences with the weighting of ITU-R BS.1770 (standard deviation 0.9 dB)."""

KNEE = 0.8
"""The share of full scale above which the sound is compressed instead of clipped."""

_EDGE_FRAMES = 64
"""The first and the last 0.8 s of a sentence, in which its sound begins and ends."""
_SILENT = 5e-4
"""A frame with a smaller root mean square, in the model's own scale, is silent: it lies 45 dB below speech."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The model's prediction: logarithmic magnitudes of harmonics, noise and a free part, and phases of the first and
    the last, all float32 of shape (601, frames); and the pitch in Hz, of shape (frames,)."""

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
        """Returns the frames before `frame`."""
        parts = (self.harmonics, self.harmonics_phase, self.noise, self.free, self.free_phase, self.pitch)
        return Spectrum(*(part[..., :frame] for part in parts))

    def sound_start(self) -> int:
        """Returns the first frame with sound."""
        loud = self._loud(0, min(self.frames, _EDGE_FRAMES))
        return int(loud[0]) if len(loud) else 0

    def sound_end(self) -> int:
        """Returns the frame after the last one with sound."""
        first = max(0, self.frames - _EDGE_FRAMES)
        loud = self._loud(first, self.frames)
        return first + (int(loud[-1]) + 1 if len(loud) else 0)

    def _loud(self, first: int, end: int) -> npt.NDArray[np.intp]:
        """Returns the numbers of the frames with sound, counted from `first`.

        The energy of the three predicted parts is that of the sound except for phases: in frames of speech it is right
        within a factor of 1.5.
        """
        span = slice(first, end)
        energy = np.exp(2 * self.noise[:, span]).sum(0) + np.exp(2 * self.free[:, span]).sum(0)
        energy += (self.pitch[span] > _VOICED_HZ) * np.exp(2 * self.harmonics[:, span]).sum(0)
        return np.flatnonzero(np.sqrt(energy) / _WINDOW > _SILENT)


def sound_of(spectrum: Spectrum, skip: int = 0) -> Iterator[Samples]:
    """Yields the sound in pieces, `HOP` samples for each frame, without its first `skip` samples."""
    for piece in waveform(spectrum, np.random.default_rng(0)):
        heard, skip = piece[skip:], max(0, skip - len(piece))
        if len(heard):
            yield _levelled(heard)


def waveform(spectrum: Spectrum, random: np.random.Generator) -> Iterator[Floats]:
    """Yields the sound in pieces, with a peak of about 1."""
    from hibari import dsp

    count = spectrum.frames
    pulses = np.pad(dsp.pulses(spectrum.pitch), _WINDOW // 2, mode="reflect")
    sources = np.lib.stride_tricks.sliding_window_view(pulses, _WINDOW)[::HOP][:count]
    squares = np.square(dsp.WIN).reshape(_BLOCKS, HOP)
    overlap = np.zeros((_BLOCKS - 1, HOP), np.float32)
    weight = np.zeros((_BLOCKS - 1, HOP), np.float32)
    begin = 0
    while begin < count:
        end = min(count, begin + (FRAMES if begin else FIRST_FRAMES))
        size = end - begin
        blocks = _frames(spectrum, sources[begin:end], slice(begin, end), random).reshape(size, _BLOCKS, HOP)
        total, weights = (np.concatenate([last, np.zeros((size, HOP), np.float32)]) for last in (overlap, weight))
        for block in range(_BLOCKS):
            total[block : block + size] += blocks[:, block]
            weights[block : block + size] += squares[block]
        # Frames are centred: two blocks lie before the beginning of the sound, and two follow the last whole one.
        first = _BLOCKS // 2 if begin == 0 else 0
        last = size + (_BLOCKS // 2 if end == count else 0)
        overlap, weight = total[size:], weights[size:]
        begin = end
        yield (total[first:last] / np.maximum(weights[first:last], 1e-11)).reshape(-1)


def _frames(spectrum: Spectrum, sources: Floats, span: slice, random: np.random.Generator) -> Floats:
    """Returns the windowed sound of some frames, of shape (frames, samples)."""
    from hibari import dsp

    harmonics = np.ascontiguousarray(dsp.rfft(sources * dsp.WIN_SRC, 1).T)
    harmonics *= _polar(np.tanh(spectrum.harmonics_phase[:, span]) * np.float32(np.pi), spectrum.harmonics[:, span])
    noise = random.standard_normal((len(harmonics), 2 * harmonics.shape[1]), dtype=np.float32).view(np.complex64)
    noise *= dsp.ex(spectrum.noise[:, span])
    harmonics += noise
    harmonics += _polar(spectrum.free_phase[:, span], spectrum.free[:, span])
    frames: Floats = dsp.irfft(harmonics.T, _WINDOW, 1)
    frames *= dsp.WIN
    return frames


def _polar(phase: Floats, log_magnitude: Floats) -> npt.NDArray[np.complex64]:
    """Returns complex numbers with these phases and magnitudes."""
    from hibari import dsp

    numbers = np.empty(phase.shape, np.complex64)
    np.cos(phase, out=numbers.real)
    np.sin(phase, out=numbers.imag)
    numbers *= dsp.ex(log_magnitude)
    return numbers


def _levelled(sound: Floats) -> Samples:
    """Returns 16-bit samples at the level of the other voices. Peaks are compressed, not clipped."""
    sound = sound * np.float32(GAIN)
    size = np.abs(sound)
    over = size > KNEE
    if over.any():
        compressed = KNEE + (1 - KNEE) * np.tanh((size[over] - KNEE) / (1 - KNEE))
        sound[over] = np.copysign(compressed, sound[over])
    return (sound * 32_767).astype(np.int16)
