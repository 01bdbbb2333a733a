"""Stands in for the pieces that are being written."""

from __future__ import annotations

from voicebot.dialogue.end_of_turn.evidence import Evidence, Source
from voicebot.dialogue.end_of_turn.turn_end import Completeness, _assess

LOG_ODDS = {Completeness.COMPLETE: 2.0, Completeness.UNKNOWN: 0.0, Completeness.INCOMPLETE: -4.5}


def word_evidence(text: str, language: str) -> Evidence:
    found, reason = _assess(text, language)
    return Evidence(Source.WORDS, LOG_ODDS[found], reason)
