"""The speech probabilities of a case's windows, from the real detector. They are computed once and stored."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.benchmarks.turns.case import TurnCase
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio, Samples
from voicebot.dialogue.endpointing import WINDOW_S
from voicebot.engines.vad.silero import Silero

CACHE = Path(tempfile.gettempdir()) / "voicebot-turns" / "detector"

WINDOW_SAMPLES = round(WINDOW_S * SPEECH_RATE_HZ)

TEXT_ONLY_SPEECH_S = 1.0
"""The duration of the speech that stands for the words of a case without audio."""

Probabilities = npt.NDArray[np.float32]


class StoredProbabilities:
    """A voice activity detector that gives the stored probability of each window in turn."""

    window_samples = WINDOW_SAMPLES

    def __init__(self, probabilities: Probabilities) -> None:
        self._probabilities = probabilities
        self._next = 0

    def probability(self, _window: Samples) -> float:
        self._next += 1
        return float(self._probabilities[self._next - 1])

    def reset(self) -> None:
        self._next = 0


def detected(case: TurnCase) -> tuple[Audio, Probabilities]:
    """Returns the audio of a case and the speech probability of each of its windows.

    A case without audio gets silence, and probabilities of 0 and 1 as its pause demands.
    """
    if case.audio is None:
        return _stand_in(case)
    samples = case.audio.samples
    file = CACHE / f"{hashlib.sha256(samples.tobytes()).hexdigest()[:24]}.npy"
    if file.exists():
        return case.audio, np.load(file)
    detector = Silero()
    count = len(samples) // WINDOW_SAMPLES
    windows = samples[: count * WINDOW_SAMPLES].reshape(count, WINDOW_SAMPLES)
    found = np.array([detector.probability(window) for window in windows], np.float32)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=CACHE, suffix=".npy", delete=False) as new:
        np.save(new, found)
    Path(new.name).replace(file)
    return case.audio, found


def _stand_in(case: TurnCase) -> tuple[Audio, Probabilities]:
    duration_s = case.pause_at_s + case.pause_s + (0.0 if case.over else TEXT_ONLY_SPEECH_S)
    audio = Audio.silence(duration_s, SPEECH_RATE_HZ)
    starts_s = np.arange(len(audio.samples) // WINDOW_SAMPLES) * WINDOW_S
    middle_s = starts_s + WINDOW_S / 2
    speaks = (middle_s > case.pause_at_s - TEXT_ONLY_SPEECH_S) & (middle_s < case.pause_at_s)
    if not case.over:
        speaks |= middle_s > case.pause_at_s + case.pause_s
    return audio, speaks.astype(np.float32)
