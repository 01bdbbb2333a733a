"""What the optional end-of-turn model says about the end of a turn."""

from __future__ import annotations

from math import log

from voicebot.dialogue.end_of_turn.evidence import Evidence, Source

WEIGHT = 0.5
"""How much of the model's log-odds counts."""

MOST = 2.5
"""The model never changes the log-odds by more than this, as it is often sure and wrong."""

_LEAST = 1e-6
"""Keeps the logarithm finite."""


def model_evidence(probability: float) -> Evidence:
    """Returns the evidence of a model that gives the end of the turn this probability, 0 to 1."""
    bounded = min(max(probability, _LEAST), 1.0 - _LEAST)
    log_odds = WEIGHT * log(bounded / (1.0 - bounded))
    sounds = "sounds finished" if probability >= 0.5 else "sounds unfinished"
    return Evidence(Source.MODEL, min(max(log_odds, -MOST), MOST), f"it {sounds} ({probability:.0%})")
