"""Where the time of an answer goes: the steps from the end of speech to the first audio, and the goals for them.

These are pure functions from a turn's times to plain JSON values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from voicebot.dialogue.state import Turn


@dataclass(frozen=True, slots=True)
class TurnStep:
    """One step from the end of speech to the first frame of the answer. `came` is the field of `Turn` with its time.

    `after` names the steps that it may have waited for, beside the end of speech. A preemptive reply is made while the
    bot still makes sure that the user is done: only its first frame waits for the end of the turn.
    """

    name: str
    came: str
    after: tuple[str, ...]
    meaning: str


BEGUN = "begun"
"""The beginning of the reply: not a step of its own, but what the first token waits for."""

STEPS = (
    TurnStep("end of turn", "turn_ended_s", (), "until the bot was sure that you had finished"),
    TurnStep("final text", "transcript_s", (), "until all your words were known"),
    TurnStep(
        "first token",
        "token_s",
        (BEGUN,),
        "until the agent began to answer, which it may do while you might still go on",
    ),
    TurnStep("first sentence", "sentence_s", ("first token",), "until there was a sentence to speak"),
    TurnStep("first audio", "audio_s", ("first sentence",), "until its sound began to come"),
    TurnStep("first frame", "frame_s", ("first audio", "end of turn"), "until it was played, once your turn was over"),
)


GAP_MS = 800
"""The goal for the median response gap: the specification's, on engines of known delay."""

OWN_MS = 40
"""The goal for the bot's own share of the median gap: the time that it waits neither for an engine nor for the user."""

OWN = "first frame"
"""The step that no engine takes part in."""

STAGES = {"final text": "stt", "first token": "llm", "first sentence": "llm", "first audio": "tts"}
"""The stage that each step waits for. The end of the turn waits for the user, who might go on."""


def turn_view(turn: Turn | None) -> list[dict[str, Any]]:
    """Returns the steps of a turn that have been reached, in ms since the user fell silent.

    Each step runs from the last thing that it waited for to its own coming. What came while the user still spoke (a
    preemptive reply that turned out right) counts as there from the start.
    """
    if turn is None:
        return []
    fields = {step.name: step.came for step in STEPS} | {BEGUN: "begun_s"}
    came = {
        name: max(0, _ms(at_s - turn.speech_ended_s))
        for name, field in fields.items()
        if (at_s := getattr(turn, field)) is not None
    }
    return [
        {"name": step.name, "from_ms": _began_ms(step, came), "to_ms": came[step.name]}
        for step in STEPS
        if step.name in came
    ]


def _began_ms(step: TurnStep, came: dict[str, int]) -> int:
    """Returns when the step could begin, because everything that it waits for had come."""
    return max((came[name] for name in step.after if name in came), default=0)


def medians(turns: Iterable[Turn]) -> dict[str, int]:
    """Returns the median response gap and median step lengths, in ms, over the answered turns that were spoken."""
    views = [turn_view(turn) for turn in turns if not turn.typed]
    lengths = {
        step.name: [shown["to_ms"] - shown["from_ms"] for view in views for shown in view if shown["name"] == step.name]
        for step in STEPS
    }
    gaps = [view[-1]["to_ms"] for view in views if view]
    result = {name: round(median(values)) for name, values in lengths.items() if values}
    return {"response gap": round(median(gaps)), **result} if gaps else {}


def response_budget(steps: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Returns the gap of an answered turn, the step that took most of it, and the bot's own share, in ms.

    `steps` are those of `turn_view`. Returns None until the answer is heard. Steps overlap, so only those on the
    critical path count: from the first frame back to the end of speech, each time to the step that was reached last
    before. The time between two of these is the bot's own.
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


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
