"""Tells hums ("mm-hmm", "uh-huh", "hmm") from words by the features that the model's encoder has made of the sound.

Moonshine has hardly ever seen a hum written down, and writes "I thought." or "In the mage and then." for one. Its
encoder hears the difference, though: a linear classifier on the features' mean, spread and course over the speech
tells hums from short words. Its weights come from `python -m tools.hums`, which also says how good they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import SPEECH_RATE_HZ, Samples
from voicebot.engines.stt.moonshine.model import FRAME_SAMPLES, PADDING_S, Features

LONGEST_S = 1.5
"""A hum is not longer than this, two in a row included."""

WEIGHTS = Path(__file__).with_name("hums.npz")

_FIELD = 895
"""The samples that one frame of the encoder is made of: convolutions of 127, 7 and 3 steps."""
_SPEECH_DB = 25.0
_NOISE_DB = 6.0
_LOUD_DB = 10.0
"""Frames count as speech from 25 dB below the loudest one, or from 6 dB above the quietest tenth; and always from 10 dB
below the loudest one."""

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HumGuess:
    """The hum that the sound is most like, and how much more it is like any hum than like words."""

    text: str
    log_odds: float
    """Natural logarithm; comparable between utterances, but no probability by itself."""


class Hums:
    """The trained classifier."""

    def __init__(
        self, weights: Vector, bias: Vector, texts: tuple[str, ...], combination: Vector, threshold: float
    ) -> None:
        """`weights` has one row for words, then one for each of `texts`."""
        self._weights, self._bias, self._texts = weights, bias, texts
        self._combination = combination
        self.threshold = threshold
        """From this probability on an utterance is taken for a hum."""

    @classmethod
    def load(cls, file: Path = WEIGHTS) -> Hums:
        with np.load(file, allow_pickle=False) as content:
            return cls(
                content["weights"].astype(np.float64),
                content["bias"].astype(np.float64),
                tuple(str(text) for text in content["texts"]),
                content["combination"].astype(np.float64),
                float(content["threshold"]),
            )

    def guess(self, sound: Samples, features: Features) -> HumGuess:
        """What the sound alone says; `features` are the encoder's for this sound."""
        scores = self._weights @ description(sound, features) + self._bias
        hums = scores[1:]
        highest = float(hums.max())
        together = highest + float(np.log(np.exp(hums - highest).sum()))
        return HumGuess(self._texts[int(hums.argmax())], together - float(scores[0]))

    def probability(self, guess: HumGuess, text_log_odds: float) -> float:
        """Returns how likely it is a hum. `text_log_odds`: the likeliest hum text against the model's own text."""
        constant, by_sound, by_text = self._combination
        log_odds = float(constant + by_sound * guess.log_odds + by_text * text_log_odds)
        return 1 / (1 + exp(-max(-50.0, min(50.0, log_odds))))


def spoken_s(sound: Samples, frames: int) -> float:
    """Returns how long somebody speaks in the sound, from the first to the last loud frame."""
    loud = np.flatnonzero(loud_frames(sound, frames))
    return (int(loud[-1]) - int(loud[0]) + 1) * FRAME_SAMPLES / SPEECH_RATE_HZ if len(loud) else 0.0


def loud_frames(sound: Samples, frames: int) -> npt.NDArray[np.bool_]:
    """Returns which of the encoder's frames for this sound hold speech: bool of shape (frames,)."""
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
    """Returns what the classifier looks at: the features of the loud frames, summed up, and the durations."""
    loud = loud_frames(sound, len(features))
    if not loud.any():
        loud[:] = True
    speech = features[loud].astype(np.float64)
    half = max(1, len(speech) // 2)
    places = np.flatnonzero(loud)
    length_s = (int(places[-1]) - int(places[0]) + 1) * FRAME_SAMPLES / SPEECH_RATE_HZ
    durations = np.array([length_s, np.log(length_s), len(speech) * FRAME_SAMPLES / SPEECH_RATE_HZ / length_s])
    course = speech[:half].mean(axis=0) - speech[-half:].mean(axis=0)
    return np.concatenate([speech.mean(axis=0), speech.std(axis=0), course, durations])
