"""Fits the classifier of noise, and measures it on kinds of noise that were left out of the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from tools.hums.clips import SOURCES, clips
from tools.hums.conditions import random_condition, recorded
from tools.noise.sounds import KINDS
from voicebot.audio.sound import Samples
from voicebot.engines.stt.moonshine.model import Model
from voicebot.engines.stt.moonshine.noise_filter import WEIGHTS, description

VOICES = ("hibari", "own", "flite")
"""The synthesisers of the speech. Many voices of espeak sound like machines, so it is not one of them. With it 7 of 180
pieces of recorded noise passed as speech, without it 4; of 300 words in its usual voices 290 and 292 passed."""

SPEECH_EACH = 700
"""The number of clips of each synthesiser."""
NOISES_EACH = 150
"""The number of clips of each kind of noise."""
LONGER_SHARE = 0.3
"""The share of speech clips that are two or three words or phrases in a row."""
PENALTY = 1e-2
"""The factor of the L2 penalty."""
LEAST_INVENTED = 0.98
LEAST = 0.9
"""The shares of left-out noises that the filter stops: those with a text that the model often invents, and others."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Described:
    """The classifier's input: one row for each sound."""

    vectors: Floats
    speech: npt.NDArray[np.bool_]
    kinds: npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Fitted:
    weights: Floats
    bias: float

    def log_odds(self, vectors: Floats) -> Floats:
        return np.asarray(vectors @ self.weights + self.bias)


def described(model: Model, seed: int) -> Described:
    """Makes all sounds and encodes them, which takes some minutes."""
    vectors, speech, kinds = [], [], []

    def add(sound: Samples, kind: str, *, is_speech: bool) -> None:
        vectors.append(description(model.encode(sound)).astype(np.float32))
        speech.append(is_speech)
        kinds.append(kind)

    for name in VOICES:
        rng = np.random.default_rng([seed, len(name)])
        row: list[Samples] = []
        for clip in clips(SOURCES[name](), SPEECH_EACH, seed, random_condition):
            row.append(clip.sound)
            if len(row) > 2 or rng.random() > LONGER_SHARE:
                add(np.concatenate(row), name, is_speech=True)
                row = []
    for number, (name, sound) in enumerate(KINDS.items()):
        rng = np.random.default_rng([seed, 1_000 + number])
        for _ in range(NOISES_EACH):
            add(recorded(sound(rng), random_condition(rng), rng), name, is_speech=False)
    return Described(np.array(vectors, np.float64), np.array(speech), np.array(kinds))


def fit(data: Described) -> Fitted:
    """Fits a logistic regression in which speech and noise have the same weight."""
    mean, spread = data.vectors.mean(axis=0), data.vectors.std(axis=0) + 1e-3
    vectors = (data.vectors - mean) / spread
    share = np.where(data.speech, 0.5 / data.speech.sum(), 0.5 / (~data.speech).sum())

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weights, bias = parameters[:-1], parameters[-1]
        scores = vectors @ weights + bias
        slope = (1 / (1 + np.exp(-scores)) - data.speech) * share
        value = float(share @ (np.logaddexp(0, scores) - data.speech * scores))
        value += PENALTY / 2 * float(weights @ weights)
        return value, np.append(vectors.T @ slope + PENALTY * weights, slope.sum())

    best: Any = minimize(loss, np.zeros(vectors.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    weights = best.x[:-1] / spread
    return Fitted(weights, float(best.x[-1] - mean @ weights))


def held_out(data: Described) -> Floats:
    """Returns the log odds of each sound, from a classifier that was trained without its kind or its synthesiser."""
    odds = np.zeros(len(data.speech))
    for kind in np.unique(data.kinds):
        own = data.kinds == kind
        rest = Described(data.vectors[~own], data.speech[~own], data.kinds[~own])
        odds[own] = fit(rest).log_odds(data.vectors[own])
    return odds


def report(data: Described, odds: Floats) -> list[str]:
    """Returns a line with the thresholds, and one for each kind with the shares of its sounds that pass them."""
    noises = odds[~data.speech]
    thresholds = [float(np.quantile(noises, share)) for share in (LEAST_INVENTED, LEAST)]
    lines = [f"passes at log odds of {thresholds[0]:.2f} and of {thresholds[1]:.2f}"]
    for kind in np.unique(data.kinds):
        own = odds[data.kinds == kind]
        shares = ", ".join(f"{np.mean(own >= least):6.1%}" for least in thresholds)
        lines.append(f"{kind:10} {shares} of {len(own)}")
    return lines


def train(seed: int = 1) -> list[str]:
    """Trains on all sounds and writes the weights. The thresholds come from `held_out`. Returns the report."""
    data = described(Model.load(), seed)
    odds = held_out(data)
    fitted = fit(data)
    noises = odds[~data.speech]
    np.savez(
        WEIGHTS,
        weights=fitted.weights.astype(np.float32),
        bias=np.float32(fitted.bias),
        least_invented=np.float32(np.quantile(noises, LEAST_INVENTED)),
        least=np.float32(np.quantile(noises, LEAST)),
    )
    return report(data, odds)


def measure(seed: int = 1) -> list[str]:
    """Returns the report, and writes nothing."""
    data = described(Model.load(), seed)
    return report(data, held_out(data))
