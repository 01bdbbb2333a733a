"""Tells speech from noise by the encoder's features.

The decoder finds a text in every sound, with high confidence: "You" in a cough, "Thank you for watching!" in a fan. The
encoder's features differ, though. A linear classifier on their mean and deviation over time, and on the length of the
sound, tells noise from speech. `python -m tools.noise train` makes its weights.
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
"""This many frames at each end are of the silence that was added."""

INVENTED = frozenset({(), ("you",), ("thank", "you"), ("thank", "you", "for", "watching"), ("bye",)})
"""The texts that the model finds in most noises."""

_CRY = re.compile("[aeouhm]*")
"""The model finds words of these letters only, such as "oh", "ahhh" and "mm-hmm", in most other noises."""

Vector = npt.NDArray[np.floating[Any]]


class NoiseFilter:
    """The trained classifier. It has no state, so threads may share it."""

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
        """Returns whether the sound is speech. If its text is one that noises often get, more evidence is needed."""
        words = spoken_words(text)
        invented = words in INVENTED or all(map(_CRY.fullmatch, words))
        least = self._least_invented if invented else self._least
        return self.log_odds(features) >= least

    def log_odds(self, features: Features) -> float:
        """Returns the natural logarithm of the odds that the sound is speech, where both are equally frequent."""
        return float(self._weights @ description(features) + self._bias)


def description(features: Features) -> Vector:
    """Returns the classifier's input: float of shape (2 * 288 + 1,)."""
    heard = features[PADDING_FRAMES : max(PADDING_FRAMES + 1, len(features) - PADDING_FRAMES)]
    length = log(len(heard) * FRAME_SAMPLES / SPEECH_RATE_HZ)
    return np.concatenate([heard.mean(axis=0), heard.std(axis=0), [length]])
