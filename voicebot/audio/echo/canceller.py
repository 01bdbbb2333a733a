"""Subtracts the predicted echo from the microphone signal."""

from __future__ import annotations

import numpy as np

from voicebot.audio.echo.spectra import BIN_COUNT, FRAME, HOP, Spectra, overlap_add
from voicebot.audio.sound import Samples

KEPT_FRAMES = 141
"""2.25 s, like the microphone samples in a `SampleHistory`."""


class EchoCanceller:
    """Keeps the echo that was predicted for the last frames, and subtracts it from their samples."""

    def __init__(self) -> None:
        self._echoes: Spectra = np.zeros((KEPT_FRAMES, BIN_COUNT), np.complex64)
        self._numbers = np.full(KEPT_FRAMES, -1)
        """The number of the frame that each row of `_echoes` holds; -1 for an empty row."""

    def keep_prediction(self, end: int, echoes: Spectra) -> None:
        """Keeps the predicted echo of consecutive frames, in place of earlier predictions for the same frames.

        The last frame ends at sample `end`, a whole number of hops.
        """
        last = (end - FRAME) // HOP
        numbers = np.arange(last - len(echoes) + 1, last + 1)
        self._echoes[numbers % KEPT_FRAMES] = echoes
        self._numbers[numbers % KEPT_FRAMES] = numbers

    def cancel_echo(self, sound: Samples, end: int) -> Samples:
        """Returns `sound` without its echo. Frames for which no prediction is kept stay unchanged.

        `sound` ends at sample `end`. Both its ends are whole numbers of hops.
        """
        first, hops = (end - len(sound)) // HOP, len(sound) // HOP
        numbers = np.arange(first - 1, first + hops)
        rows = numbers % KEPT_FRAMES
        echo = overlap_add(np.where((self._numbers[rows] == numbers)[:, None], self._echoes[rows], np.complex64(0)))
        return np.asarray(np.clip(sound.astype(np.int32) - echo[HOP:-HOP], -32768, 32767), np.int16)
