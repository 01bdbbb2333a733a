"""Fits the weights, and measures them on sources of speech that were left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from tools.turn_sound.pauses import Pause, PauseKind
from voicebot.dialogue.end_of_turn.sound import CUES

LEAST = 15
"""Fewer pauses of a kind than this are not reported."""
SHARES = {PauseKind.CUT: 1.0, PauseKind.OWN: 1.0, PauseKind.HESITATION: 0.5}
"""How much the kinds of pauses within a turn count beside one another, within each source."""

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fitted:
    weights: Floats
    usual: Floats
    bias: float

    def log_odds(self, values: Floats) -> Floats:
        return np.asarray(np.nan_to_num(values - self.usual) @ self.weights + self.bias)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """The cues of pauses, one row for each; nan where a cue could not be measured."""

    values: Floats
    over: Mask
    sources: npt.NDArray[np.str_]
    speakers: npt.NDArray[np.str_]
    kinds: npt.NDArray[np.str_]
    natural: Mask

    def of(self, chosen: Mask) -> Measured:
        return Measured(
            self.values[chosen],
            self.over[chosen],
            self.sources[chosen],
            self.speakers[chosen],
            self.kinds[chosen],
            self.natural[chosen],
        )


def measured(pauses: Sequence[Pause]) -> Measured:
    """Returns the cues of the pauses with enough voice before them."""
    rows, known = [], [pause for pause in pauses if pause.prosody is not None]
    for pause in known:
        assert pause.prosody is not None
        values = [cue.value(pause.prosody) for cue in CUES]
        rows.append(
            [
                np.nan if value is None else min(cue.most, max(cue.least, value))
                for value, cue in zip(values, CUES, strict=True)
            ]
        )
    return Measured(
        np.array(rows),
        np.array([pause.kind is PauseKind.END for pause in known]),
        np.array([pause.source for pause in known]),
        np.array([pause.speaker for pause in known]),
        np.array([pause.kind.value for pause in known]),
        np.array([pause.natural for pause in known]),
    )


def sample_weights(data: Measured) -> Floats:
    """Returns weights by which ends and pauses count the same within each source, and large sources more than small
    ones: as the square root of their size."""
    weights = np.zeros(len(data.over))
    for source in set(data.sources):
        inside = data.sources == source
        ends = inside & data.over
        groups = {kind: inside & (data.kinds == kind.value) for kind in SHARES}
        groups = {kind: group for kind, group in groups.items() if group.any()}
        if not groups or not ends.any():
            continue
        size = np.sqrt(ends.sum())
        weights[ends] = size / ends.sum()
        total = sum(SHARES[kind] for kind in groups)
        for kind, group in groups.items():
            weights[group] = size * SHARES[kind] / total / group.sum()
    return np.asarray(weights / weights.mean())


def fit(data: Measured) -> Fitted:
    usual = np.nanmean(data.values, axis=0)
    centred = np.nan_to_num(data.values - usual)
    spread = centred.std(axis=0) + 1e-6
    model: Any = LogisticRegression(max_iter=500).fit(centred / spread, data.over, sample_weight=sample_weights(data))
    return Fitted(model.coef_[0] / spread, usual, float(model.intercept_[0]))


def left_out(data: Measured, groups: npt.NDArray[Any], without: int | None = None) -> Floats:
    """Returns the log-odds of each pause by weights that were fitted without its group, and without one of the cues."""
    values = data.values.copy()
    if without is not None:
        values[:, without] = np.nan_to_num(values[:, without]) * 0
    data = replace(data, values=values)
    scores = np.zeros(len(data.over))
    for group in set(groups):
        inside = groups == group
        scores[inside] = fit(data.of(~inside)).log_odds(data.values[inside])
    return scores


def areas(data: Measured, scores: Floats) -> dict[str, float]:
    """Returns the area under the curve for the ends of each source against each kind of its pauses."""
    found = {}
    for source in sorted(set(data.sources)):
        for natural in (False, True):
            for kind in SHARES:
                own = kind is PauseKind.OWN
                pauses = (data.sources == source) & (data.kinds == kind.value) & (data.natural == (natural and own))
                ends = (data.sources == source) & data.over & (data.natural == natural)
                if pauses.sum() >= LEAST and ends.sum() >= LEAST:
                    both = pauses | ends
                    manner = "as recorded" if natural else "cut"
                    found[f"{source}, ends {manner} against {kind}"] = float(
                        roc_auc_score(data.over[both], scores[both])
                    )
    return found


def calibration(data: Measured, scores: Floats) -> tuple[float, float]:
    """Returns factor and constant by which the log-odds would have to be changed to be right."""
    model: Any = LogisticRegression(C=1e6).fit(scores[:, None], data.over, sample_weight=sample_weights(data))
    return float(model.coef_[0][0]), float(model.intercept_[0])
