"""Describes clips by the encoder's features, and fits the classifier of hums."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from tools.hums.clips import Clip, Source, clips
from tools.hums.conditions import Condition
from tools.hums.vocabulary import Kind
from voicebot.engines.stt.moonshine.hums import MAX_HUM_S, description, spoken_s
from voicebot.engines.stt.moonshine.model import Model
from voicebot.engines.stt.moonshine.short_utterances import HUM_MARGIN, hum_texts

KINDS = (Kind.WORDS, Kind.UH_HUH, Kind.MM_HMM, Kind.HMM)
PENALTY = 0.03
"""The factor of the L2 penalty."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Described:
    """The classifier's input: one row for each clip."""

    vectors: Floats
    kinds: npt.NDArray[np.int64]
    """Places in `KINDS`."""
    texts: Floats
    """The log probability of the likeliest hum text minus that of the decoded text; nan where it was not computed."""
    said: tuple[str, ...]
    voices: tuple[str, ...]
    conditions: tuple[str, ...]

    def of(self, chosen: npt.NDArray[np.bool_]) -> Described:
        places = np.flatnonzero(chosen)
        said, voices, conditions = (
            tuple(names[place] for place in places) for names in (self.said, self.voices, self.conditions)
        )
        return Described(self.vectors[chosen], self.kinds[chosen], self.texts[chosen], said, voices, conditions)

    @property
    def hums(self) -> npt.NDArray[np.bool_]:
        return self.kinds > 0


def joined(parts: Iterable[Described]) -> Described:
    several = list(parts)
    return Described(
        np.concatenate([part.vectors for part in several]),
        np.concatenate([part.kinds for part in several]),
        np.concatenate([part.texts for part in several]),
        tuple(said for part in several for said in part.said),
        tuple(voice for part in several for voice in part.voices),
        tuple(condition for part in several for condition in part.conditions),
    )


def described(model: Model, made: Iterable[Clip], text_every: int) -> Described:
    """Encodes the clips, and decodes one of every `text_every`, which takes three times as long."""
    tree = hum_texts(model)
    vectors, kinds, texts, said, voices, conditions = [], [], [], [], [], []
    for number, clip in enumerate(made):
        features = model.encode(clip.sound)
        if spoken_s(clip.sound, len(features)) > MAX_HUM_S:
            continue
        vectors.append(description(clip.sound, features).astype(np.float32))
        kinds.append(KINDS.index(clip.kind))
        said.append(clip.said)
        voices.append(clip.voice)
        conditions.append(clip.condition)
        against = np.nan
        if number % text_every == 0:
            own = model.decode(features).log_probability
            scores = model.score_phrases(features, tree, own - HUM_MARGIN)
            against = max(scores.values(), default=own - HUM_MARGIN) - own
        texts.append(against)
    return Described(
        np.array(vectors, np.float64), np.array(kinds), np.array(texts), tuple(said), tuple(voices), tuple(conditions)
    )


def described_source(
    model: Model,
    source: Source,
    count: int,
    seed: int,
    condition: Callable[[np.random.Generator], Condition],
    text_every: int,
) -> Described:
    return described(model, clips(source, count, seed, condition), text_every)


@dataclass(frozen=True, slots=True)
class Fitted:
    """One row of weights and one bias for each of `KINDS`."""

    weights: Floats
    bias: Floats

    def scores(self, vectors: Floats) -> Floats:
        return np.asarray(vectors @ self.weights.T + self.bias)

    def log_odds(self, vectors: Floats) -> Floats:
        """Returns the log odds of any hum against words."""
        scores = self.scores(vectors)
        return np.asarray(np.logaddexp.reduce(scores[:, 1:], axis=1) - scores[:, 0])

    def kinds(self, vectors: Floats) -> npt.NDArray[np.int64]:
        """Returns the likeliest hum of each clip."""
        return np.asarray(1 + self.scores(vectors)[:, 1:].argmax(axis=1))


def fit(data: Described, weight: Floats) -> Fitted:
    """Fits a multinomial logistic regression. `weight` holds the weight of each clip."""
    mean, spread = data.vectors.mean(axis=0), data.vectors.std(axis=0) + 1e-3
    vectors = (data.vectors - mean) / spread
    wanted = np.eye(len(KINDS))[data.kinds]
    share = weight / weight.sum()
    size = vectors.shape[1] * len(KINDS)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weights, bias = parameters[:size].reshape(-1, len(KINDS)), parameters[size:]
        scores = vectors @ weights + bias
        logs = scores - np.logaddexp.reduce(scores, axis=1)[:, None]
        slope = (np.exp(logs) - wanted) * share[:, None]
        value = -float(share @ (logs * wanted).sum(axis=1)) + PENALTY / 2 * float(np.square(weights).sum())
        return value, np.concatenate([(vectors.T @ slope + PENALTY * weights).ravel(), slope.sum(axis=0)])

    best: Any = minimize(loss, np.zeros(size + len(KINDS)), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    weights = best.x[:size].reshape(-1, len(KINDS)) / spread[:, None]
    return Fitted(weights.T.copy(), best.x[size:] - mean @ weights)


def fit_combination(log_odds: Floats, texts: Floats, hums: npt.NDArray[np.bool_]) -> Floats:
    """Fits a logistic regression on the two numbers. Returns a constant and the weight of each."""
    columns = np.stack([np.ones(len(hums)), log_odds, texts], axis=1)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        scores = columns @ parameters
        slope = (1 / (1 + np.exp(-scores)) - hums) / len(hums)
        value = float(np.mean(np.logaddexp(0, scores) - hums * scores)) + 1e-4 * float(parameters @ parameters)
        return value, columns.T @ slope + 2e-4 * parameters

    best: Any = minimize(loss, np.zeros(3), jac=True, method="L-BFGS-B")
    return np.asarray(best.x)


def combined(combination: Floats, log_odds: Floats, texts: Floats) -> Floats:
    """Returns the probability of a hum."""
    constant, by_sound, by_text = combination
    return np.asarray(1 / (1 + np.exp(-(constant + by_sound * log_odds + by_text * texts))))


def auc(hums: Floats, words: Floats) -> float:
    """Returns the probability that a hum scores higher than a word."""
    order = np.concatenate([hums, words]).argsort().argsort() + 1
    return float((order[: len(hums)].sum() - len(hums) * (len(hums) + 1) / 2) / (len(hums) * len(words)))
