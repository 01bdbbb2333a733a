"""Tells hums ("mm-hmm", "uh-huh", "hmm") from words by the encoder's features.

Moonshine has seen few hums in its training texts, and decodes them as "I thought." or "In the mage and then." The
encoder's features differ, though. A linear classifier on their mean, deviation and change over the speech tells hums
from short words. `python -m tools.hums` makes its weights and measures them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import SPEECH_RATE_HZ, Samples
from voicebot.engines.stt.moonshine.model import FRAME_SAMPLES, PADDING_S, Features

MAX_HUM_S = 1.5
"""Hums are not longer than this, even two in a row."""

WEIGHTS = Path(__file__).with_name("hums.npz")

_FIELD = 895
"""The receptive field of one frame in samples: the encoder's convolutions have kernels of 127, 7 and 3."""
_SPEECH_DB = 25.0
_NOISE_DB = 6.0
_LOUD_DB = 10.0
"""A frame is speech if it is less than 25 dB below the loudest one and more than 6 dB above the quietest tenth. A frame
less than 10 dB below the loudest one is always speech."""

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HumGuess:
    """The most likely hum, and how likely the sound is a hum at all."""

    text: str
    log_odds: float
    """The natural logarithm of the odds of any hum against words, as the classifier sees them."""


class HumClassifier:
    """The trained classifier."""

    def __init__(
        self, weights: Vector, bias: Vector, texts: tuple[str, ...], combination: Vector, threshold: float
    ) -> None:
        """`weights` has one row for words, then one for each of `texts`."""
        self._weights, self._bias, self._texts = weights, bias, texts
        self._combination = combination
        self.threshold = threshold
        """An utterance of at least this probability is taken for a hum."""

    @classmethod
    def load(cls, file: Path = WEIGHTS) -> HumClassifier:
        with np.load(file, allow_pickle=False) as content:
            return cls(
                content["weights"].astype(np.float64),
                content["bias"].astype(np.float64),
                tuple(str(text) for text in content["texts"]),
                content["combination"].astype(np.float64),
                float(content["threshold"]),
            )

    def guess(self, sound: Samples, features: Features) -> HumGuess:
        """Returns the guess by the sound alone. `features` are the encoder's for this sound."""
        scores = self._weights @ description(sound, features) + self._bias
        hums = scores[1:]
        highest = float(hums.max())
        total = highest + float(np.log(np.exp(hums - highest).sum()))
        return HumGuess(self._texts[int(hums.argmax())], total - float(scores[0]))

    def probability(self, guess: HumGuess, text_log_odds: float) -> float:
        """Returns the probability of a hum, by sound and text.

        `text_log_odds` is the log probability of the likeliest hum text minus that of the decoded text.
        """
        constant, by_sound, by_text = self._combination
        log_odds = float(constant + by_sound * guess.log_odds + by_text * text_log_odds)
        return 1 / (1 + exp(-max(-50.0, min(50.0, log_odds))))


def spoken_s(sound: Samples, frames: int) -> float:
    """Returns the time from the first to the last speech frame of the sound."""
    loud = np.flatnonzero(speech_frames(sound, frames))
    return (int(loud[-1]) - int(loud[0]) + 1) * FRAME_SAMPLES / SPEECH_RATE_HZ if len(loud) else 0.0


def speech_frames(sound: Samples, frames: int) -> npt.NDArray[np.bool_]:
    """Returns which of the encoder's frames hold speech: bool of shape (frames,)."""
    padding = round(PADDING_S * SPEECH_RATE_HZ)
    squares = np.square(np.pad(sound.astype(np.float64), padding))
    sums = np.concatenate([[0.0], np.cumsum(squares)])
    starts = np.arange(frames) * FRAME_SAMPLES
    power = (sums[np.minimum(starts + _FIELD, len(squares))] - sums[starts]) / _FIELD
    edge = padding // FRAME_SAMPLES + 1
    inside = power[edge:-edge] if frames > 2 * edge else power
    loudest = float(power.max(initial=0.0))
    noise = float(np.quantile(inside, 0.1)) * 10 ** (_NOISE_DB / 10)
    least = max(loudest * 10 ** (-_SPEECH_DB / 10), min(noise, loudest * 10 ** (-_LOUD_DB / 10)))
    loud: npt.NDArray[np.bool_] = power > least
    return loud


def description(sound: Samples, features: Features) -> Vector:
    """Returns the classifier's input: mean, deviation and change of the speech frames' features, and durations."""
    loud = speech_frames(sound, len(features))
    if not loud.any():
        loud[:] = True
    speech = features[loud].astype(np.float64)
    half = max(1, len(speech) // 2)
    places = np.flatnonzero(loud)
    length_s = (int(places[-1]) - int(places[0]) + 1) * FRAME_SAMPLES / SPEECH_RATE_HZ
    durations = np.array([length_s, np.log(length_s), len(speech) * FRAME_SAMPLES / SPEECH_RATE_HZ / length_s])
    change = speech[:half].mean(axis=0) - speech[-half:].mean(axis=0)
    return np.concatenate([speech.mean(axis=0), speech.std(axis=0), change, durations])
