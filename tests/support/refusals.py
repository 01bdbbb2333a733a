"""Counts refused clients as the server's metrics do."""

from __future__ import annotations

from collections import Counter

from voicebot.access.refusal import Reason


class Refusals(Counter[Reason]):
    """The number of refusals by reason."""

    def count_refusal(self, reason: Reason) -> None:
        self[reason] += 1
