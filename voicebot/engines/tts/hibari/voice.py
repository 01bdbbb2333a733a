"""One voice: the acoustic model, which turns phonemes into a spectrum and says how long each phoneme lasts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from voicebot.audio.sound import Samples
from voicebot.engines.tts.hibari.phonemes import Phonemes
from voicebot.engines.tts.hibari.waveform import HOP, RATE_HZ, Spectrum, sound_of

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
class SpokenPart:
    """A part of a text that is ready to be heard. `starts_s` holds when each word begins, by its number in the text."""

    starts_s: tuple[tuple[int, float], ...]
    duration_s: float
    spectrum: Spectrum
    skip: int

    def sound(self) -> Iterator[Samples]:
        """Yields the sound at 24 kHz in pieces, each made when it is asked for."""
        pieces = sound_of(self.spectrum, self.skip)
        for piece in itertools.islice(pieces, 1):
            yield _faded_in(piece)
        yield from pieces


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
        return SpokenPart(tuple(starts_s), (spectrum.frames * HOP - skip) / RATE_HZ, spectrum, skip)


def _faded_in(sound: Samples) -> Samples:
    faded = sound.copy()
    length = min(_FADE, len(sound))
    faded[:length] = sound[:length] * np.linspace(0.0, 1.0, length, endpoint=False)
    return faded


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
