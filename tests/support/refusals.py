"""Those who were refused, counted as the server's metrics count them."""

from __future__ import annotations

from collections import Counter

from voicebot.access.refusal import Reason


class Refusals(Counter[Reason]):
    """How often somebody was refused, by reason."""

    def count_refusal(self, reason: Reason) -> None:
        self[reason] += 1
