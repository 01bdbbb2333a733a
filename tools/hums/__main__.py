"""python -m tools.hums train | measure"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

import numpy as np

from tools.hums.clips import SOURCES
from tools.hums.conditions import HELD_OUT, always, random_condition
from tools.hums.train import (
    KINDS,
    Described,
    Fitted,
    Floats,
    auc,
    combined,
    described_source,
    fit,
    fit_combination,
    joined,
)
from voicebot.engines.stt.moonshine.hums import WEIGHTS
from voicebot.engines.stt.moonshine.model import Model

TRAINED_ON = {"espeak": 3_000, "own": 3_000, "hibari": 1_500}
"""How many clips of each synthesiser are made. flite's are never trained on: they are for testing."""
TESTED_ON = 400
TRAINING_SEED, TEST_SEED = 14, 41
TEXT_EVERY = 5

WORDS_TAKEN = 0.005
"""The threshold lets so many of the words through that come from a synthesiser left out of the training: a missed
interruption is worse than a hum that stops the bot."""


def _weights_of(data: Described) -> Floats:
    """Hums and words count the same in all."""
    return np.where(data.hums, 0.5 / data.hums.mean(), 0.5 / (~data.hums).mean())


def _train(model: Model, parts: dict[str, Described]) -> tuple[Fitted, Floats, float]:
    """Returns the classifier of all parts; and how it is combined with the text, and the threshold, both from
    classifiers that leave out the part that they are tried on."""
    tried = []
    for left_out, part in parts.items():
        others = joined(other for name, other in parts.items() if name != left_out)
        fitted = fit(others, _weights_of(others))
        seen = ~np.isnan(part.texts)
        tried.append((fitted.log_odds(part.vectors)[seen], part.texts[seen], part.hums[seen]))
    log_odds, texts, hums = (np.concatenate(values) for values in zip(*tried, strict=True))
    combination = fit_combination(log_odds, texts, hums)
    threshold = float(np.quantile(combined(combination, log_odds, texts)[~hums], 1 - WORDS_TAKEN))
    everything = joined(parts.values())
    return fit(everything, _weights_of(everything)), combination, threshold


def _report(name: str, data: Described, fitted: Fitted, combination: Floats, threshold: float) -> None:
    log_odds = fitted.log_odds(data.vectors)
    probability = combined(combination, log_odds, data.texts)
    hums = data.hums
    taken = probability >= threshold
    known = "  ".join(
        f"{kind} {taken[data.kinds == place].mean():5.1%}" for place, kind in enumerate(KINDS) if place > 0
    )
    yes = np.isin(data.kinds, (1, 2))
    same = np.isin(fitted.kinds(data.vectors), (1, 2)) == yes
    mistaken = sorted({said for said, wrong in zip(data.said, taken & ~hums, strict=True) if wrong})
    sys.stdout.write(
        f"{name:34} AUC of the sound {auc(log_odds[hums], log_odds[~hums]):.3f}, with the text "
        f"{auc(probability[hums], probability[~hums]):.3f}; hums known {taken[hums].mean():5.1%} ({known}); words "
        f"mistaken {taken[~hums].mean():5.2%} of {int((~hums).sum())} {mistaken}; yes or hmm right "
        f"{same[hums].mean():5.1%}\n"
    )


def _parts(model: Model, names: list[str]) -> dict[str, Described]:
    return {
        name: described_source(model, SOURCES[name](), TRAINED_ON[name], TRAINING_SEED, random_condition, TEXT_EVERY)
        for name in names
    }


def train(model: Model) -> None:
    parts = _parts(model, list(TRAINED_ON))
    fitted, combination, threshold = _train(model, parts)
    counts = ", ".join(f"{len(part.kinds)} of {name}" for name, part in parts.items())
    header = (
        f"Made by python -m tools.hums train on {datetime.now(UTC):%Y-%m-%d}: logistic regression on the features of "
        f"Moonshine tiny-en's encoder. Clips, all made on the spot (seed {TRAINING_SEED}): {counts}."
    )
    np.savez_compressed(
        WEIGHTS,
        made=np.array(header),
        texts=np.array(["Uh-huh.", "Mm-hmm.", "Hmm."]),
        weights=fitted.weights.astype(np.float32),
        bias=fitted.bias.astype(np.float32),
        combination=combination,
        threshold=np.array(threshold),
    )
    sys.stdout.write(f"{header}\n{WEIGHTS.name}: {WEIGHTS.stat().st_size} bytes, threshold {threshold:.3f}\n")


def measure(model: Model) -> None:
    """Each row: voices that the classifier of that row has not heard."""
    parts = _parts(model, list(TRAINED_ON))
    for left_out in ("flite", *TRAINED_ON):
        kept = {name: part for name, part in parts.items() if name != left_out}
        fitted, combination, threshold = _train(model, kept)
        source = SOURCES[left_out]()
        for condition in HELD_OUT:
            data = described_source(model, source, TESTED_ON, TEST_SEED, always(condition), 1)
            _report(f"{left_out} left out, {condition.name}", data, fitted, combination, threshold)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.hums")
    parser.add_argument("what", choices=("train", "measure"))
    what = parser.parse_args().what
    model = Model.load()
    train(model) if what == "train" else measure(model)


if __name__ == "__main__":
    main()
