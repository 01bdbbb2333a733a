"""Trains, writes the weights, and measures."""

from __future__ import annotations

import sys

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
from tools.hums.vocabulary import Kind
from voicebot.engines.stt.moonshine.hums import WEIGHTS
from voicebot.engines.stt.moonshine.model import Model

TRAINED_ON = {"espeak": 3_000, "own": 2_500, "hibari": 1_500}
"""How many clips of each synthesiser are made. flite's are never trained on: they are for testing."""
TRIED_ON = ("espeak", "hibari")
"""They say words as people do: the threshold and the weight of the text come from them, each left out in turn."""
TESTED_ON = 200
TRAINING_SEED, TEST_SEED = 14, 41
TEXT_EVERY = 5

WORDS_TAKEN = 0.05
"""The threshold takes this share of the words of a synthesiser that was left out for hums, most of them in noise, in
rooms or over the telephone. Words that stop the bot need the higher certainty of `SURE` in `short_utterances`."""


def weights_of(data: Described) -> Floats:
    """Hums and words count the same in all."""
    return np.where(data.hums, 0.5 / data.hums.mean(), 0.5 / (~data.hums).mean())


def train(model: Model) -> None:
    parts = {
        name: described_source(model, SOURCES[name](), count, TRAINING_SEED, random_condition, TEXT_EVERY)
        for name, count in TRAINED_ON.items()
    }
    without = {}
    tried = []
    for left_out in TRIED_ON:
        others = joined(part for name, part in parts.items() if name != left_out)
        fitted = without[left_out] = fit(others, weights_of(others))
        part = parts[left_out].of(~np.isnan(parts[left_out].texts))
        tried.append((fitted.log_odds(part.vectors), part.texts, part.hums))
    log_odds, texts, hums = (np.concatenate(values) for values in zip(*tried, strict=True))
    combination = fit_combination(log_odds, texts, hums)
    threshold = float(np.quantile(combined(combination, log_odds, texts)[~hums], 1 - WORDS_TAKEN))
    everything = joined(parts.values())
    fitted = without["flite"] = fit(everything, weights_of(everything))
    counts = ", ".join(f"{len(part.kinds)} of {name}" for name, part in parts.items())
    header = (
        f"Made by python -m tools.hums: logistic regression on the features of Moonshine tiny-en's encoder. Clips, all "
        f"made on the spot with seed {TRAINING_SEED}: {counts}."
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
    sys.stdout.write(f"{header}\n{WEIGHTS.name}: {WEIGHTS.stat().st_size} bytes; {combination=}, {threshold=:.3f}\n")
    for left_out, fitted in without.items():
        source = SOURCES[left_out]()
        for condition in HELD_OUT:
            data = described_source(model, source, TESTED_ON, TEST_SEED, always(condition), 1)
            report(f"{left_out} left out, {condition.name}", data, fitted, combination, threshold)


def report(name: str, data: Described, fitted: Fitted, combination: Floats, threshold: float) -> None:
    log_odds = fitted.log_odds(data.vectors)
    probability = combined(combination, log_odds, data.texts)
    hums, taken = data.hums, probability >= threshold
    known = ", ".join(f"{kind} {taken[data.kinds == place].mean():.0%}" for place, kind in enumerate(KINDS) if place)
    same = np.isin(fitted.kinds(data.vectors), _YES) == np.isin(data.kinds, _YES)
    mistaken = sorted({said for said, wrong in zip(data.said, taken & ~hums, strict=True) if wrong})
    sys.stdout.write(
        f"{name}: AUC {auc(log_odds[hums], log_odds[~hums]):.3f} by the sound, "
        f"{auc(probability[hums], probability[~hums]):.3f} with the text; "
        f"hums known {taken[hums].mean():.1%} ({known}); "
        f"words mistaken {taken[~hums].mean():.1%} of {int((~hums).sum())} {mistaken}; "
        f"yes or hmm right {same[hums].mean():.0%}\n"
    )
    sys.stdout.flush()


_YES = (KINDS.index(Kind.UH_HUH), KINDS.index(Kind.MM_HMM))


if __name__ == "__main__":
    train(Model.load())
