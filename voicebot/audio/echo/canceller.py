"""The microphone's sound without the bot's voice, as far as that was predicted."""

from __future__ import annotations

import numpy as np

from voicebot.audio.echo.spectra import BIN_COUNT, FRAME, HOP, Spectra, sound_of
from voicebot.audio.sound import Samples

KEPT_FRAMES = 141
"""2.25 s, as long as the sound itself is kept."""


class EchoCanceller:
    """Keeps the echo predicted in the last frames, and takes it off their sound."""

    def __init__(self) -> None:
        self._echoes: Spectra = np.zeros((KEPT_FRAMES, BIN_COUNT), np.complex64)
        self._numbers = np.full(KEPT_FRAMES, -1)
        """Which frame is kept in each row."""

    def predicted(self, end: int, echoes: Spectra) -> None:
        """The echo in frames of which the last ends at sample `end`, a whole number of hops; replaces earlier ones."""
        last = (end - FRAME) // HOP
        numbers = np.arange(last - len(echoes) + 1, last + 1)
        self._echoes[numbers % KEPT_FRAMES] = echoes
        self._numbers[numbers % KEPT_FRAMES] = numbers

    def without_echo(self, sound: Samples, end: int) -> Samples:
        """The samples before `end`, of which all frames are known; in frames not kept nothing is taken off.

        Both ends are whole numbers of hops.
        """
        first, hops = (end - len(sound)) // HOP, len(sound) // HOP
        numbers = np.arange(first - 1, first + hops)
        rows = numbers % KEPT_FRAMES
        echo = sound_of(np.where((self._numbers[rows] == numbers)[:, None], self._echoes[rows], np.complex64(0)))
        return np.asarray(np.clip(sound.astype(np.int32) - echo[HOP:-HOP], -32768, 32767), np.int16)
