"""One voice: the acoustic model, which predicts a spectrum and the length of each phoneme, and the sound of that.

The package `hibari` turns a spectrum into a waveform. This module adds what a conversation needs: no silence before the
first word, a short pause after the last one, the level of the other voices, and the times of the words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import Samples
from voicebot.engines.tts.hibari.phonemes import Phonemes

Floats = npt.NDArray[np.float32]

RATE_HZ = 24_000
HOP = 300
"""Samples in each frame of the spectrum: 12.5 ms."""
_WINDOW = 4 * HOP
"""Samples that one frame of the inverse Fourier transform covers."""

_VOICED_HZ = 40.0
"""The vocal cords are at rest where the predicted pitch is lower."""

GAIN = 1.86
"""5.4 dB, which makes the voice as loud as espeak-ng, so that the loudness does not jump when espeak stands in.
Measured over eight sentences with the weighting of ITU-R BS.1770 (standard deviation 0.9 dB)."""

KNEE = 0.8
"""The share of full scale above which the sound is compressed instead of clipped."""

_EDGE_FRAMES = 64
"""The first and the last 0.8 s of a sentence, in which its sound begins and ends."""
_SILENT = 5e-4
"""A frame with a smaller root mean square, in the model's own scale, is silent: it lies 45 dB below speech."""

_DURATIONS = "/Clip_output_0"
"""The model's inner value that holds how long each phoneme lasts. The published model does not output it."""

_STEP_S = 0.025
"""The unit of the durations: two frames."""

_EARLY_STEPS = 3
"""A word sounds this much earlier than the durations say. The model's teacher has the same offset: the package `kokoro`
subtracts three units as well (`KPipeline.join_timestamps`). Forced alignment of 100 words by an earlier recogniser gave
80 ms in the median (10 % and 90 %: 55 and 105 ms)."""

_LEAD_FRAMES = 1
"""Silence that stays before the first word: 13 ms. The model begins each sentence with 0.3 to 0.4 s of silence."""

_FADE = RATE_HZ // 200
"""Samples over which the sound fades in: 5 ms. It may have begun before the cut, and would click."""

_PAUSE_FRAMES = 20
"""Silence that stays after the last word: 0.25 s, the pause between two sentences. The model ends each sentence with
0.4 to 0.5 s, during which an answer that is over would still seem to go on."""


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

    def waveform(self) -> Floats:
        """Returns the sound, `HOP` samples for each frame, with a peak of about 1. It is always the same."""
        from hibari import dsp

        sound: Floats = dsp.synth(
            *(self.harmonics, self.harmonics_phase, self.noise, self.free, self.free_phase, self.pitch),
            np.random.default_rng(0),
        )
        return sound

    def _loud(self, first: int, end: int) -> npt.NDArray[np.intp]:
        """Returns the numbers of the frames with sound, counted from `first`.

        The energy of the three predicted parts is that of the sound except for phases: in frames of speech it is right
        within a factor of 1.5.
        """
        span = slice(first, end)
        energy = np.exp(2 * self.noise[:, span]).sum(0) + np.exp(2 * self.free[:, span]).sum(0)
        energy += (self.pitch[span] > _VOICED_HZ) * np.exp(2 * self.harmonics[:, span]).sum(0)
        return np.flatnonzero(np.sqrt(energy) / _WINDOW > _SILENT)


@dataclass(frozen=True, slots=True)
class SpokenPart:
    """The sound of a part of a text, at 24 kHz. `starts_s` holds when each word begins, by its number in the text."""

    samples: Samples
    starts_s: tuple[tuple[int, float], ...]


class AcousticModel:
    """A loaded voice. Any thread may use it. The model takes one thread and leaves Python's global lock free."""

    def __init__(self, model: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Memory that is kept for the next sentence would grow to twice that of the longest one. This saves 40 MB.
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        # A thread that waits for work would otherwise keep a core busy.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            with_output(model, _DURATIONS), options, providers=["CPUExecutionProvider"]
        )

    def speak(self, phonemes: Phonemes) -> SpokenPart:
        pace = np.ones(1, np.float32)
        *predicted, durations = self._session.run(None, {"ids": np.asarray([phonemes.ids], np.int64), "speed": pace})
        spectrum = Spectrum(*(value[0] for value in predicted))
        spectrum = spectrum.until(spectrum.sound_end() + _PAUSE_FRAMES)
        skip = max(0, spectrum.sound_start() - _LEAD_FRAMES) * HOP
        ends = np.cumsum(durations)
        starts_s = (
            (word, max(0.0, (float(ends[place - 1]) - _EARLY_STEPS) * _STEP_S - skip / RATE_HZ))
            for word, place in phonemes.word_places
        )
        return SpokenPart(_levelled(spectrum.waveform()[skip:]), tuple(starts_s))


def _levelled(sound: Floats) -> Samples:
    """Returns 16-bit samples at the level of the other voices, which fade in. Peaks are compressed, not clipped."""
    sound = sound * np.float32(GAIN)
    size = np.abs(sound)
    over = size > KNEE
    if over.any():
        compressed = KNEE + (1 - KNEE) * np.tanh((size[over] - KNEE) / (1 - KNEE))
        sound[over] = np.copysign(compressed, sound[over])
    length = min(_FADE, len(sound))
    sound[:length] *= np.linspace(0.0, 1.0, length, endpoint=False, dtype=np.float32)
    return (sound * 32_767).astype(np.int16)


def with_output(model: bytes, name: str) -> bytes:
    """Returns an ONNX model that gives one of its inner values as its last output.

    Protocol buffers merge a message that comes twice. So it is enough to append a graph that holds nothing but the
    output: field 7 of a model is its graph, field 12 of a graph an output, field 1 of an output its name.
    """
    return model + _field(7, _field(12, _field(1, name.encode())))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, high = value & 0x7F, value >> 7
    return bytes([low]) if not high else bytes([low | 0x80]) + _varint(high)
