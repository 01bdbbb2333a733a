"""Checks that the cuts do not give the answers away: a classifier that sees only the edge of each pause.

It is a logistic regression, cross-validated by speaker. The same is done with the answers of each speaker in random
order: that shows which scores come by chance.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.benchmarks.turns.case import TurnCase
from tests.benchmarks.turns.pauses import FADE_S
from voicebot.audio.sound import SPEECH_RATE_HZ

INSERTED_S = 0.06
"""How much of the inserted pause the classifier sees."""
FRAME_S = 0.01
BANDS_HZ = (0, 250, 500, 1000, 2000, 3000, 4500, 6500, 8000)
STRENGTH = 1.0
"""The weight of the L2 penalty, with features of unit variance."""
FOLDS = 5
NEWTON_STEPS = 8

Matrix = npt.NDArray[np.float64]
Answers = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class EdgeScore:
    """How well a classifier tells ends from pauses. `auc` is the area under its ROC curve: 0.5 if it knows nothing."""

    auc: float
    chance: tuple[float, float]
    """Between these, 95 % of the areas lie if the answers are in random order."""
    accuracy: float
    cases: int

    @property
    def knows_something(self) -> bool:
        return self.auc > self.chance[1]


def score_edges(
    cases: Sequence[TurnCase], features: Callable[[TurnCase], list[float]], shuffles: int = 100
) -> EdgeScore:
    """Scores a classifier that sees the `features` of each case. Every case is judged by other speakers' cases."""
    cases = [case for case in cases if case.audio is not None]
    inputs = np.array([features(case) for case in cases])
    over = np.array([case.over for case in cases])
    names = np.array([case.speaker for case in cases])
    speakers = sorted(set(names.tolist()))
    folds = np.array([speakers.index(name) % FOLDS for name in names])
    auc, accuracy = _score(inputs, over, folds)
    random = np.random.default_rng(1)
    by_chance = []
    for _ in range(shuffles):
        shuffled = over.copy()
        for speaker in speakers:
            shuffled[names == speaker] = random.permutation(over[names == speaker])
        by_chance.append(_score(inputs, shuffled, folds)[0])
    low, high = np.percentile(by_chance, (2.5, 97.5)) if by_chance else (0.0, 1.0)
    return EdgeScore(auc, (float(low), float(high)), accuracy, len(cases))


def inserted(case: TurnCase) -> list[float]:
    """Returns what the script made: levels, slopes and spectrum of the first 60 ms of the inserted pause."""
    return _features(case, 0.0, INSERTED_S)


def faded(case: TurnCase) -> list[float]:
    """Returns the same of the 50 ms before the pause, which the script has faded out. They hold the last of the voice,
    which does tell something: voices die away at the end of a sentence."""
    return _features(case, -FADE_S, FADE_S)


def voice(case: TurnCase) -> list[float]:
    """Returns the same of the 50 ms before the fade, which the script has not touched, for comparison."""
    return _features(case, -2 * FADE_S, FADE_S)


def _features(case: TurnCase, from_s: float, length_s: float) -> list[float]:
    assert case.audio is not None
    start = round((case.pause_at_s + from_s) * SPEECH_RATE_HZ)
    sound = case.audio.samples[start : start + round(length_s * SPEECH_RATE_HZ)] / 32768
    frames = sound.reshape(-1, round(FRAME_S * SPEECH_RATE_HZ))
    levels = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-10)
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / SPEECH_RATE_HZ)
    bands = [float(power[(hz >= low) & (hz < high)].sum()) for low, high in itertools.pairwise(BANDS_HZ)]
    shape = 10 * np.log10(np.array(bands) / (sum(bands) + 1e-15) + 1e-6)
    return [float(levels.mean()), *np.diff(levels).tolist(), *shape.tolist()]


def _score(inputs: Matrix, over: Answers, folds: npt.NDArray[np.int_]) -> tuple[float, float]:
    """Returns the area under the ROC curve and the share of right answers, both as means over the folds.

    Only cases of the same fold are compared with each other, as other folds have other classifiers.
    """
    areas, right, weights = [], [], []
    for fold in set(folds.tolist()):
        unseen = folds == fold
        judged, truth = _judged(inputs[~unseen], over[~unseen], inputs[unseen]), over[unseen]
        ends, goes_on = judged[truth], judged[~truth]
        if len(ends) and len(goes_on):
            above = (ends[:, None] > goes_on[None, :]) + 0.5 * (ends[:, None] == goes_on[None, :])
            areas.append(float(above.mean()))
            right.append(0.5 * float(np.mean(ends > 0)) + 0.5 * float(np.mean(goes_on <= 0)))
            weights.append(len(truth))
    return float(np.average(areas, weights=weights)), float(np.average(right, weights=weights))


def _judged(inputs: Matrix, over: Answers, unseen: Matrix) -> Matrix:
    """Returns the log-odds that logistic regression on the first cases gives the unseen ones.

    Both classes weigh the same.
    """
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0) + 1e-9
    design = np.column_stack([(inputs - mean) / deviation, np.ones(len(inputs))])
    target = over.astype(np.float64)
    share = np.where(over, 0.5 / max(target.mean(), 1e-9), 0.5 / max(1 - target.mean(), 1e-9))
    penalty = np.diag([STRENGTH] * inputs.shape[1] + [1e-6])
    weights = np.zeros(design.shape[1])
    for _ in range(NEWTON_STEPS):
        probability = 1 / (1 + np.exp(-design @ weights))
        gradient = design.T @ (share * (probability - target)) + penalty @ weights
        curvature = (design.T * (share * probability * (1 - probability))) @ design + penalty
        weights -= np.linalg.solve(curvature, gradient)
    return np.asarray(np.column_stack([(unseen - mean) / deviation, np.ones(len(unseen))]) @ weights)
