"""What the optional end-of-turn model says about the end of a turn."""

from __future__ import annotations

from math import log

from voicebot.dialogue.end_of_turn.evidence import Source, TurnEvidence

WEIGHT = 0.25
"""How much of the model's log-odds counts. For Smart Turn after 0.1 s of silence a logistic regression gives
0.63 ± 0.17 with 43 cases of real speakers, and 0.14 ± 0.04 with all 377 development cases: most of them are of
synthetic voices, which the model judges hardly better than by chance (`python -m tests.benchmarks.turns.smart_turn`).
This figure lies between the two."""

MOST = 2.5
"""The model never changes the log-odds by more than this, however sure it is."""

_LEAST = 1e-6
"""Keeps the logarithm finite."""


def model_evidence(probability: float) -> TurnEvidence:
    """Returns the evidence of a model that gives the end of the turn this probability, 0 to 1."""
    bounded = min(max(probability, _LEAST), 1.0 - _LEAST)
    log_odds = WEIGHT * log(bounded / (1.0 - bounded))
    sounds = "sounds finished" if probability >= 0.5 else "sounds unfinished"
    return TurnEvidence(Source.MODEL, min(max(log_odds, -MOST), MOST), f"it {sounds} ({probability:.0%})")
