"""One voice: the acoustic model, which turns phonemes into a spectrum and says how long each phoneme lasts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from voicebot.audio.sound import Samples
from voicebot.engines.tts.hibari.reading import Phonemes
from voicebot.engines.tts.hibari.waveform import HOP, RATE_HZ, Spectrum, sound_of

_DURATIONS = "/Clip_output_0"
"""The model's inner value that holds how long each phoneme lasts. It is no output of the model as it was published."""

_STEP_S = 0.025
"""The unit of the durations: two frames."""

_EARLY_STEPS = 3
"""A word sounds this much before its phonemes begin by the durations. The model's teacher has the same offset: the
package `kokoro` subtracts three units as well (`KPipeline.join_timestamps`). Forced alignment of 100 words by
an earlier recogniser gave 80 ms in the median (10 % and 90 %: 55 and 105 ms)."""

_LEAD_FRAMES = 1
"""How much of the silence before the first word is kept: 13 ms. The model begins each sentence with 0.3 to 0.4 s of
it, for which a user would have to wait."""

_FADE = RATE_HZ // 200
"""The first 5 ms become louder from nothing, as a sound may have begun before that silence: without this it clicks."""

_PAUSE_FRAMES = 20
"""How much silence is kept behind the last word: 0.25 s, the pause between two sentences. The model ends each with 0.4
to 0.5 s of it, in which an answer that is over would still seem to go on."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something that is ready to be spoken: when each word begins, by its number in the text, and how long it is."""

    starts_s: tuple[tuple[int, float], ...]
    duration_s: float
    spectrum: Spectrum
    skip: int

    def sound(self) -> Iterator[Samples]:
        """The sound at 24 kHz in pieces, each made when it is asked for."""
        pieces = sound_of(self.spectrum, self.skip)
        for piece in itertools.islice(pieces, 1):
            yield _faded_in(piece)
        yield from pieces


class Voice:
    """A model that is loaded. Any thread may use it; each use takes one thread, and none of Python's global lock."""

    def __init__(self, model: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Sentences differ in length: kept memory would grow to that of the longest one twice. This saves 40 MB.
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        # A thread that waits for work would otherwise keep a core busy while it does.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            with_output(model, _DURATIONS), options, providers=["CPUExecutionProvider"]
        )

    def speak(self, phonemes: Phonemes) -> Utterance:
        ids, pace = np.asarray([phonemes.ids], np.int64), np.ones(1, np.float32)
        *predicted, durations = self._session.run(None, {"ids": ids, "speed": pace})
        spectrum = Spectrum(*(value[0] for value in predicted))
        spectrum = spectrum.until(spectrum.sound_end() + _PAUSE_FRAMES)
        ends = np.cumsum(durations)
        begins = [max(0.0, float(ends[at - 1]) - _EARLY_STEPS) for _, at in phonemes.begins]
        skip = max(0, spectrum.sound_start() - _LEAD_FRAMES) * HOP
        starts = (
            (word, max(0.0, begin * _STEP_S - skip / RATE_HZ))
            for (word, _), begin in zip(phonemes.begins, begins, strict=True)
        )
        return Utterance(tuple(starts), (spectrum.frames * HOP - skip) / RATE_HZ, spectrum, skip)


def _faded_in(sound: Samples) -> Samples:
    faded = sound.copy()
    length = min(_FADE, len(sound))
    faded[:length] = sound[:length] * np.linspace(0.0, 1.0, length, endpoint=False)
    return faded


def with_output(model: bytes, name: str) -> bytes:
    """An ONNX model that gives one of its inner values as its last output.

    Protocol buffers merge a message that comes twice, so that it is enough to append a graph with nothing in it but the
    output: field 7 of a model is its graph, field 12 of a graph an output, field 1 of that its name.
    """
    return model + _field(7, _field(12, _field(1, name.encode())))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, high = value & 0x7F, value >> 7
    return bytes([low]) if not high else bytes([low | 0x80]) + _varint(high)
