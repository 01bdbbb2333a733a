"""Where the time of an answer went, held against the project's goals: a pure function of the waterfall's steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

GAP_MS = 800
"""The response gap to reach at the median, on engines of known delay (SPEC.md, 11)."""

OWN_MS = 40
"""The bot's own share of it to reach at the median: what no engine and no waiting for the user's next word takes."""

OWN = "first frame"
"""The step that no engine has a part in."""

STAGES = {"final text": "stt", "first token": "llm", "first sentence": "llm", "first audio": "tts"}
"""Whose engine a step waits for. The end of the turn waits for the user, who might go on."""


def judged(steps: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The gap of an answered turn, the step that most of it went to, and the bot's own share, all in ms.

    `steps` are `panel.turn_view`'s. None until the answer is heard. Steps overlap, so only those count that the answer
    really waited for (the critical path): from the first frame back to the end of speech, each time to the step that
    came last before. What lies between two of them is the bot's own.
    """
    if not steps or steps[-1]["name"] != OWN:
        return None
    at_ms = steps[-1]["to_ms"]
    waited = {OWN: at_ms}
    before = steps[:-1]
    while in_time := [index for index, step in enumerate(before) if at_ms and step["to_ms"] <= at_ms]:
        last = max(in_time, key=lambda index: (before[index]["to_ms"], index))
        step = before[last]
        waited[step["name"]] = step["to_ms"] - step["from_ms"]
        waited[OWN] -= waited[step["name"]]
        at_ms, before = step["from_ms"], before[:last]
    most = max(waited, key=waited.__getitem__)
    return {
        "gap_ms": steps[-1]["to_ms"],
        "limit_ms": GAP_MS,
        "most": most,
        "stage": STAGES.get(most),
        "own_ms": waited[OWN],
        "own_limit_ms": OWN_MS,
    }
