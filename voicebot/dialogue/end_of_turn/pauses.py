"""How this user pauses: who often goes on after a pause gets more time, and who never does gets quicker answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from voicebot.dialogue.end_of_turn.evidence import Source, TurnEvidence

NOTED_S = 0.35
"""Shorter silences within a turn are the gaps between words, and tell nothing. The time is measured until the detector
is sure that the user speaks on, which takes it 0.1 s."""
KEPT = 12
"""How many of the last pauses count: after some turns, the bot has followed a user who speaks differently."""
USUAL_ENDS = 2.0
USUAL_PAUSES = 1.0
"""What is assumed of a new user: two turns that end for each pause within a turn."""
MOST = 0.5
MOST_AGAINST = 1.0
"""The log-odds for and against the end are never more than these: to cut a user off costs more than to wait."""


@dataclass(frozen=True, slots=True)
class PauseHistory:
    """What came of the user's last pauses, oldest first: True if the user went on, False if the turn was over."""

    went_on: tuple[bool, ...] = ()

    def after_pause(self) -> PauseHistory:
        """Returns the history after the user has gone on after a pause of at least `NOTED_S`."""
        return self._and(went_on=True)

    def after_turn(self) -> PauseHistory:
        """Returns the history after a turn was taken to be over."""
        return self._and(went_on=False)

    def after_correction(self) -> PauseHistory:
        """Returns the history after the user has gone on with a turn that was taken to be over."""
        if not self.went_on or self.went_on[-1]:
            return self
        return PauseHistory((*self.went_on[:-1], True))

    def _and(self, *, went_on: bool) -> PauseHistory:
        return PauseHistory((*self.went_on, went_on)[-KEPT:])


def pause_evidence(pauses: PauseHistory) -> TurnEvidence | None:
    """Returns what the user's last pauses tell about the next one; None while nothing is known of this user."""
    if not pauses.went_on:
        return None
    on = sum(pauses.went_on)
    ends = len(pauses.went_on) - on
    log_odds = math.log((ends + USUAL_ENDS) / (on + USUAL_PAUSES)) - math.log(USUAL_ENDS / USUAL_PAUSES)
    reason = "you often go on after a pause" if log_odds < 0 else "you seldom pause within a sentence"
    return TurnEvidence(Source.PAUSES, max(-MOST_AGAINST, min(MOST, log_odds)), reason)
