"""End of turn from the sound: pitch, loudness and voice of the last syllables.

At the end of a turn the voice moves away from its usual pitch (it falls, or rises in a question), and gets softer and
less regular. A speaker who goes on keeps the pitch level, or holds one sound ("um"). The length of the last syllable is
no cue: it is drawn out at the end of a turn and in a hesitation alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voicebot.audio.prosody import Prosody
from voicebot.dialogue.end_of_turn.evidence import Source, TurnEvidence

MOST = 3.0
"""The sound alone never says more than this, in log-odds: 95 %."""
MOST_AGAINST = 0.9
"""Without a held sound it says no more than this against the end: a monotonous voice stays level at its ends, too."""
MOST_AGAINST_REQUEST = 0.3
"""The same after a whole question or command. Some voices stay level at every end (the ends and the other pauses of
flite's kal16 sound alike), and would wait a second for each answer. With this bound, and delays at which as many
development cases of tests/benchmarks/turns are cut off, the p95 after whole questions fell from 1.04 to 0.66 s."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One property of the sound. `weight` is a change of the log-odds for each unit of `value` above `usual`."""

    name: str
    value: Callable[[Prosody], float | None]
    """Returns None if the property could not be measured; it then counts as usual."""
    least: float
    most: float
    """Values outside these bounds count as the bounds."""
    usual: float
    weight: float
    over: str
    """What speaks for the end of the turn if the cue does."""
    goes_on: str

    def log_odds(self, prosody: Prosody) -> float:
        value = self.value(prosody)
        return 0.0 if value is None else self.weight * (min(self.most, max(self.least, value)) - self.usual)


def _distance_st(prosody: Prosody) -> float | None:
    return None if prosody.pitch_st is None else abs(prosody.pitch_st)


HELD = Cue("steady", lambda at: at.steady_s, 0.12, 0.6, 0.124, -6.199, "no sound is held", "a filled pause (um)")

# Usual values, weights and bias are made by `python -m tools.turn_sound`, which says from which speech. Areas under the
# curve for a source of speech that was left out, ends as recorded against words within a phrase: actors 0.78, telephone
# prompts 0.98, espeak-ng 0.86, flite 0.67.
CUES = (
    Cue("pitch", _distance_st, 0, 6, 3.407, 0.241, "the voice leaves its usual pitch", "the voice stays level"),
    Cue("level", lambda at: at.level_db, -20, 3, -5.948, -0.038, "the voice dies away", "the voice stays loud"),
    Cue("syllable", lambda at: at.syllable_db, -12, 8, 5.283, -0.076, "the last word is soft", "the last word is loud"),
    Cue(
        "periodicity", lambda at: at.periodicity, -0.4, 0.2, -0.050, -1.959, "the voice gets rough", "the voice is full"
    ),
    HELD,
)
BIAS = 0.028


def sound_evidence(prosody: Prosody | None, *, request: bool = False) -> TurnEvidence | None:
    """Returns how much the sound before a pause changes the log-odds that the turn is over; None without a voice.

    `request`: the words are a whole question or command.
    """
    if prosody is None:
        return None
    parts = {cue: cue.log_odds(prosody) for cue in CUES}
    melody = BIAS + sum(part for cue, part in parts.items() if cue is not HELD)
    log_odds = max(-MOST_AGAINST_REQUEST if request else -MOST_AGAINST, melody) + parts[HELD]
    strongest = max(CUES, key=lambda cue: parts[cue] if log_odds > 0 else -parts[cue])
    return TurnEvidence(
        Source.SOUND,
        round(min(MOST, max(-MOST, log_odds)), 3),
        strongest.over if log_odds > 0 else strongest.goes_on,
    )
