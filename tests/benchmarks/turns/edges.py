"""Checks that the cuts do not give the answers away: a classifier that sees only the edge of each pause.

It is a logistic regression, cross-validated by speaker. If the edges say nothing, the area under its curve is 0.5.
"""

from __future__ import annotations

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

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EdgeScore:
    """How well a classifier tells ends from pauses. `auc` lies between `low` and `high` with 95 % confidence if the
    classifier guesses or not: the interval does not hold 0.5 if it knows something."""

    auc: float
    low: float
    high: float
    accuracy: float
    cases: int

    @property
    def at_chance(self) -> bool:
        return self.low <= 0.5


def score_edges(cases: Sequence[TurnCase], features: Callable[[TurnCase], list[float]]) -> EdgeScore:
    """Scores a classifier that sees the `features` of each case. Every case is judged by the speakers of the others."""
    cases = [case for case in cases if case.audio is not None]
    inputs = np.array([features(case) for case in cases])
    over = np.array([case.over for case in cases])
    speakers = sorted({case.speaker for case in cases})
    folds = np.array([speakers.index(case.speaker) % FOLDS for case in cases])
    scores = np.zeros(len(cases))
    for fold in set(folds.tolist()):
        seen = folds != fold
        scores[~seen] = _judged(inputs[seen], over[seen], inputs[~seen])
    auc, deviation = _area(scores, over, folds)
    return EdgeScore(
        auc, auc - 1.96 * deviation, auc + 1.96 * deviation, float(np.mean((scores > 0) == over)), len(cases)
    )


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
    bands = [float(power[(hz >= low) & (hz < high)].sum()) for low, high in zip(BANDS_HZ, BANDS_HZ[1:], strict=False)]
    shape = 10 * np.log10(np.array(bands) / (sum(bands) + 1e-15) + 1e-6)
    return [float(levels.mean()), *np.diff(levels).tolist(), *shape.tolist()]


def _judged(inputs: Matrix, over: npt.NDArray[np.bool_], unseen: Matrix) -> Matrix:
    """Returns the log-odds that logistic regression on the first cases gives the unseen ones; both classes weigh the
    same."""
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0) + 1e-9
    design = np.column_stack([(inputs - mean) / deviation, np.ones(len(inputs))])
    target = over.astype(np.float64)
    share = np.where(over, 0.5 / max(target.mean(), 1e-9), 0.5 / max(1 - target.mean(), 1e-9))
    penalty = np.diag([STRENGTH] * inputs.shape[1] + [1e-6])
    weights = np.zeros(design.shape[1])
    for _ in range(25):  # Newton's method
        probability = 1 / (1 + np.exp(-design @ weights))
        gradient = design.T @ (share * (probability - target)) + penalty @ weights
        curvature = (design.T * (share * probability * (1 - probability))) @ design + penalty
        weights -= np.linalg.solve(curvature, gradient)
    return np.asarray(np.column_stack([(unseen - mean) / deviation, np.ones(len(unseen))]) @ weights)


def _area(scores: Matrix, over: npt.NDArray[np.bool_], folds: npt.NDArray[np.int_]) -> tuple[float, float]:
    """Returns the area under the ROC curve and its standard deviation (Hanley and McNeil, 1982).

    Only cases of the same fold are compared, as other folds have other classifiers.
    """
    areas, weights = [], []
    for fold in set(folds.tolist()):
        ends, goes_on = scores[(folds == fold) & over], scores[(folds == fold) & ~over]
        if len(ends) and len(goes_on):
            above = (ends[:, None] > goes_on[None, :]) + 0.5 * (ends[:, None] == goes_on[None, :])
            areas.append(float(above.mean()))
            weights.append(len(ends) + len(goes_on))
    area = float(np.average(areas, weights=weights))
    ends_count, on_count = int(over.sum()), int((~over).sum())
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (ends_count - 1) * (first - area**2) + (on_count - 1) * (second - area**2)
    return area, float(np.sqrt(max(variance, 0.0) / (ends_count * on_count)))
