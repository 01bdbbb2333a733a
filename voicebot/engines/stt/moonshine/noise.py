"""Tells speech from noise by the features that the model's encoder has made of the sound.

The model writes something for every sound: "You" for a cough, "Thank you for watching!" for a fan, and it is sure of
it. Its encoder hears the difference: a linear classifier on the mean and the spread of the features over time, and on
how long the sound is, tells noises from speech. Its weights come from `python -m tools.noise train`.
"""

from __future__ import annotations

import re
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import SPEECH_RATE_HZ
from voicebot.engines.stt.moonshine.model import FRAME_SAMPLES, PADDING_S, Features
from voicebot.languages.spoken import spoken_words

WEIGHTS = Path(__file__).with_name("noise.npz")

PADDING_FRAMES = int(PADDING_S * SPEECH_RATE_HZ / FRAME_SAMPLES)
"""These frames at both ends are of the silence that was added."""

INVENTED = frozenset({(), ("you",), ("thank", "you"), ("thank", "you", "for", "watching"), ("bye",)})
"""What the model writes for most noises."""

_CRY = re.compile("[aeouhm]*")
"""Words without any other letter, such as "oh", "ahhh" and "mm-hmm", are what it writes for most of the others."""

Vector = npt.NDArray[np.floating[Any]]


class NoiseFilter:
    """The trained classifier. Has no state: threads may share it."""

    def __init__(self, weights: Vector, bias: float, least: float, least_invented: float) -> None:
        self._weights, self._bias = weights, bias
        self._least, self._least_invented = least, least_invented

    @classmethod
    def load(cls, file: Path = WEIGHTS) -> NoiseFilter:
        with np.load(file, allow_pickle=False) as content:
            return cls(
                content["weights"].astype(np.float64),
                float(content["bias"]),
                float(content["least"]),
                float(content["least_invented"]),
            )

    def passes(self, features: Features, text: str) -> bool:
        """Whether the sound may be speech. A text that the model is known to invent needs more evidence."""
        words = spoken_words(text)
        invented = words in INVENTED or all(map(_CRY.fullmatch, words))
        least = self._least_invented if invented else self._least
        return self.log_odds(features) >= least

    def log_odds(self, features: Features) -> float:
        """Returns the natural logarithm of the odds that the sound is speech, as they were in training."""
        return float(self._weights @ description(features) + self._bias)


def description(features: Features) -> Vector:
    """Returns what the classifier looks at: float of shape (2 * 288 + 1,)."""
    heard = features[PADDING_FRAMES : max(PADDING_FRAMES + 1, len(features) - PADDING_FRAMES)]
    length = log(len(heard) * FRAME_SAMPLES / SPEECH_RATE_HZ)
    return np.concatenate([heard.mean(axis=0), heard.std(axis=0), [length]])
