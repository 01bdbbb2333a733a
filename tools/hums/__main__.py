"""Trains the classifier of hums, writes its weights, and prints how well it works."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tools.hums.clips import SOURCES, Source, joe_source, kokoro_source
from tools.hums.conditions import HELD_OUT, in_turn, random_condition
from tools.hums.natural import HELD_OUT_VOICES, INSTALL, Joe, Kokoro, MissingVoicesError
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

TRAINED_ON = {"espeak": 3_000, "own": 2_500, "hibari": 1_500, "kokoro a": 1_500, "kokoro b": 1_500}
"""How many clips of each source are made for the training. flite and joe are only used for testing."""
TAKES = 3
"""How many clips are made of each sound of Kokoro, which takes a hundred times as long to make as one of the others."""
TRIED_ON = ("espeak", "hibari", "kokoro a", "kokoro b")
"""The sources from which the threshold and the weight of the text are found. Each is left out of the training in turn.
"""
TESTED_ON = 150
"""The number of clips of each source that are tried under each condition."""
TRAINING_SEED, TEST_SEED = 14, 41
TEXT_EVERY = 3

WORDS_TAKEN = 0.05
"""The share of a left-out voice's words that is taken for hums at the threshold. Most have noise, a room or telephone.
Words that stop the bot need the higher probability `SURE` of `short_utterances`."""


def weights_of(parts: Iterable[Described]) -> Floats:
    """Returns weights by which all sources count the same, as do hums and words within each."""
    return np.concatenate([np.where(part.hums, 0.5 / part.hums.sum(), 0.5 / (~part.hums).sum()) for part in parts])


def fit_parts(parts: Mapping[str, Described]) -> Fitted:
    return fit(joined(parts.values()), weights_of(parts.values()))


def without(parts: Mapping[str, Described], left_out: str) -> dict[str, Described]:
    """Returns the parts without those whose names begin with `left_out`."""
    return {name: part for name, part in parts.items() if not name.startswith(left_out)}


def training_source(name: str, seed: int) -> Source:
    if not name.startswith("kokoro"):
        return SOURCES[name]()
    kokoro = Kokoro(seed)
    voices = [voice for voice in sorted(kokoro.styles) if voice not in HELD_OUT_VOICES]
    return kokoro_source(kokoro, voices[name == "kokoro b" :: 2], takes=TAKES, training=True)


def train(model: Model, names: Sequence[str]) -> None:
    """Trains on these sources, writes the weights, and prints reports. Raises MissingVoicesError before it trains."""
    seeds = {name: TRAINING_SEED + (name == "kokoro b") for name in names}  # the halves of Kokoro say different words
    sources = {name: training_source(name, seed) for name, seed in seeds.items()}
    natural = natural_tests() if "kokoro a" in names else {}
    parts = {
        name: described_source(model, source, TRAINED_ON[name], seeds[name], random_condition, TEXT_EVERY)
        for name, source in sources.items()
    }
    tried = []
    for left_out in TRIED_ON:
        if left_out in parts:
            part = parts[left_out].of(~np.isnan(parts[left_out].texts))
            tried.append((fit_parts(without(parts, left_out)).log_odds(part.vectors), part.texts, part.hums))
    log_odds, texts, hums = (np.concatenate(values) for values in zip(*tried, strict=True))
    combination = fit_combination(log_odds, texts, hums)
    threshold = float(np.quantile(combined(combination, log_odds, texts)[~hums], 1 - WORDS_TAKEN))
    fitted = fit_parts(parts)
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
    report(model, "flite", SOURCES["flite"](), fitted, combination, threshold)
    for left_out in ("espeak", "hibari"):
        report(model, left_out, SOURCES[left_out](), fit_parts(without(parts, left_out)), combination, threshold)
    for left_out, source in natural.items():
        report(model, left_out, source, fitted, combination, threshold)


def natural_tests() -> dict[str, Source]:
    kokoro = Kokoro(TEST_SEED)
    return {
        "joe": joe_source(Joe(TEST_SEED)),
        "a third of Kokoro's voices": kokoro_source(kokoro, HELD_OUT_VOICES, takes=len(HELD_OUT), training=False),
    }


def report(model: Model, left_out: str, source: Source, fitted: Fitted, combination: Floats, threshold: float) -> None:
    count = TESTED_ON * len(HELD_OUT)
    several = described_source(model, source, count, TEST_SEED, in_turn(HELD_OUT), 1)
    for condition in HELD_OUT:
        data = several.of(np.array([name == condition.name for name in several.conditions]))
        log_odds = fitted.log_odds(data.vectors)
        probability = combined(combination, log_odds, data.texts)
        hums, taken = data.hums, probability >= threshold
        known = ", ".join(
            f"{kind} {taken[data.kinds == place].mean():.0%}" for place, kind in enumerate(KINDS) if place
        )
        same = np.isin(fitted.kinds(data.vectors), _YES) == np.isin(data.kinds, _YES)
        mistaken = sorted({said for said, wrong in zip(data.said, taken & ~hums, strict=True) if wrong})
        sys.stdout.write(
            f"{left_out} left out, {condition.name}: AUC {auc(log_odds[hums], log_odds[~hums]):.3f} by the sound, "
            f"{auc(probability[hums], probability[~hums]):.3f} with the text; "
            f"hums known {taken[hums].mean():.1%} ({known}); "
            f"words mistaken {taken[~hums].mean():.1%} of {int((~hums).sum())} {mistaken}; "
            f"yes or hmm right {same[hums].mean():.0%}\n"
        )
        sys.stdout.flush()


_YES = (KINDS.index(Kind.UH_HUH), KINDS.index(Kind.MM_HMM))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.hums", description=__doc__)
    parser.add_argument(
        "--without-natural-voices", action="store_true", help="train on espeak-ng, hibari and the own voice only"
    )
    names = list(TRAINED_ON)
    if parser.parse_args().without_natural_voices:
        names = [name for name in names if not name.startswith("kokoro")]
    try:
        train(Model.load(), names)
    except MissingVoicesError as missing:
        sys.exit(f"{missing}. To get the natural voices: {INSTALL} (or use --without-natural-voices)")


if __name__ == "__main__":
    main()
