"""The estimate of P(turn over) in a pause of the user's, and the silence that ends the turn, which follows from it.

A pause within a turn ends at a nearly constant rate, so that the wait which costs the least (time after turns that are
over, cut-offs after others) falls in a straight line with the log-odds that the turn is over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from voicebot.dialogue.end_of_turn.evidence import Source, TurnEvidence
from voicebot.dialogue.preferences import Endpointing


@dataclass(frozen=True, slots=True)
class EndpointingDelays:
    """The silence that ends a turn, in seconds: `even_s` if the turn is as likely to be over as not."""

    even_s: float = 0.95
    per_log_odds_s: float = 0.5
    """How much each unit of log-odds shortens or lengthens it."""
    least_s: float = 0.15
    most_s: float = 1.5
    unsettled_s: float = 0.3
    """The shortest silence while the recogniser may still find words that were said before the pause."""

    def delay_s(self, log_odds: float, *, settled: bool) -> float:
        """Returns the silence that ends the turn. `settled`: every word that was said before the pause is known."""
        least_s = self.least_s if settled else max(self.least_s, self.unsettled_s)
        return round(min(self.most_s, max(least_s, self.even_s - self.per_log_odds_s * log_odds)), 3)

    def shifted(self, by_s: float) -> EndpointingDelays:
        """Returns the delays with `by_s` more seconds for any evidence, within the same bounds."""
        return replace(self, even_s=self.even_s + by_s)


DELAYS = {
    Endpointing.QUICK: EndpointingDelays(even_s=0.73, per_log_odds_s=0.42, most_s=1.2),
    Endpointing.BALANCED: EndpointingDelays(),
    Endpointing.PATIENT: EndpointingDelays(even_s=1.9, per_log_odds_s=1.0, least_s=0.5, most_s=3.0, unsettled_s=0.5),
}

WEIGHTS = {Source.WORDS: 0.8, Source.QUESTION: 1.0, Source.SOUND: 1.9}
"""How much of the log-odds of a source counts; of any other source, all. The sources are not independent of each other,
and some are surer of themselves than they should be. Fitted by `python -m tests.benchmarks.turns.weights`."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is known in a pause of whether the turn is over: evidence that adds up."""

    evidence: tuple[TurnEvidence, ...] = ()

    @classmethod
    def of(cls, evidence: Iterable[TurnEvidence | None]) -> Estimate:
        return cls(tuple(each for each in evidence if each is not None))

    @property
    def log_odds(self) -> float:
        return sum(_counted(each) for each in self.evidence)

    @property
    def probability(self) -> float:
        return 1 / (1 + math.exp(-self.log_odds))

    def without(self, sources: frozenset[Source]) -> Estimate:
        return Estimate(tuple(each for each in self.evidence if each.source not in sources))

    def reason(self, silence_s: float) -> str:
        """Returns what ended a turn after this silence, for people: the strongest evidence for it, or the silence."""
        strongest = max(self.evidence, key=_counted, default=None)
        if strongest is None or strongest.log_odds <= 0 or self.log_odds < 0:
            return f"silence: {silence_s:.1f} s"
        return f"{strongest.source.value}: {strongest.reason}"


def _counted(evidence: TurnEvidence) -> float:
    return WEIGHTS.get(evidence.source, 1.0) * evidence.log_odds
